"""Kubernetes itself: etcd, kube-apiserver, its controllers and scheduler, and kwok in place of the kubelets."""

from __future__ import annotations

from typing import Any

import httpx
import yaml

from rehearsal.cluster.api.client import BlockingApiClient, read
from rehearsal.cluster.controlplane.base_objects import CANARY
from rehearsal.cluster.controlplane.certificates import FRONT_PROXY
from rehearsal.cluster.controlplane.layout import NAMESPACE, ClusterLayout
from rehearsal.cluster.controlplane.process_manager import Component, NotYet
from slipway.platform.strict_yaml import SHIPPED, load_yaml

__all__ = ["apiserver", "controllers", "etcd"]

_SERVICE_NETWORK = "10.96.0.0/16"
_LEASE_S = 40
"""The kubelet's default (`nodeLeaseDurationSeconds`)."""
_NOT_OURS = (
    {"key": '.metadata.labels["serving.kserve.io/inferenceservice"]', "operator": "DoesNotExist"},
    {"key": '.metadata.annotations["helm.sh/hook"]', "operator": "DoesNotExist"},
)
"""Label of the node agent's pods, which kwok does not manage."""


def etcd(layout: ClusterLayout) -> Component:
    """The database, without fsync: it need not survive a power failure."""
    client, peer = (f"http://{layout.listener(name)}" for name in ("etcd", "etcd-peer"))

    def healthy() -> None:
        answer = httpx.get(f"{client}/health", timeout=5, trust_env=False).json()
        if answer.get("health") != "true":
            raise NotYet(f"expected health true, got {answer}")

    return Component(
        name="etcd",
        command=(
            str(layout.executables["etcd"]),
            f"--data-dir={layout.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        healthy=healthy,
        does="answers a read",
    )


def apiserver(layout: ClusterLayout, api: BlockingApiClient) -> Component:
    """The kube-apiserver, with its default admission plugins, RBAC, and the aggregation layer."""
    pki = layout.pki
    return Component(
        name="kube-apiserver",
        command=(
            str(layout.executables["kube-apiserver"]),
            f"--etcd-servers=http://{layout.listener('etcd')}",
            f"--bind-address={layout.address}",
            f"--secure-port={layout.ports['kube-apiserver']}",
            "--endpoint-reconciler-type=none",  # a loopback address is not allowed as an endpoint
            f"--service-cluster-ip-range={_SERVICE_NETWORK}",
            f"--tls-cert-file={pki.server.certificate}",
            f"--tls-private-key-file={pki.server.key}",
            f"--client-ca-file={pki.authority}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki.service_accounts}",
            f"--service-account-signing-key-file={pki.service_accounts}",
            f"--requestheader-client-ca-file={pki.authority}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pki.front_proxy.certificate}",
            f"--proxy-client-key-file={pki.front_proxy.key}",
            "--kubelet-preferred-address-types=InternalIP",  # node names do not resolve
            f"--kubelet-certificate-authority={pki.authority}",
            f"--kubelet-client-certificate={pki.admin.certificate}",
            f"--kubelet-client-key={pki.admin.key}",
            "--profiling=false",
        ),
        healthy=lambda: _ready(api),
        does="answers /readyz, its database and its admission plugins included",
        grace_s=5,
    )


def controllers(layout: ClusterLayout, api: BlockingApiClient) -> list[Component]:
    """The controller manager, the scheduler, and kwok."""
    pki, kubeconfig = layout.pki, layout.kubeconfig
    serving = (f"--tls-cert-file={pki.server.certificate}", f"--tls-private-key-file={pki.server.key}")
    kubeconfigs = tuple(f"--{name}kubeconfig={kubeconfig}" for name in ("", "authentication-", "authorization-"))
    manager = Component(
        name="kube-controller-manager",
        command=(
            str(layout.executables["kube-controller-manager"]),
            *kubeconfigs,
            *serving,
            f"--bind-address={layout.address}",
            f"--secure-port={layout.ports['kube-controller-manager']}",
            f"--service-account-private-key-file={pki.service_accounts}",
            f"--root-ca-file={pki.authority}",
            "--leader-elect=false",
            "--profiling=false",
            # No other options: the autoscaler's 15 s and the node monitor's 50 s are as in managed clusters.
        ),
        healthy=lambda: _has_service_account(api),
        does="gave the namespace its service account",
    )
    scheduler = Component(
        name="kube-scheduler",
        command=(
            str(layout.executables["kube-scheduler"]),
            *kubeconfigs,
            *serving,
            f"--bind-address={layout.address}",
            f"--secure-port={layout.ports['kube-scheduler']}",
            "--leader-elect=false",
            "--profiling=false",
        ),
        healthy=lambda: _canary(api, "PodScheduled"),
        does="gave the canary pod a node",
    )
    stages = layout.folder / "kwok.yaml"
    stages.write_text(yaml.safe_dump_all(_stages(layout)), encoding="utf-8")
    kwok = Component(
        name="kwok",
        command=(
            str(layout.executables["kwok"]),
            f"--kubeconfig={kubeconfig}",
            f"--config={stages}",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--node-lease-duration-seconds={_LEASE_S}",
            f"--server-address={layout.listener('kwok')}",
            f"--node-ip={layout.address}",
            f"--node-port={layout.ports['kubelet']}",
        ),
        healthy=lambda: _canary(api, "Ready"),
        does="runs the canary pod",
    )
    return [manager, scheduler, kwok]


def _ready(api: BlockingApiClient) -> None:
    body = api.send(read("/readyz"))
    if body != b"ok":
        raise NotYet(f"/readyz: expected ok, got {body.decode(errors='replace')}")


def _has_service_account(api: BlockingApiClient) -> None:
    api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")


def _canary(api: BlockingApiClient, condition: str) -> None:
    pod = api.get(f"/api/v1/namespaces/{CANARY['metadata']['namespace']}/pods?labelSelector=app=canary")["items"]
    conditions = {each["type"]: each for part in pod for each in part["status"].get("conditions", [])}
    if conditions.get(condition, {}).get("status") != "True":
        raise NotYet(f"expected the canary pod to be {condition}, got {conditions.get(condition, 'no such condition')}")


def _stages(layout: ClusterLayout) -> list[dict[str, Any]]:
    """Stages of kwok, read from its module; those for pods exclude the node agent's pods."""
    folder = layout.module_files["kwok"] / "kustomize" / "stage"
    files = [
        *sorted((folder / "pod" / "fast").glob("pod-*.yaml")),
        folder / "node" / "fast" / "node-initialize.yaml",
        folder / "node" / "heartbeat-with-lease" / "node-heartbeat-with-lease.yaml",
    ]
    stages: list[dict[str, Any]] = [load_yaml(path.read_bytes(), SHIPPED) for path in files]
    for stage in stages:
        if stage["spec"]["resourceRef"]["kind"] == "Pod":
            stage["spec"]["selector"]["matchExpressions"] += _NOT_OURS
    return stages
