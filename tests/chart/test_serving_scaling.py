"""helm/serving: who scales, on what, and with how much room."""

import re

import pytest

from tests.chart.serving_release import cpu, release, with_


def test_keda_divides_sums_by_the_measured_target():
    spec = release(with_())["ScaledObject", "mnist"]["spec"]

    assert {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mnist-predictor"} == spec["scaleTargetRef"]
    assert ["in-flight", "pending"] == [trigger["name"] for trigger in spec["triggers"]]
    for trigger in spec["triggers"]:
        assert "AverageValue" == trigger["metricType"]
        assert "8" == trigger["metadata"]["threshold"]
        assert trigger["metadata"]["query"].startswith("sum(")
        assert "false" == trigger["metadata"]["ignoreNullValues"]


def test_request_time_is_counted_in_seconds():
    query = release(with_())["ScaledObject", "mnist"]["spec"]["triggers"][0]["metadata"]["query"]

    assert re.fullmatch(r"sum\(rate\(nv_inference_request_duration_us\{[^}]+\}\[30s\]\)\) / 1e6", query)


def test_the_query_sees_this_releases_pods_and_no_others():
    query = release(with_())["ScaledObject", "mnist"]["spec"]["triggers"][0]["metadata"]["query"]
    pods = re.compile(re.search(r'pod=~"([^"]+)"', query)[1])

    assert pods.fullmatch("mnist-predictor-7d9c6b5f4-x2x9k")
    assert not pods.fullmatch("mnist-predictor-b-predictor-7d9c6b5f4-x2x9k")
    assert not pods.fullmatch("other-mnist-predictor-7d9c6b5f4-x2x9k")
    assert 'namespace="serving"' in query
    assert 'model="mnist"' in query


def test_the_pending_trigger_can_be_left_out():
    triggers = release(with_(autoscaling={"pending": {"enabled": False}}))["ScaledObject", "mnist"]["spec"]["triggers"]

    assert ["in-flight"] == [trigger["name"] for trigger in triggers]


@pytest.mark.parametrize(("fewest", "named", "kept"), [(1, 1, 1), (3, 1, 3), (2, 4, 4), (0, 1, 1)])
def test_the_fallback_never_holds_fewer_replicas_than_the_minimum(fewest, named, kept):
    wake = {"query": "requests"} if fewest == 0 else {}
    scaling = {"minReplicas": fewest, "maxReplicas": 5, "keda": {"fallback": {"replicas": named}}, "wake": wake}
    fallback = release(with_(autoscaling=scaling))["ScaledObject", "mnist"]["spec"]["fallback"]

    assert kept == fallback["replicas"]
    assert "currentReplicasIfHigher" == fallback["behavior"]


def test_a_wake_query_keeps_its_quotes():
    query = """sum(rate(requests_total{service='mnist',namespace="serving"}[1m]))"""
    spec = release(with_(autoscaling={"minReplicas": 0, "wake": {"query": query}}))["ScaledObject", "mnist"]["spec"]

    assert query == spec["triggers"][-1]["metadata"]["query"]


def test_pausing_is_an_annotation():
    paused = release(with_(autoscaling={"keda": {"paused": True}}))["ScaledObject", "mnist"]["metadata"]

    assert "true" == paused["annotations"]["autoscaling.keda.sh/paused"]
    assert "annotations" not in release(with_())["ScaledObject", "mnist"]["metadata"]


def test_scale_to_zero_adds_a_trigger_from_outside_the_pods():
    scaling = {"minReplicas": 0, "wake": {"query": 'rate(gateway{host="mnist"}[1m])', "threshold": 50}}
    spec = release(with_(autoscaling=scaling))["ScaledObject", "mnist"]["spec"]
    in_flight, _, wake = spec["triggers"]

    assert 0 == spec["minReplicaCount"]
    assert 'rate(gateway{host="mnist"}[1m])' == wake["metadata"]["query"]
    assert ("50", "0") == (wake["metadata"]["threshold"], wake["metadata"]["activationThreshold"])
    assert "unless on() count(up{" in in_flight["metadata"]["query"]


def test_credentials_reach_every_trigger():
    prometheus = {"authModes": "bearer", "authenticationRef": {"name": "prometheus"}}
    scaling = {"minReplicas": 0, "wake": {"query": "requests"}, "prometheus": prometheus}
    triggers = release(with_(autoscaling=scaling))["ScaledObject", "mnist"]["spec"]["triggers"]

    assert 3 == len(triggers)
    assert all({"name": "prometheus"} == trigger["authenticationRef"] for trigger in triggers)
    assert all("bearer" == trigger["metadata"]["authModes"] for trigger in triggers)


def test_hpa_asks_the_adapter_for_the_recorded_sums():
    objects = release(with_(autoscaling={"mode": "hpa", "maxReplicas": 6}))
    spec = objects["HorizontalPodAutoscaler", "mnist"]["spec"]

    assert (1, 6) == (spec["minReplicas"], spec["maxReplicas"])
    assert ["slipway_inference_in_flight", "slipway_inference_pending"] == [
        metric["external"]["metric"]["name"] for metric in spec["metrics"]
    ]
    assert all(
        {"type": "AverageValue", "averageValue": "8"} == metric["external"]["target"] for metric in spec["metrics"]
    )


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [("keda", {"ScaledObject"}), ("hpa", {"HorizontalPodAutoscaler"}), ("none", set())],
    ids=["keda", "hpa", "none"],
)
def test_one_autoscaler_at_most_owns_the_replicas(mode, kinds):
    objects = release(with_(autoscaling={"mode": mode, "minReplicas": 2}))
    service = objects["InferenceService", "mnist"]
    autoscalers = {kind for kind, _ in objects} & {"ScaledObject", "HorizontalPodAutoscaler"}
    replicas = {key: service["spec"]["predictor"].get(key) for key in ("minReplicas", "maxReplicas")}

    assert kinds == autoscalers
    # external: KServe leaves the count alone. none: it holds it.
    expected = ("none", 2) if mode == "none" else ("external", None)
    assert expected == (
        service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"],
        replicas["minReplicas"],
    )
    assert replicas["minReplicas"] == replicas["maxReplicas"]


