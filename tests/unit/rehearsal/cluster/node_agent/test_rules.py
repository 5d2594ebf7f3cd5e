"""The small rules of the node agent: back-off, addresses, probes, output, names of Services, images."""

import os
import re

import pytest

from rehearsal.cluster.node_agent.agent import is_ours
from rehearsal.cluster.node_agent.container import Backoff, duration
from rehearsal.cluster.node_agent.output import Output, last_lines, shorten
from rehearsal.cluster.node_agent.pod_network import (
    PodAddresses,
    ServiceName,
    backend_address,
    replace_services,
    services_in,
)
from rehearsal.cluster.node_agent.probe import ContainerProbe, ProbeAction, ProbeStreak, read_probe
from rehearsal.errors import ClusterError


def waits(first_s, count):
    """Waits of a container that ends at once, each time."""
    backoff, now_s, found = Backoff(first_s), 0.0, []
    for _ in range(count):
        found.append(backoff.wait_s(ended_s=now_s))
        now_s += found[-1]
        backoff.restarted(now_s=now_s)
    return found


def test_first_restart_is_immediate_then_waits_double_up_to_five_minutes():
    assert [0, 10, 20, 40, 80, 160, 300, 300] == waits(10, 8)


@pytest.mark.parametrize(("ran_s", "expected"), [(600, 20), (601, 0)])
def test_ten_minutes_without_an_end_are_forgiven(ran_s, expected):
    backoff = Backoff(10)
    backoff.restarted(now_s=0)
    backoff.restarted(now_s=10)

    assert expected == backoff.wait_s(ended_s=10 + ran_s)


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "500ms"), (10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_durations_are_written_as_go_does(seconds, text):
    assert text == duration(seconds)


def test_each_pod_has_an_address_and_a_free_one_rests():
    addresses = PodAddresses("127.64")
    first, second = addresses.take(), addresses.take()
    addresses.release(first)

    assert ("127.64.1.1", "127.64.1.2", "127.64.1.3") == (first, second, addresses.take())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("127.64.7.7", "127.64.7.7"), ("127.64.1.1", "127.64.1.2"), ("10.0.0.7", "127.64.1.2"), (None, "127.64.1.2")],
    ids=["free", "taken", "elsewhere", "none"],
)
def test_a_pod_keeps_the_address_it_had(wanted, expected):
    addresses = PodAddresses("127.64")
    addresses.take()

    assert expected == addresses.take(wanted)


def test_addresses_can_run_out():
    addresses = PodAddresses("127.64")
    taken = {addresses.take() for _ in range(254 * 254)}

    assert 254 * 254 == len(taken)
    with pytest.raises(ClusterError, match="all 64516 addresses for pods"):
        addresses.take()
    addresses.release("127.64.254.254")
    assert "127.64.254.254" == addresses.take()


PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}
HTTP = ProbeAction(kind="httpGet", host="127.64.1.1", port=8080, path="/ready")


def test_a_probe_has_kubernetes_defaults():
    manifest = {**PORTS, "readinessProbe": {"httpGet": {"path": "ready", "port": "http"}}}

    assert ContainerProbe(
        action=HTTP, initial_delay_s=0, period_s=10, timeout_s=1, failure_threshold=3, success_threshold=1
    ) == read_probe(manifest, "readinessProbe", address="127.64.1.1")
    assert read_probe(manifest, "livenessProbe", address="127.64.1.1") is None


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"tcpSocket": {"port": 9000}}, ProbeAction(kind="tcpSocket", host="127.64.1.1", port=9000)),
        ({"grpc": {"port": 9000}}, ProbeAction(kind="grpc", host="127.64.1.1", port=9000, path="")),
        ({"exec": {"command": ["true", "x"]}}, ProbeAction(kind="exec", command=("true", "x"))),
        (
            {
                "httpGet": {
                    "port": "8080",
                    "host": "other",
                    "scheme": "HTTPS",
                    "httpHeaders": [{"name": "A", "value": "b"}],
                }
            },
            ProbeAction(kind="httpGet", host="other", port=8080, headers=(("A", "b"),), tls=True),
        ),
    ],
    ids=["tcp", "grpc", "exec", "https"],
)
def test_every_kind_of_probe_is_read(handler, action):
    assert action == read_probe({**PORTS, "livenessProbe": handler}, "livenessProbe", address="127.64.1.1").action


def test_a_probe_of_a_port_that_is_none_is_refused():
    with pytest.raises(ValueError, match="couldn't find port: grpc"):
        read_probe({**PORTS, "livenessProbe": {"tcpSocket": {"port": "grpc"}}}, "livenessProbe", address="127.64.1.1")


def heard(answers, **thresholds):
    """The overall result after each probe."""
    streak = ProbeStreak(ContainerProbe(action=HTTP, **thresholds), passing=False)
    return [(streak.add(passed=answer), streak.passing) for answer in answers]


def test_a_probe_turns_after_as_many_equal_results_in_a_row():
    found = heard([True, True, False, True, False, False, True], success_threshold=2, failure_threshold=2)

    assert [False, True, True, True, True, False, False] == [passing for _, passing in found]
    assert [1, 5] == [index for index, (turned, _) in enumerate(found) if turned]


