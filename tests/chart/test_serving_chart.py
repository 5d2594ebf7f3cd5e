"""helm/serving: what is served, on what, and how it starts and ends."""

import json

import helm_python
import pytest

from tests.chart.serving_release import container, cpu, predictor, release, with_


def test_the_mode_is_said_on_every_inference_service():
    for values in (with_(), cpu()):
        annotations = release(values)["InferenceService", "mnist"]["metadata"]["annotations"]

        assert "Standard" == annotations["serving.kserve.io/deploymentMode"]


def test_kserve_finds_the_runtime_and_its_ports_in_the_order_that_it_reads():
    ports = container(with_())["ports"]

    assert "mnist-triton" == predictor(with_())["model"]["runtime"]
    assert "kserve-container" == container(with_())["name"]
    assert [("http", 8080), ("grpc", 9000), ("metrics", 8002)] == [(p["name"], p["containerPort"]) for p in ports]


def test_kserve_has_no_placeholder_of_its_own_to_fill_in():
    # KServe runs the container through Go's text/template: any other braces break it.
    assert "{{" not in json.dumps(container(with_()))


@pytest.mark.parametrize("scheme", ["gs", "s3", "pvc", "https", "http", "hdfs", "webhdfs", "oci", "oci+native", "hf"])
def test_storage_that_kserve_reads_is_taken(scheme):
    assert f"{scheme}://models" == predictor(with_(model={"storageUri": f"{scheme}://models"}))["model"]["storageUri"]


def test_storage_that_this_kserve_does_not_know_yet_is_refused_at_once():
    with pytest.raises(helm_python.HelmError, match="at '/model/storageUri'"):
        release(with_(model={"storageUri": "oci+fetch://models"}))


def test_resources_belong_to_the_runtime_alone():
    # KServe merges the two, and a figure on the InferenceService would win.
    assert {"modelFormat", "runtime", "protocolVersion", "storageUri"} == set(predictor(with_())["model"])


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "nvcr.io/nvidia/tritonserver:26.07-py3"),
        ({"tag": "26.06-py3"}, "nvcr.io/nvidia/tritonserver:26.06-py3"),
        ({"tag": "26.06-py3", "digest": f"sha256:{'a' * 64}"}, f"nvcr.io/nvidia/tritonserver@sha256:{'a' * 64}"),
    ],
    ids=["release", "tag", "digest"],
)
def test_a_digest_wins_over_a_tag_and_a_tag_over_the_release(image, expected):
    assert expected == container(with_(image=image))["image"]


def test_a_pinned_version_is_an_annotation_of_the_pods():
    pinned = predictor(with_(model={"version": "3"}, podAnnotations={"team": "vision"}))

    assert {"slipway/model-version": "3", "team": "vision"} == pinned["annotations"]
    assert "annotations" not in predictor(with_())


def test_a_gpu_is_requested_and_limited_and_tolerated():
    resources = container(with_())["resources"]

    assert 1 == resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"]
    assert [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] == predictor(with_())[
        "tolerations"
    ]
    assert "--model-config-name=gpu" in container(with_())["args"]
    assert "--allow-gpu-metrics=true" in container(with_())["args"]


def test_the_cpu_profile_knows_nothing_of_gpus():
    text = json.dumps(release(cpu())["ServingRuntime", "mnist-triton"]) + json.dumps(
        release(cpu())["InferenceService", "mnist"]
    )

    assert "nvidia.com" not in text
    assert "--model-config-name" not in text
    assert "--allow-gpu-metrics=false" in text


@pytest.mark.parametrize("resource", ["nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"])
def test_slices_and_shares_take_the_place_of_the_whole_gpu(resource):
    limits = container(with_(gpu={"resourceName": resource}))["resources"]["limits"]

    assert {"cpu": "2", "memory": "4Gi", resource: 1} == limits


def test_gpu_products_become_a_node_affinity_beside_the_users_own():
    apart = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    affinity = predictor(with_(gpu={"products": ["NVIDIA-L4"]}, affinity=apart))["affinity"]
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]

    assert [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4"]}] == terms[0][
        "matchExpressions"
    ]
    assert "podAntiAffinity" in affinity
    assert "affinity" not in predictor(with_())


@pytest.mark.parametrize(("budget", "period", "threshold"), [(300, 2, 150), (300, 7, 43), (1, 5, 1)])
def test_the_startup_budget_in_seconds_is_rounded_up_to_probes(budget, period, threshold):
    startup = {"budgetSeconds": budget, "periodSeconds": period}

    assert threshold == container(with_(probes={"startup": startup}))["startupProbe"]["failureThreshold"]


def test_readiness_asks_for_the_model_and_liveness_for_the_server():
    of_digits = container(with_(model={"name": "digits"}))

    assert "/v2/models/digits/ready" == of_digits["readinessProbe"]["httpGet"]["path"]
    assert "/v2/models/digits/ready" == of_digits["startupProbe"]["httpGet"]["path"]
    assert "/v2/health/live" == of_digits["livenessProbe"]["httpGet"]["path"]


def test_the_grace_period_covers_drain_exit_and_margin():
    values = with_(shutdown={"drainSeconds": 20, "exitTimeoutSeconds": 40, "marginSeconds": 3})

    assert 63 == predictor(values)["terminationGracePeriodSeconds"]
    assert 20 == container(values)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert "--exit-timeout-secs=40" in container(values)["args"]


@pytest.mark.parametrize(
    ("image", "version"),
    [({}, "26.07"), ({"tag": "26.06-py3"}, "26.06-py3"), ({"digest": f"sha256:{'ab' * 32}"}, "abababababab")],
    ids=["own-image", "tag", "digest"],
)
def test_a_new_chart_restarts_no_pod_whose_image_stays(image, version):
    service = release(with_(image=image))["InferenceService", "mnist"]
    # KServe puts both on the pods, and the predictor's win.
    on_the_pods = service["metadata"]["labels"] | service["spec"]["predictor"]["labels"]

    assert "slipway-serving" == on_the_pods["helm.sh/chart"]
    assert version == on_the_pods["app.kubernetes.io/version"]
    assert [] == [label for label, value in on_the_pods.items() if value.endswith("-0.1.0")]


def test_labels_of_the_pods_are_handed_on_beside_those():
    assert {"team": "vision"}.items() < predictor(with_(podLabels={"team": "vision"}))["labels"].items()


def variables(values):
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(values)["env"]}


def mounts(values):
    return {mount["mountPath"]: mount["name"] for mount in container(values)["volumeMounts"]}


def test_admin_apis_are_restricted_unless_opened():
    closed, opened = variables(with_()), variables(with_(triton={"restrictAdminApis": False}))

    assert "true" == closed["RESTRICT_ADMIN_APIS"]
    assert "false" == opened["RESTRICT_ADMIN_APIS"]
    assert "ADMIN_KEY_FILE" not in opened


def test_the_key_to_the_admin_apis_lies_in_memory_and_in_no_object():
    values = with_()
    folder, _, _ = variables(values)["ADMIN_KEY_FILE"].rpartition("/")
    runtime = release(values)["ServingRuntime", "mnist-triton"]["spec"]
    volumes = {volume["name"]: volume for volume in runtime["volumes"]}

    assert "Memory" == volumes[mounts(values)[folder]]["emptyDir"]["medium"]
    assert [] == [word for word in container(values)["args"] if "restricted" in word]
    assert "metadata.uid" not in json.dumps(runtime)
    assert folder not in mounts(with_(triton={"restrictAdminApis": False}))