def test_without_autoscaling_no_capacity_is_asked_for():
    assert ("InferenceService", "mnist") in release(cpu())


def test_a_placeholder_takes_the_room_of_a_replica_on_the_same_nodes():
    values = with_(headroom={"mode": "placeholder", "replicas": 2}, gpu={"products": ["NVIDIA-L4"], "count": 2})
    objects = release(values)
    deployment = objects["Deployment", "mnist-headroom"]["spec"]
    pod = deployment["template"]["spec"]
    replica = objects["InferenceService", "mnist"]["spec"]["predictor"]
    runtime = objects["ServingRuntime", "mnist-triton"]["spec"]["containers"][0]

    assert 2 == deployment["replicas"]
    assert runtime["resources"] == pod["containers"][0]["resources"]
    assert replica["tolerations"] == pod["tolerations"]
    assert replica["affinity"] == pod["affinity"]


def test_a_placeholder_gives_way_to_everything():
    objects = release(with_(headroom={"mode": "placeholder"}))
    name = objects["Deployment", "mnist-headroom"]["spec"]["template"]["spec"]["priorityClassName"]
    priority = objects["PriorityClass", name]

    assert -10 == priority["value"]
    assert "Never" == priority["preemptionPolicy"]


def test_another_priority_is_another_class_since_its_value_never_changes():
    names = {
        name
        for value in (-10, -5)
        for kind, name in release(with_(headroom={"mode": "placeholder", "priority": value}))
        if kind == "PriorityClass"
    }

    assert {"serving-mnist-headroom-10", "serving-mnist-headroom-5"} == names


def test_a_capacity_buffer_takes_its_shape_from_the_deployment():
    buffer = release(with_(headroom={"mode": "capacityBuffer", "replicas": 3}))["CapacityBuffer", "mnist"]["spec"]

    assert {"apiGroup": "apps", "kind": "Deployment", "name": "mnist-predictor"} == buffer["scalableRef"]
    assert 3 == buffer["replicas"]


def test_there_is_no_headroom_by_default():
    assert not {"PriorityClass", "CapacityBuffer", "Deployment"} & {kind for kind, _ in release(with_())}