def test_the_last_output_is_at_most_80_lines_and_2048_bytes(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("".join(f"{number}\n" for number in range(100)))
    lines = last_lines(log)
    log.write_text("é" * 5000)

    assert "".join(f"{number}\n" for number in range(20, 100)) == lines
    assert 1024 * "é" == last_lines(log)
    assert "" == last_lines(tmp_path / "missing")


def test_only_the_last_two_runs_of_a_container_are_kept(tmp_path):
    output = Output(tmp_path / "pod")
    for restarts in range(12):
        output.begin("a", restarts).write_text(str(restarts))

    assert {"10", "11"} == {file.read_text() for file in (tmp_path / "pod" / "a").iterdir()}


def test_output_is_bounded(tmp_path):
    for number in range(205):
        folder = tmp_path / f"pod-{number:03d}"
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "0.log").write_bytes(b"x")
        os.utime(folder, (number, number))
    with (tmp_path / "pod-204" / "a" / "0.log").open("wb") as long:
        long.truncate(11 * 2**20)
        long.seek(0, 2)
        long.write(b"the end")
    shorten(tmp_path)
    shortened = (tmp_path / "pod-204" / "a" / "0.log").read_bytes()

    assert {f"pod-{number:03d}" for number in range(5, 205)} == {path.name for path in tmp_path.iterdir()}
    assert 2**20 == len(shortened)
    assert shortened.endswith(b"the end")


GRPC = ServiceName(name="mnist-predictor", namespace="serving", port=9000)
PLAIN = ServiceName(name="mnist-predictor", namespace="serving", port=80)


@pytest.mark.parametrize(
    ("text", "named", "expected"),
    [
        ("grpc://mnist-predictor.serving.svc:9000", GRPC, "grpc://127.64.0.2:8080"),
        ("http://mnist-predictor.serving.svc", PLAIN, "http://127.64.0.2:8080"),
        ("http://mnist-predictor.serving.svc.cluster.local:80/v2", PLAIN, "http://127.64.0.2:8080/v2"),
    ],
)
def test_a_predictors_service_becomes_the_gateway(text, named, expected):
    assert {named} == services_in(text)
    assert expected == replace_services(text, {named: "127.64.0.2:8080"})


def test_other_names_stay():
    text = "http://prometheus-operated.monitoring.svc:9090 http://mnist-predictor.example.com"

    assert set() == services_in(text)
    assert text == replace_services(text, {})
    assert "http://mnist-predictor.serving.svc" == replace_services("http://mnist-predictor.serving.svc", {})


SERVICE = {
    "spec": {
        "clusterIP": "10.96.0.7",
        "ports": [
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "grpc", "port": 9000, "targetPort": 9000},
            {"name": "metrics", "port": 8002, "targetPort": 8002},
        ],
    }
}
HEADLESS = {"spec": {**SERVICE["spec"], "clusterIP": "None"}}


@pytest.mark.parametrize(
    ("service", "port", "pod", "expected"),
    [
        (SERVICE, 80, "127.64.1.1", "127.64.0.2:8080"),
        (SERVICE, 9000, None, "127.64.0.2:8080"),
        (SERVICE, 8002, "127.64.1.1", "127.64.1.1:8002"),
        (SERVICE, 8002, None, "127.64.0.2:1"),
        (SERVICE, 8080, "127.64.1.1", "127.64.0.2:1"),
        (HEADLESS, 80, "127.64.1.1", "127.64.0.2:1"),
        (HEADLESS, 8080, "127.64.1.1", "127.64.0.2:8080"),
    ],
    ids=["http", "grpc", "metrics", "metrics of no pod", "no such port", "headless 80", "headless 8080"],
)
def test_a_service_has_the_ports_it_declares(service, port, pod, expected):
    named = ServiceName(name="mnist-predictor", namespace="serving", port=port)

    assert expected == backend_address(named, service, gateway="127.64.0.2:8080", pod=pod)


def bound(labels=None, annotations=None, node="gpu-1"):
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"nodeName": node} if node else {}}


@pytest.mark.parametrize(
    ("expected", "pod"),
    [
        (True, bound(labels={"serving.kserve.io/inferenceservice": "mnist"})),
        (True, bound(annotations={"helm.sh/hook": "test"})),
        (False, bound(labels={"app": "headroom"}, annotations={"a": "b"})),
        (False, bound()),
        (False, bound(labels={"serving.kserve.io/inferenceservice": "mnist"}, node=None)),
    ],
    ids=["predictor", "helm test", "other", "bare", "not bound"],
)
def test_predictors_and_test_pods_are_ours_once_they_are_bound(expected, pod):
    assert expected == is_ours(pod)


def test_what_is_not_emulated_is_written_down():
    import rehearsal.cluster.node_agent

    said = rehearsal.cluster.node_agent.__doc__.partition("Not emulated:")[2]

    assert all(
        re.search(word, said) for word in ("OOM", "user", "read-only", "network policy", "pulls", "kubectl exec")
    )
