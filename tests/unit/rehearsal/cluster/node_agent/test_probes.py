"""Probes of a pod with real, small processes: when it is ready, and when it is started again."""

import asyncio
import socket
from contextlib import closing

import pytest

from tests.unit.pods import ADDRESS, log, manifest, shell

SERVE = "exec python3 -S -m http.server --bind 127.0.0.1 {port}"
GET = {"httpGet": {"path": "/", "port": "http"}}


def serving(port, **probes):
    return shell(SERVE.format(port=port), ports=[{"name": "http", "containerPort": port}], **probes)


@pytest.fixture
def port():
    with closing(socket.socket()) as free:
        free.bind((ADDRESS, 0))
        return free.getsockname()[1]


@pytest.fixture
def quick(monkeypatch):
    """Probes twenty times as fast as a manifest can say."""
    real = asyncio.sleep
    monkeypatch.setattr("rehearsal.cluster.node_agent.container_run.asyncio.sleep", lambda seconds: real(seconds / 20))


async def test_ready_is_what_the_readiness_probe_says(node, port, quick):
    del quick
    probes = {"startupProbe": {**GET, "periodSeconds": 1, "failureThreshold": 400}, "readinessProbe": {**GET}}
    async with node(manifest(serving(port, **probes))) as (outside, _):
        await outside.until(lambda: outside.container.get("started"))
        await outside.until(lambda: outside.ready)
    order = [(one["containerStatuses"][0]["started"], one["containerStatuses"][0]["ready"]) for one in outside.statuses]

    assert (False, True) not in order
    assert (True, True) == order[-1]


async def test_readiness_is_lost_after_its_threshold_and_comes_back(node, quick):
    del quick
    probe = {"exec": {"command": ["test", "!", "-f", "/it/closed"]}, "periodSeconds": 1, "failureThreshold": 2}
    container = shell("exec sleep 600", readinessProbe=probe, volumeMounts=[{"name": "it", "mountPath": "/it"}])
    async with node(manifest(container, volumes=[{"name": "it"}])) as (outside, runner):
        await outside.until(lambda: outside.ready)
        closed = runner.context.volumes["it"] / "closed"
        closed.touch()
        await outside.until(lambda: not outside.ready)
        closed.unlink()
        await outside.until(lambda: outside.ready)

    assert 2 <= sum(reason == "Unhealthy" for reason, _, _ in outside.events)
    assert 0 == outside.container["restartCount"]


@pytest.mark.parametrize("kind", ["startup", "liveness"])
async def test_a_failed_probe_restarts_the_container_through_pre_stop(node, tmp_path, quick, kind):
    del quick
    container = shell(
        "trap 'echo term; exit 0' TERM; echo on; while :; do sleep 0.02; done",
        **{f"{kind}Probe": {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}},
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /it/hook"]}}},
        volumeMounts=[{"name": "it", "mountPath": "/it"}],
    )
    async with node(manifest(container, volumes=[{"name": "it"}])) as (outside, runner):
        await outside.until(lambda: outside.container.get("restartCount") == 1)
        hook = (runner.context.volumes["it"] / "hook").read_text()

    assert "hook\n" == hook
    assert "term" in log(tmp_path)
    assert ("Killing", f"Container main failed {kind} probe, will be restarted", False) in outside.events
    assert 2 <= sum(reason == "Unhealthy" for reason, _, _ in outside.events)


async def test_a_tcp_probe_asks_for_a_connection(node, port, quick):
    del quick
    with closing(socket.create_server((ADDRESS, port))):
        container = shell("exec sleep 600", readinessProbe={"tcpSocket": {"port": port}})
        async with node(manifest(container)) as (outside, _):
            await outside.until(lambda: outside.ready)
