"""What a rehearsal reads out of the answers of the API server and of Prometheus."""

import pytest

from rehearsal.experiment.result.observations import FailedContainer
from rehearsal.experiment.run.node_lifecycle import NodeLifecycles
from rehearsal.experiment.run.responses import (
    add_causes,
    failed_containers,
    health_changes,
    parse_alerts,
    parse_autoscaler,
    parse_events,
    parse_pods,
    parse_recorded_series,
    unix_s,
)
from tests.unit.rehearsal_results import sample

NOON = "2030-05-17T12:00:00Z"
NOON_S = unix_s(NOON)


def at(second):
    return f"2030-05-17T12:00:{second:02d}Z"


def pod(name="mnist-predictor-6f9-a", *, ready=True, containers=(), metadata=None, conditions=(), node="gpu-a"):
    return {
        "metadata": {"name": name, "annotations": {"slipway/model-version": "2"}, **(metadata or {})},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
            "containerStatuses": list(containers),
        },
    }


CRASHING = {
    "name": "kserve-container",
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {
        "terminated": {"exitCode": 1, "reason": "Error", "message": "model.onnx: FAILED\nstart-triton: no\n"}
    },
}


def test_a_pod_that_serves_is_seen_with_version_and_node():
    (seen,) = parse_pods([pod()])

    assert ("2", "gpu-a", True, "") == (seen.version, seen.node, seen.ready, seen.reason)


def test_a_pod_that_waits_for_a_node_says_so():
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    (seen,) = parse_pods([pod(ready=False, node="", conditions=[unscheduled])])

    assert ("Unschedulable", "", False) == (seen.reason, seen.node, seen.ready)


def test_a_pod_that_is_only_starting_has_no_reason():
    starting = {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}

    assert [""] == [each.reason for each in parse_pods([pod(ready=False, containers=[starting])])]


def test_a_crashing_container_is_kept_with_its_last_words():
    (found,) = failed_containers([pod(ready=False, containers=[CRASHING])], at_s=9.0)

    assert ("CrashLoopBackOff", 1, ("model.onnx: FAILED", "start-triton: no")) == (
        found.reason,
        found.exit_code,
        found.lines,
    )
    assert 3 == parse_pods([pod(containers=[CRASHING])])[0].restarts


def test_a_container_that_ends_because_it_is_told_to_has_not_failed():
    leaving = pod(containers=[CRASHING], metadata={"deletionTimestamp": NOON})
    over = {"name": "c", "state": {"terminated": {"exitCode": 0}}}

    assert [] == failed_containers([leaving, pod(containers=[over])], at_s=9.0)


@pytest.mark.parametrize(("text", "value"), [("8", 8.0), ("7500m", 7.5), ("1k", 1_000.0)])
def test_the_autoscaler_says_what_it_wants_and_measures(text, value):
    hpa = {
        "spec": {"scaleTargetRef": {"name": "mnist-predictor"}},
        "status": {
            "desiredReplicas": 3,
            "currentMetrics": [
                {"external": {"metric": {"name": "s0-prometheus"}, "current": {"averageValue": text}}},
                {"type": "External", "external": {"metric": {"name": "s1-prometheus"}, "current": {}}},
            ],
            "conditions": [{"type": "ScalingActive", "status": "True"}],
        },
    }

    assert {"desired": 3, "metrics": {"s0-prometheus": value}, "scaling_active": True} == parse_autoscaler(
        [hpa], "mnist-predictor"
    )
    assert {} == parse_autoscaler([hpa], "another-predictor")


def test_only_the_services_own_alerts_count_and_each_once():
    def alert(name, namespace, state, pod="a"):
        return {"labels": {"alertname": name, "namespace": namespace, "pod": pod}, "state": state}

    answer = {
        "data": {
            "alerts": [
                alert("Blind", "serving", "firing"),
                alert("Blind", "serving", "firing", pod="b"),
                alert("Blind", "elsewhere", "firing"),
                alert("Loop", "serving", "pending"),
                alert("Quiet", "serving", "inactive"),
            ]
        }
    }

    assert [("Blind", "firing"), ("Loop", "pending")] == [
        (each.name, each.state) for each in parse_alerts(answer, "serving")
    ]


def test_recorded_series_are_told_apart_by_their_names():
    def series(name, value):
        return {"metric": {"__name__": name}, "value": [0, value]}

    result = [series("slipway:inference_in_flight:sum", "27.5"), series("slipway:inference_pending:sum", "3")]

    assert {"in_flight": 27.5, "pending": 3.0} == parse_recorded_series({"data": {"result": result}})


def event(uid, reason, **changes):
    return {
        "metadata": {"uid": uid, "creationTimestamp": NOON},
        "involvedObject": {"kind": "Pod", "name": "a"},
        "reason": reason,
        "message": " it is so\n",
        "type": "Warning",
        "firstTimestamp": at(7),
        "count": 4,
        **changes,
    }


