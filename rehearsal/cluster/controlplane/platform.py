"""The platform's programs: KServe, KEDA, Karpenter, and monitoring."""

from __future__ import annotations

import json
from typing import Any

import httpx

from rehearsal.cluster.api.client import BlockingApiClient, create
from rehearsal.cluster.controlplane.layout import NAMESPACE, ClusterLayout
from rehearsal.cluster.controlplane.process_manager import Component, NotYet
from rehearsal.cluster.monitoring.configuration import operator_arguments, prometheus_arguments
from rehearsal.cluster.monitoring.custom_resources import NAME as PROMETHEUS
from rehearsal.cluster.monitoring.custom_resources import NAMESPACE as MONITORING
from rehearsal.cluster.nodes.pools import instance_types
from rehearsal.errors import ApiError

__all__ = ["karpenter", "keda", "kserve", "kube_state_metrics", "prometheus", "prometheus_operator"]

_NO_INFERENCE_SERVICE: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "1-begins-with-a-digit", "namespace": NAMESPACE},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "triton"}, "storageUri": "pvc://models"}}},
}
_NO_SCALED_OBJECT: dict[str, Any] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "nothing", "namespace": NAMESPACE},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "no-such-deployment"},
        "triggers": [
            {"type": "cron", "name": "twice", "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "1 0 * * *"}}
        ]
        * 2,
    },
}


def kserve(layout: ClusterLayout, api: BlockingApiClient) -> Component:
    """KServe's manager. Its certificate is in controller-runtime's default folder."""
    folder = layout.folder / "kserve"
    certificates = folder / "k8s-webhook-server" / "serving-certs"
    certificates.parent.mkdir(parents=True)
    certificates.symlink_to(layout.pki.server.folder)
    return Component(
        name="kserve",
        command=(
            str(layout.executables["kserve"]),
            f"--webhook-port={layout.ports['kserve-webhook']}",
            f"--metrics-addr={layout.listener('kserve-metrics')}",
            f"--health-probe-addr={layout.listener('kserve-health')}",
            "--leader-elect=false",
        ),
        environment={"KUBECONFIG": str(layout.kubeconfig), "POD_NAMESPACE": "kserve", "TMPDIR": str(folder)},
        healthy=lambda: _refuses(api, _NO_INFERENCE_SERVICE, "kserve-webhook-server"),
        does="its webhook rejects an InferenceService whose name begins with a digit",
    )


def keda(layout: ClusterLayout, api: BlockingApiClient) -> list[Component]:
    """KEDA's operator, which queries Prometheus; its metrics adapter; its webhooks, which validate ScaledObjects."""
    pki, folder = layout.pki, str(layout.pki.server.folder)
    kubeconfig = str(layout.kubeconfig)
    common = {"KUBECONFIG": kubeconfig, "POD_NAMESPACE": "keda", "WATCH_NAMESPACE": ""}
    # As in KEDA's chart.
    asking = {"KEDA_HTTP_DEFAULT_TIMEOUT": "3000"}
    operator = Component(
        name="keda-operator",
        command=(
            str(layout.executables["keda-operator"]),
            f"--cert-dir={folder}",
            f"--metrics-bind-address={layout.listener('keda-operator-metrics')}",
            f"--health-probe-bind-address={layout.listener('keda-operator-health')}",
            f"--metrics-service-bind-address={layout.listener('keda-operator-grpc')}",
            "--enable-webhook-patching=false",
            "--enable-apiservice-patching=false",
            "--zap-log-level=info",
        ),
        environment={**common, **asking, "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda"},
        healthy=lambda: _answers(f"http://{layout.listener('keda-operator-health')}/readyz"),
        does="answers /readyz",
    )
    adapter = Component(
        name="keda-adapter",
        command=(
            str(layout.executables["keda-adapter"]),
            f"--secure-port={layout.ports['keda-adapter']}",
            f"--bind-address={layout.address}",
            f"--client-ca-file={pki.authority}",
            f"--tls-cert-file={pki.server.certificate}",
            f"--tls-private-key-file={pki.server.key}",
            f"--cert-dir={folder}",
            f"--metrics-service-address={layout.listener('keda-operator-grpc')}",
            "--metrics-service-grpc-authority=keda-operator.keda.svc",
            *(f"--{each}kubeconfig={kubeconfig}" for each in ("", "authentication-", "authorization-", "lister-")),
            f"--port={layout.ports['keda-adapter-metrics']}",
        ),
        environment={**common, **asking},
        healthy=lambda: _serves_external_metrics(api),
        does="serves external metrics through the kube-apiserver",
    )
    webhooks = Component(
        name="keda-webhooks",
        command=(
            str(layout.executables["keda-webhooks"]),
            f"--cert-dir={folder}",
            f"--port={layout.ports['keda-webhooks']}",
            f"--metrics-bind-address={layout.listener('keda-webhooks-metrics')}",
            f"--health-probe-bind-address={layout.listener('keda-webhooks-health')}",
        ),
        environment=common,
        healthy=lambda: _refuses(api, _NO_SCALED_OBJECT, "vscaledobject.kb.io"),
        does="its webhook rejects a ScaledObject with two triggers of one name",
    )
    return [operator, adapter, webhooks]


