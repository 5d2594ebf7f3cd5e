"""What the control plane starts, and when it takes a program for healthy, without any of the programs."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from rehearsal.cluster.controlplane import kubernetes, platform, python_components
from rehearsal.cluster.controlplane.layout import prepare_layout
from rehearsal.cluster.controlplane.process_manager import NotYet
from rehearsal.cluster.nodes.pools import load_nodes
from rehearsal.errors import ApiError

POD_STAGE = {"kind": "Stage", "spec": {"resourceRef": {"kind": "Pod"}, "selector": {"matchExpressions": []}}}
NODE_STAGE = {"kind": "Stage", "spec": {"resourceRef": {"kind": "Node"}, "selector": {"matchExpressions": []}}}


class Api:
    """An API server that has what is put into `objects`, by the end of its path, and answers `sent` to what is sent."""

    def __init__(self):
        self.objects = {}
        self.sent = b"ok"

    def get(self, path):
        for end, item in self.objects.items():
            if path.partition("?")[0].endswith(end):
                return item
        raise ApiError(f"GET {path}: not found", status=404, said="not found")

    def send(self, _request):
        if isinstance(self.sent, Exception):
            raise self.sent
        return self.sent


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def layout(tmp_path):
    stages = tmp_path / "kwok" / "kustomize" / "stage"
    for name, stage in {
        "pod/fast/pod-ready.yaml": POD_STAGE,
        "node/fast/node-initialize.yaml": NODE_STAGE,
        "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml": NODE_STAGE,
    }.items():
        (stages / name).parent.mkdir(parents=True)
        (stages / name).write_text(yaml.safe_dump(stage))
    (tmp_path / "cluster").mkdir()
    return prepare_layout(
        tmp_path / "cluster",
        network="127.64",
        executables=defaultdict(lambda: Path("/programs/any")),
        module_files={"kwok": tmp_path / "kwok"},
        nodes=load_nodes("karpenter"),
    )


@pytest.fixture
def components(layout, api):
    """Every program of a cluster, by its name."""
    every = [
        kubernetes.etcd(layout),
        kubernetes.apiserver(layout, api),
        *kubernetes.controllers(layout, api),
        platform.kserve(layout, api),
        *platform.keda(layout, api),
        platform.karpenter(layout, api),
        platform.kube_state_metrics(layout),
        platform.prometheus_operator(layout, api),
        platform.prometheus(layout),
        python_components.agent(layout),
        python_components.gateway(layout),
        python_components.monitoring(layout),
    ]
    return {component.name: component for component in every}


def test_every_program_has_a_name_of_its_own_and_says_what_its_health_means(components):
    assert 16 == len(components)
    assert [] == [name for name, component in components.items() if not component.does]


def test_every_port_of_a_command_is_one_that_the_layout_chose(components, layout):
    chosen = {str(port) for port in layout.ports.values()}
    options = [
        (name, option)
        for name, component in components.items()
        for option in component.command
        if "port=" in option and "grpc-authority" not in option
    ]

    assert options
    assert [] == [(name, option) for name, option in options if option.rpartition("=")[2] not in chosen]
    assert [] == [name for name, component in components.items() if "0.0.0.0" in " ".join(component.command)]


def test_kwok_leaves_the_pods_of_the_node_agent_alone(layout, api):
    kubernetes.controllers(layout, api)
    stages = [*yaml.safe_load_all((layout.folder / "kwok.yaml").read_text())]
    (pod,) = [stage["spec"]["selector"] for stage in stages if stage["spec"]["resourceRef"]["kind"] == "Pod"]
    (first, second) = [stage["spec"]["selector"] for stage in stages if stage["spec"]["resourceRef"]["kind"] == "Node"]

    assert all("DoesNotExist" == each["operator"] for each in pod["matchExpressions"])
    assert 2 == len(pod["matchExpressions"])
    assert [] == first["matchExpressions"] + second["matchExpressions"]


def test_karpenter_reads_the_instance_types_of_the_nodes(components, layout):
    path = components["karpenter"].environment["INSTANCE_TYPES_FILE_PATH"]

    assert {each.name for each in layout.nodes.types} <= set(Path(path).read_text().replace('"', " ").split())
    assert json.loads(Path(path).read_text())


def ready(condition, name="canary"):
    return {"items": [{"metadata": {"name": name}, "status": {"conditions": [{"type": condition, "status": "True"}]}}]}


AVAILABLE = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
HEALTH = {
    "kube-controller-manager": {"/serviceaccounts/default": {}},
    "kube-scheduler": {"/kube-system/pods": ready("PodScheduled")},
    "kwok": {"/kube-system/pods": ready("Ready")},
    "keda-adapter": {"v1beta1.external.metrics.k8s.io": AVAILABLE, "/external.metrics.k8s.io/v1beta1": {}},
    "prometheus-operator": {"/secrets/prometheus-rehearsal": {}},
}


@pytest.mark.parametrize("name", HEALTH)
def test_a_program_is_healthy_once_its_object_is_there(name, components, api):
    with pytest.raises((NotYet, ApiError)):
        components[name].healthy()
    api.objects = HEALTH[name]
    components[name].healthy()


@pytest.mark.parametrize(("name", "missing"), [("kube-scheduler", "PodScheduled"), ("kwok", "Ready")])
def test_a_canary_that_is_not_there_yet_is_said_with_expected_and_got(name, missing, components, api):
    api.objects = {"/kube-system/pods": {"items": []}}
    with pytest.raises(NotYet, match=rf"expected the canary pod to be {missing}, got no such condition"):
        components[name].healthy()


def test_the_apiserver_is_healthy_once_it_says_ok(components, api):
    api.sent = b"[-]etcd failed"
    with pytest.raises(NotYet, match=r"/readyz: expected ok, got \[-\]etcd failed"):
        components["kube-apiserver"].healthy()
    api.sent = b"ok"
    components["kube-apiserver"].healthy()


@pytest.mark.parametrize(
    ("name", "signature"), [("kserve", "kserve-webhook-server"), ("keda-webhooks", "vscaledobject.kb.io")]
)
def test_a_webhook_is_healthy_once_it_refuses_by_its_name(name, signature, components, api):
    with pytest.raises(NotYet, match=rf"expected a refusal that names {signature}.*, got none"):
        components[name].healthy()
    api.sent = ApiError("POST: denied", status=403, said="admission webhook of another one denied it")
    with pytest.raises(NotYet, match=f"expected a refusal that names {signature}"):
        components[name].healthy()
    api.sent = ApiError("POST: denied", status=403, said=f"admission webhook {signature} denied it")
    components[name].healthy()


def test_karpenter_is_healthy_once_every_pool_is_ready(components, api, layout):
    names = [each.name for each in layout.nodes.types]
    api.objects = {"/nodepools": {"items": []}}
    with pytest.raises(NotYet, match=r"expected the NodePools .* to be ready, got \[\]"):
        components["karpenter"].healthy()
    api.objects = {"/nodepools": {"items": [ready("Ready", name)["items"][0] for name in names]}}
    components["karpenter"].healthy()


@pytest.mark.parametrize(("name", "package"), [("agent", "node_agent"), ("monitoring", "monitoring")])
def test_a_program_in_python_is_healthy_once_it_has_written_its_file(name, package, components, layout):
    with pytest.raises(NotYet, match=f"expected {package}.ready"):
        components[name].healthy()
    (layout.folder / f"{package}.ready").touch()
    components[name].healthy()

    assert ("-P", "-m", f"rehearsal.cluster.{package}") == components[name].command[1:4]
