"""What the node agent says to the API server, at the wire."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.node_agent.environment import ConfigError
from rehearsal.cluster.node_agent.pod_objects import PodObjects
from rehearsal.cluster.node_agent.status_reporter import StatusReporter
from rehearsal.cluster.node_agent.volumes import MountError, mounts, prepare_volumes
from rehearsal.errors import ApiError

POD = {"metadata": {"name": "p", "namespace": "serving", "uid": "u-1"}, "spec": {"nodeName": "gpu-1"}}
PATH = "/api/v1/namespaces/serving/pods/p"


class Server:
    """Answers with what it was given, else 404; keeps the requests."""

    def __init__(self, answers=()):
        self.answers, self.requests = dict(answers), []

    def __call__(self, request):
        content = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, content))
        answer = self.answers.get(request.url.path, 404)
        if isinstance(answer, Exception):
            raise answer
        status, body = (
            answer if isinstance(answer, tuple) else (answer, {}) if isinstance(answer, int) else (200, answer)
        )
        return httpx.Response(status, json=body)


@asynccontextmanager
async def objects(server):
    async with httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(server)) as api:
        yield PodObjects(ApiClient(api))


async def test_a_status_is_merged_into_this_very_pod():
    server = Server({f"{PATH}/status": {}})
    async with objects(server) as api:
        there = await api.report(POD, {"phase": "Running"})

    assert there
    assert [
        ("PATCH", f"{PATH}/status", {"metadata": {"uid": "u-1"}, "status": {"phase": "Running"}})
    ] == server.requests


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (404, False),
        ((409, {"message": "the UID in the precondition (u-1) does not match the UID in record (u-2)"}), False),
        ((422, {"message": 'Pod "p" is invalid: metadata.uid: Invalid value: "u-1": field is immutable'}), False),
        ((422, {"message": "podIPs: Invalid value"}), True),
    ],
    ids=["gone", "another pod of that name", "another pod of that name, to a status", "refused"],
)
async def test_whether_the_pod_is_still_there(answer, expected):
    async with objects(Server({f"{PATH}/status": answer})) as api:
        assert expected is await api.report(POD, {})


@pytest.mark.parametrize(
    "answer",
    [500, (409, {"message": "the object has been modified"}), httpx.ConnectError("refused"), httpx.ReadTimeout("late")],
    ids=["error", "conflict", "stopped", "slow"],
)
async def test_an_api_server_that_is_not_itself_is_asked_again(answer):
    async with objects(Server({f"{PATH}/status": answer})) as api:
        with pytest.raises(ApiError):
            await api.report(POD, {})


async def test_only_this_very_pod_is_deleted():
    server = Server({PATH: {}})
    async with objects(server) as api:
        await api.delete(POD)

    assert [("DELETE", PATH, {"gracePeriodSeconds": 0, "preconditions": {"uid": "u-1"}})] == server.requests


async def test_an_event_that_repeats_is_counted():
    server = Server()
    events = "/api/v1/namespaces/serving/events"
    async with objects(server) as api:
        for _ in range(2):
            api.event(POD, "Unhealthy", "no answer", warning=True)
        api.event(POD, "Started", "Started container a")
        sending = asyncio.create_task(api.send_events())
        async with asyncio.timeout(10):
            while len(server.requests) < 3:  # noqa: ASYNC110  # no event of its own
                await asyncio.sleep(0.001)
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    (_, created, first), (method, repeated, second), (_, _, third) = server.requests

    assert events == created
    assert ("Warning", "Unhealthy", 1, "u-1") == (
        first["type"],
        first["reason"],
        first["count"],
        first["involvedObject"]["uid"],
    )
    assert ("PATCH", f"{events}/{first['metadata']['name']}", 2) == (method, repeated, second["count"])
    assert "Normal" == third["type"]


async def test_the_newest_status_is_sent_and_what_was_overtaken_is_not():
    sent, failures = [], [ApiError("away")]
    reached = asyncio.Event()

    async def send(status):
        if failures:
            reached.set()
            raise failures.pop()
        sent.append(status["n"])
        return True

    reporter = StatusReporter(send)
    running = asyncio.create_task(reporter.run())
    reporter.report({"n": 1})
    await reached.wait()
    reporter.report({"n": 2})
    reporter.report({"n": 3})
    reporter.report({"n": 3})
    await reporter.flushed()
    reporter.report({"n": 3})
    await reporter.flushed()
    running.cancel()

    assert [3] == sent


async def test_back_to_what_was_sent_before_is_news_too():
    sent, gate = [], asyncio.Event()

    async def send(status):
        sent.append(status["n"])
        if status["n"] == 2:
            await gate.wait()
        return True

    reporter = StatusReporter(send)
    running = asyncio.create_task(reporter.run())
    reporter.report({"n": 1})
    await reporter.flushed()
    reporter.report({"n": 2})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reporter.report({"n": 1})
    gate.set()
    await reporter.flushed()
    running.cancel()

    assert [1, 2, 1] == sent


async def test_nothing_is_reported_of_a_pod_that_is_gone():
    async def gone(_status):
        return False

    reporter = StatusReporter(gone)
    reporter.report({"n": 1})
    await reporter.run()
    reporter.report({"n": 2})
    await reporter.flushed()

    assert reporter.gone


CLAIM = "/api/v1/namespaces/serving/persistentvolumeclaims/models"
VOLUME = "/api/v1/persistentvolumes/pv"
MAP, SECRET = "/api/v1/namespaces/serving/configmaps/m", "/api/v1/namespaces/serving/secrets/s"
HELD = {
    CLAIM: {"spec": {"volumeName": "pv"}},
    VOLUME: {"spec": {"hostPath": {"path": "/store"}}},
    MAP: {"data": {"a": "text"}, "binaryData": {"b": base64.b64encode(b"\x00\x01").decode()}},
    SECRET: {"data": {"c": base64.b64encode(b"key").decode()}},
}


async def volumes(tmp_path, *volumes, held=HELD):
    async with objects(Server(held)) as api:
        return await prepare_volumes({**POD, "spec": {"volumes": volumes}}, tmp_path, api, address="127.64.1.1")


async def test_a_claim_is_the_folder_of_its_volume(tmp_path):
    found = await volumes(tmp_path, {"name": "v", "persistentVolumeClaim": {"claimName": "models"}})

    assert "/store" == str(found["v"])


async def test_config_maps_and_secrets_are_files(tmp_path):
    projected = {
        "sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "m", "items": [{"key": "a", "path": "x/y"}]}}]
    }
    found = await volumes(
        tmp_path,
        {"name": "m", "configMap": {"name": "m"}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "p", "projected": projected},
        {"name": "none", "configMap": {"name": "none", "optional": True}},
        {"name": "e", "emptyDir": {}},
    )

    assert (b"text", b"\x00\x01") == ((found["m"] / "a").read_bytes(), (found["m"] / "b").read_bytes())
    assert b"key" == (found["s"] / "c").read_bytes() == (found["p"] / "c").read_bytes()
    assert {"c", "x"} == {path.name for path in found["p"].iterdir()}
    assert b"text" == (found["p"] / "x" / "y").read_bytes()
    assert [[], []] == [list(found[name].iterdir()) for name in ("none", "e")]


@pytest.mark.parametrize(
    ("volume", "held", "says"),
    [
        ({"persistentVolumeClaim": {"claimName": "models"}}, {}, 'persistentvolumeclaim "models" not found'),
        ({"persistentVolumeClaim": {"claimName": "models"}}, {CLAIM: {"spec": {}}}, '"models" is not bound'),
        ({"configMap": {"name": "m"}}, {}, 'configmap "m" not found'),
        ({"configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}, HELD, "non-existent config key: z"),
        ({"nfs": {}}, {}, "volume v: the node agent supports emptyDir, "),
    ],
    ids=["no claim", "not bound", "no map", "no key", "unknown kind"],
)
async def test_a_volume_that_cannot_be_had_says_why(tmp_path, volume, held, says):
    with pytest.raises(MountError, match=says):
        await volumes(tmp_path, {"name": "v", **volume}, held=held)


def test_a_mount_is_a_folder_of_the_volume(tmp_path):
    container = {"volumeMounts": [{"name": "v", "mountPath": "/mnt/models", "subPath": "a/b"}]}

    assert {"/mnt/models": tmp_path / "a" / "b"} == mounts(container, {"v": tmp_path})
    with pytest.raises(ConfigError, match="subPathExpr"):
        mounts({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPathExpr": "$(A)"}]}, {"v": tmp_path})


@pytest.mark.timeout(30)
def test_a_report_that_cannot_be_made_is_raised_and_nobody_waits_for_it():
    async def send(_status):
        raise ValueError("no such field")

    async def main():
        reporter = StatusReporter(send)
        running = asyncio.create_task(reporter.run())
        reporter.report({"phase": "Running"})
        await reporter.flushed()
        await running

    with pytest.raises(ValueError, match="no such field"):
        asyncio.run(main())
