"""What the chart says about pods is what KServe's pods are: nothing is dropped on the way."""

from __future__ import annotations

import pytest

from tests.chart.pods import pods
from tests.chart.rendering import rendered
from tests.cluster.kube import eventually
from tests.cluster.service import STORE, gpu

# Fields of the objects that are about something else than the pod.
NOT_THE_PODS = {
    "annotations",
    "deploymentStrategy",
    "labels",
    "model",
    "multiModel",
    "protocolVersions",
    "supportedModelFormats",
}
POD_FIELDS = (
    "affinity",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
)
CONTAINER_FIELDS = (
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "terminationMessagePolicy",
    "volumeMounts",
)


def everything(cluster):
    """Values that set all that can be said about a pod; no node is like the one that it asks for."""
    spread = {"maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"}
    preferred = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"serving.kserve.io/inferenceservice": "mnist"}},
    }
    return gpu(
        cluster,
        model={"version": "2"},
        image={"tag": "26.06-py3", "pullPolicy": "Always"},
        imagePullSecrets=[{"name": "registry"}],
        serviceAccount={"name": "reader"},
        triton={"extraArgs": ["--log-verbose=1"], "extraEnv": [{"name": "CUDA_MODULE_LOADING", "value": "LAZY"}]},
        gpu={"count": 2, "products": ["NVIDIA-L4"], "runtimeClassName": "nvidia-pods"},
        resources={"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "3", "memory": "3Gi"}},
        volumes={"sharedMemorySizeLimit": "128Mi", "tmpSizeLimit": "2Gi"},
        probes={
            "timeoutSeconds": 3,
            "startup": {"budgetSeconds": 120, "periodSeconds": 4},
            "readiness": {"periodSeconds": 7, "failureThreshold": 3},
            "liveness": {"periodSeconds": 11, "failureThreshold": 4},
        },
        shutdown={"drainSeconds": 7, "exitTimeoutSeconds": 8, "marginSeconds": 9},
        deploymentStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        podSecurityContext={"runAsUser": 1001, "runAsGroup": 1002, "fsGroup": 1003},
        podLabels={"team": "vision"},
        podAnnotations={"cost-center": "42"},
        nodeSelector={"kubernetes.io/arch": "arm64"},
        affinity={
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": preferred}]
            }
        },
        tolerations=[{"key": "dedicated", "operator": "Equal", "value": "serving", "effect": "NoSchedule"}],
        priorityClassName="pods-first",
        topologySpreadConstraints=[
            {"topologyKey": "topology.kubernetes.io/zone", **spread},
            {"topologyKey": "kubernetes.io/hostname", **spread},
        ],
    )


def holds(actual, expected):
    """Whether everything that is expected is there; more may be."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(holds(actual.get(key), value) for key, value in expected.items())
    if isinstance(expected, list) and all(isinstance(item, dict) for item in expected):
        return all(any(holds(there, item) for there in actual or ()) for item in expected)
    return str(expected) == str(actual)  # a number may have become a quantity


@pytest.fixture(scope="module")
def asked(cluster):
    """What the chart renders."""
    return rendered("serving", everything(cluster), release="mnist", namespace="pods")


@pytest.fixture(scope="module")
def service(new_service, kube, cluster):
    service = new_service("pods")
    kube.apply(
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia-pods"}, "handler": "x"},
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "pods-first"},
            "value": 1000,
        },
    )
    service.install(everything(cluster))
    yield service
    service.uninstall()


@pytest.fixture(scope="module")
def expected(asked):
    """The pod that the chart means."""
    (spec,) = [pod.spec for pod in pods(asked) if pod.owner.startswith("InferenceService")]
    return spec


@pytest.fixture(scope="module")
def pod(service):
    """The pod that comes of it, as the API server has it."""
    (found,) = eventually(service.pods, "KServe's Deployment has no pod")
    return found


def test_every_field_that_the_chart_sets_is_compared(expected):
    (container,) = expected["containers"]

    assert {*POD_FIELDS, "containers"} == expected.keys() - NOT_THE_PODS
    assert set(CONTAINER_FIELDS) == container.keys()


@pytest.mark.parametrize("field", POD_FIELDS)
def test_a_field_of_the_pod_arrives(expected, pod, field):
    assert holds(pod["spec"].get(field), expected[field]), f"expected {expected[field]}, got {pod['spec'].get(field)}"


@pytest.mark.parametrize("field", CONTAINER_FIELDS)
def test_a_field_of_the_container_arrives(expected, pod, field):
    asked, there = expected["containers"][0][field], pod["spec"]["containers"][0].get(field)

    assert holds(there, asked), f"expected {asked}, got {there}"


@pytest.mark.parametrize("kind", ["labels", "annotations"])
def test_what_is_written_on_the_pods_arrives(asked, pod, kind):
    predictor = asked["InferenceService", "mnist"]["spec"]["predictor"]

    assert {"team": "vision", "cost-center": "42", "slipway/model-version": "2"}.items() & predictor[kind].items()
    assert predictor[kind].items() <= pod["metadata"][kind].items()


def test_the_strategy_is_the_deployments(asked, service):
    expected = asked["InferenceService", "mnist"]["spec"]["predictor"]["deploymentStrategy"]

    assert expected == service.get("deployment", service.deployment)["spec"]["strategy"]


def test_the_claim_is_mounted_for_reading_where_the_start_script_looks(pod):
    (mount,) = [each for each in pod["spec"]["containers"][0]["volumeMounts"] if each["mountPath"] == "/mnt/models"]
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == mount["name"]]

    assert mount["readOnly"]
    assert STORE == mount["subPath"]
    assert "models" == volume["persistentVolumeClaim"]["claimName"]