def karpenter(layout: ClusterLayout, api: BlockingApiClient) -> Component:
    """Karpenter with the kwok provider, which simulates machines."""
    types = layout.folder / "instance-types.json"
    types.write_text(json.dumps(instance_types(layout.nodes)), encoding="utf-8")
    return Component(
        name="karpenter",
        command=(str(layout.executables["karpenter"]),),
        environment={
            "KUBECONFIG": str(layout.kubeconfig),
            "SYSTEM_NAMESPACE": "karpenter",
            "KARPENTER_SERVICE": "karpenter",
            "KUBERNETES_MIN_VERSION": "1.19.0-0",
            "METRICS_PORT": str(layout.ports["karpenter-metrics"]),
            "HEALTH_PROBE_PORT": str(layout.ports["karpenter-health"]),
            "INSTANCE_TYPES_FILE_PATH": str(types),
            "DISABLE_LEADER_ELECTION": "true",
            "FEATURE_GATES": "CapacityBuffer=true",
        },
        healthy=lambda: _pools_ready(layout, api),
        does="found every NodePool ready",
    )


def kube_state_metrics(layout: ClusterLayout) -> Component:
    """kube-state-metrics: the kube_* series of the chart's alerts."""
    kinds = "deployments,horizontalpodautoscalers,namespaces,nodes,pods,replicasets"
    return Component(
        name="kube-state-metrics",
        command=(
            str(layout.executables["kube-state-metrics"]),
            f"--kubeconfig={layout.kubeconfig}",
            f"--host={layout.address}",
            f"--port={layout.ports['kube-state-metrics']}",
            f"--telemetry-host={layout.address}",
            f"--telemetry-port={layout.ports['kube-state-metrics-own']}",
            f"--resources={kinds}",
        ),
        healthy=lambda: _shows(
            f"http://{layout.listener('kube-state-metrics')}/metrics",
            f'kube_namespace_created{{namespace="{NAMESPACE}"}}',
        ),
        does="shows the namespace",
    )


def prometheus_operator(layout: ClusterLayout, api: BlockingApiClient) -> Component:
    """The Prometheus operator: translates the chart's PodMonitor and rules into Prometheus' configuration."""
    return Component(
        name="prometheus-operator",
        command=(
            str(layout.executables["prometheus-operator"]),
            *operator_arguments(layout.listener("prometheus-operator")),
        ),
        environment={"KUBECONFIG": str(layout.kubeconfig)},
        healthy=lambda: _wrote_configuration(api),
        does="wrote Prometheus' configuration",
    )


def prometheus(layout: ClusterLayout) -> Component:
    """Prometheus, with the operator's configuration."""
    return Component(
        name="prometheus",
        command=(
            str(layout.executables["prometheus"]),
            *prometheus_arguments(layout.folder, layout.listener("prometheus")),
        ),
        healthy=lambda: _has_configuration(layout),
        does="runs with the operator's configuration",
        grace_s=5,
    )


def _answers(url: str) -> None:
    answer = httpx.get(url, timeout=5, trust_env=False)
    if answer.is_error:
        raise NotYet(f"{url}: expected 200, got {answer.status_code} {answer.text[:200]}")


def _shows(url: str, text: str) -> None:
    if text not in httpx.get(url, timeout=5, trust_env=False).text:
        raise NotYet(f"{url}: expected {text}, got a page without it")


def _refuses(api: BlockingApiClient, item: dict[str, Any], signature: str) -> None:
    expected = f"expected a refusal that names {signature}"
    try:
        api.send(create(item, dry_run=True))
    except ApiError as exc:
        if signature not in exc.said:
            raise NotYet(f"{expected}, got {exc}") from exc
        return
    raise NotYet(f"{expected}, got none")


def _serves_external_metrics(api: BlockingApiClient) -> None:
    status = api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io")["status"]
    available: dict[str, str] = next((e for e in status.get("conditions", []) if e["type"] == "Available"), {})
    if available.get("status") != "True":
        raise NotYet(f"expected the APIService to be Available, got {available.get('message', 'no condition')}")
    api.get("/apis/external.metrics.k8s.io/v1beta1")


def _pools_ready(layout: ClusterLayout, api: BlockingApiClient) -> None:
    expected = {each.name for each in layout.nodes.types} if layout.nodes.pool == "karpenter" else set()
    pools = api.get("/apis/karpenter.sh/v1/nodepools")["items"]
    ready = {
        pool["metadata"]["name"]
        for pool in pools
        for each in pool.get("status", {}).get("conditions", [])
        if each["type"] == "Ready" and each["status"] == "True"
    }
    if not expected <= ready:
        raise NotYet(f"expected the NodePools {sorted(expected)} to be ready, got {sorted(ready)}")


def _wrote_configuration(api: BlockingApiClient) -> None:
    api.get(f"/api/v1/namespaces/{MONITORING}/secrets/prometheus-{PROMETHEUS}")


def _has_configuration(layout: ClusterLayout) -> None:
    answer = httpx.get(f"{layout.prometheus_url}/api/v1/status/config", timeout=5, trust_env=False)
    if answer.is_error or "kube-state-metrics" not in answer.text:
        raise NotYet(f"expected the operator's configuration, got {answer.text[:200]}")