def test_events_keep_their_first_moment_and_their_last_count():
    (told,) = parse_events([event("1", "BackOff")]).values()

    assert (NOON_S + 7, "pod", "it is so", True, 4) == (
        told.at_s,
        told.kind,
        told.detail,
        told.warning,
        told.count,
    )


def test_events_without_a_first_moment_and_what_every_start_tells_do_no_harm():
    hpa = {"kind": "HorizontalPodAutoscaler", "name": "keda-hpa-mnist"}
    new = event("2", "SuccessfulRescale", firstTimestamp=None, eventTime=at(9), count=None, involvedObject=hpa)

    assert ["autoscaler"] == [each.kind for each in parse_events([event("1", "Pulled"), new]).values()]


def test_a_program_that_falls_ill_and_recovers_is_two_events():
    ill = [sample(float(n), unhealthy=("prometheus",) if 3 <= n < 6 else ()) for n in range(8)]

    assert [(3.0, "unhealthy", True), (6.0, "healthy again", False)] == [
        (each.at_s, each.what, each.warning) for each in health_changes(ill)
    ]


def claim(*, provider="", gpus="1"):
    status = {"capacity": {"nvidia.com/gpu": gpus}} | ({"providerID": provider} if provider else {})
    return {"metadata": {"name": "t4-x", "creationTimestamp": NOON}, "status": status}


def node(*, ready="True", lost=False, gpus="1", provider="kwok://x", since=31):
    return {
        "metadata": {
            "name": "node-x",
            "creationTimestamp": at(30),
            "labels": {"node.kubernetes.io/instance-type": "g6.xlarge"},
            "annotations": {"rehearsal.slipway/lost": "true"} if lost else {},
        },
        "spec": {"providerID": provider},
        "status": {
            "allocatable": {"nvidia.com/gpu": gpus},
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": at(since)}],
        },
    }


@pytest.fixture
def lifecycles():
    return NodeLifecycles(price_per_hour={"g6.xlarge": 0.8, "": 0.0}.__getitem__)


def test_a_node_lives_from_its_claim_until_both_are_gone(lifecycles):
    lifecycles.update([], [claim(gpus="0")], at_s=NOON_S + 1)
    lifecycles.update([], [claim(provider="kwok://x")], at_s=NOON_S + 5)
    lifecycles.update([node(ready="False")], [claim(provider="kwok://x")], at_s=NOON_S + 30)
    lifecycles.update([node()], [claim(provider="kwok://x")], at_s=NOON_S + 32)
    lifecycles.update([node()], [], at_s=NOON_S + 50)
    lifecycles.update([], [], at_s=NOON_S + 55)
    (seen,) = lifecycles.nodes(NOON_S)

    assert ("node-x", "g6.xlarge", 1, 0.8) == (seen.name, seen.type, seen.gpus, seen.price_per_hour)
    assert (0.0, 31.0, 55.0, None) == (seen.asked_s, seen.ready_s, seen.gone_s, seen.lost_s)


def test_a_node_that_becomes_unready_was_ready_when_it_first_was(lifecycles):
    lifecycles.update([node()], [], at_s=NOON_S + 32)
    lifecycles.update([node(ready="Unknown")], [], at_s=NOON_S + 40)
    lifecycles.update([node(since=50)], [], at_s=NOON_S + 51)

    assert [31.0] == [each.ready_s for each in lifecycles.nodes(NOON_S)]


def test_a_lost_node_is_lost_and_still_paid_for(lifecycles):
    lifecycles.update([node()], [], at_s=NOON_S + 32)
    lifecycles.update([node(lost=True)], [], at_s=NOON_S + 40)
    (seen,) = lifecycles.nodes(NOON_S)

    assert (40.0, None) == (seen.lost_s, seen.gone_s)
    assert (False, True) == (seen.is_ready(45.0), seen.exists(45.0))


def test_nodes_without_gpus_are_not_counted(lifecycles):
    lifecycles.update([node(gpus="0")], [], at_s=NOON_S + 32)

    assert () == lifecycles.nodes(NOON_S)


def test_a_refused_argument_is_named_although_the_log_ends_with_the_usage(tmp_path):
    run = tmp_path / "serving_mnist-1_uid" / "kserve-container" / "2.log"
    run.parent.mkdir(parents=True)
    run.write_text("start-triton: serving\ntritonserver: unrecognized option '--no-such-flag'\nUsage: x\n" + "y\n" * 99)
    failure = FailedContainer(
        at_s=0,
        pod="mnist-1",
        version="1",
        container="kserve-container",
        reason="CrashLoopBackOff",
        exit_code=1,
        lines=("y", "y"),
    )

    told = add_causes(failure, logs=tmp_path, namespace="serving")

    assert "tritonserver: unrecognized option '--no-such-flag'" == told.cause
    assert failure == add_causes(failure, logs=tmp_path, namespace="other")
