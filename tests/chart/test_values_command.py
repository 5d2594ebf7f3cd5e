"""helm/serving takes every file that `slipway values` makes, and does with it what the file says."""

import json
import re

import pytest
import yaml

from slipway.deploy._chart_values import CHART_DEFAULTS
from slipway.deploy._request import STORAGE_SCHEMES
from tests.chart.rendering import HELM, values_of
from tests.unit.values_inputs import made

MIG = "nvidia.com/mig-1g.10gb"
CLUSTERS = {
    "cpu": {"cluster": "cpu"},
    "gpu": {"cluster": "gpu", "gpu_products": ("NVIDIA-L4", "NVIDIA-A10G")},
    "mig": {"cluster": "mig", "gpu_resource": MIG},
    "time-sliced": {"cluster": "time-sliced"},
}
RESOURCES = {"cpu": None, "gpu": "nvidia.com/gpu", "mig": MIG, "time-sliced": "nvidia.com/gpu.shared"}


@pytest.fixture
def installed(render, tmp_path):
    """Render the chart with the file that the command makes of these choices."""

    def install(**choices):
        path = tmp_path / "values.yaml"
        path.write_text(made(tmp_path, **choices).text)
        return render("serving", path, release="mnist")

    return install


def chart_values():
    return values_of(HELM / "serving" / "values.yaml")


def dotted(values, key):
    for part in key.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize("mode", ["keda", "hpa", "none"])
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_and_every_way_to_scale_is_accepted(installed, cluster, mode):
    kinds = {kind for kind, _ in installed(**CLUSTERS[cluster], autoscaling=mode, peak_rps=3000)}

    assert {"InferenceService", "ServingRuntime"} <= kinds
    assert (mode == "keda") == ("ScaledObject" in kinds)
    assert (mode == "hpa") == ("HorizontalPodAutoscaler" in kinds)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_replica_asks_for_what_the_cluster_has(installed, cluster):
    (container,) = installed(**CLUSTERS[cluster])["ServingRuntime", "mnist-triton"]["spec"]["containers"]
    accelerators = {name for name in container["resources"]["limits"] if "/" in name}

    assert ({RESOURCES[cluster]} if RESOURCES[cluster] else set()) == accelerators
    assert (cluster != "cpu") == ("--model-config-name=gpu" in container["args"])


def test_the_scaler_adds_a_replica_at_the_measured_target(installed):
    spec = installed(cluster="gpu", peak_rps=9000, quiet_share=0.5)["ScaledObject", "mnist"]["spec"]

    assert {"1.74"} == {trigger["metadata"]["threshold"] for trigger in spec["triggers"]}
    assert (6, 12) == (spec["minReplicaCount"], spec["maxReplicaCount"])


def test_keda_asks_the_prometheus_that_is_named(installed):
    address = "https://prometheus.example.com"
    spec = installed(cluster="gpu", prometheus_url=address)["ScaledObject", "mnist"]["spec"]

    assert {address} == {trigger["metadata"]["serverAddress"] for trigger in spec["triggers"]}


def test_an_hpa_has_the_same_target_and_bounds(installed):
    spec = installed(cluster="gpu", autoscaling="hpa", peak_rps=3000)["HorizontalPodAutoscaler", "mnist"]["spec"]

    assert {"1.74"} == {metric["external"]["target"]["averageValue"] for metric in spec["metrics"]}
    assert (1, 5) == (spec["minReplicas"], spec["maxReplicas"])


def test_without_a_scaler_the_peak_is_what_always_runs(installed):
    predictor = installed(cluster="gpu", autoscaling="none", peak_rps=3000)["InferenceService", "mnist"]["spec"][
        "predictor"
    ]

    assert 5 == predictor["minReplicas"]


def test_the_pinned_version_and_the_storage_reach_the_pods(installed):
    predictor = installed(cluster="gpu", pin=True)["InferenceService", "mnist"]["spec"]["predictor"]

    assert "1" == predictor["annotations"]["slipway/model-version"]
    assert "pvc://models/model_repository" == predictor["model"]["storageUri"]


def test_headroom_keeps_room_for_as_many_replicas(installed):
    objects = installed(cluster="gpu", headroom_replicas=2)
    (room,) = [item for (kind, name), item in objects.items() if kind == "Deployment" and "headroom" in name]

    assert 2 == room["spec"]["replicas"]


def test_products_are_the_only_nodes(installed):
    affinity = installed(**CLUSTERS["gpu"])["InferenceService", "mnist"]["spec"]["predictor"]["affinity"]

    assert "NVIDIA-A10G" in str(affinity["nodeAffinity"])


def test_the_commands_defaults_are_the_charts():
    values = chart_values()

    assert {key: dotted(values, key) for key in CHART_DEFAULTS} == {
        key: list(value) if isinstance(value, tuple) else value for key, value in CHART_DEFAULTS.items()
    }


def test_the_commands_order_is_the_charts():
    # PyYAML keeps the order of the file; Helm's parser sorts.
    values = yaml.safe_load((HELM / "serving" / "values.yaml").read_text())

    def place(key):
        section, places = values, []
        for part in key.split("."):
            places.append(list(section).index(part))
            section = section[part]
        return places

    assert sorted(CHART_DEFAULTS, key=place) == list(CHART_DEFAULTS)


def test_the_command_knows_the_charts_storage():
    schema = json.loads((HELM / "serving" / "values.schema.json").read_text())
    pattern = schema["properties"]["model"]["properties"]["storageUri"]["pattern"]
    schemes = re.search(r"\(([^)]+)\)://", pattern)[1].replace("https?", "http|https").replace("\\", "").split("|")

    assert set(schemes) == set(STORAGE_SCHEMES)
