"""Objects of a new cluster: namespaces, the claim for models, the platform's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rehearsal.cluster.controlplane.layout import NAMESPACE, ClusterLayout
from slipway.platform.strict_yaml import SHIPPED, load_all_yaml

__all__ = [
    "CANARY",
    "CLAIM",
    "base_objects",
    "definitions",
    "keda_objects",
    "keda_webhooks",
    "kserve_objects",
    "kserve_webhooks",
]

CLAIM = "models"
"""The PersistentVolumeClaim whose folder is the layout's model store."""
_RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "v1.32",
}
# From KServe's chart (`storage.containerSecurityContext`); missing in the plain manifest.
_OF_STORAGE = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}
_DEFINITION = re.compile(r"^kind: CustomResourceDefinition$.*?^  name: (\S+)$", re.MULTILINE | re.DOTALL)
# Large and unused here. Prometheus' operator skips kinds without a definition; with only half of Alertmanager's it
# would wait for the others, and fail after ten minutes.
_NOT_NEEDED = ("alertmanagerconfigs.", "alertmanagers.", "prometheusagents.", "thanosrulers.")
_PLATFORM = ("kserve", "keda", "karpenter", "monitoring")
# A Deployment instead of a pod, to test the controllers too.
CANARY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "canary", "namespace": "kube-system"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "canary"}},
        "template": {
            "metadata": {"labels": {"app": "canary"}},
            "spec": {"containers": [{"name": "canary", "image": "registry.k8s.io/pause:3.10"}]},
        },
    },
}


def base_objects(layout: ClusterLayout) -> list[dict[str, Any]]:
    """Namespaces with the Pod Security levels of k8s/namespaces.yaml, and the claim."""
    namespaces = [_namespace(name, {"control-plane": name}) for name in _PLATFORM]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": CLAIM},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadOnlyMany", "ReadWriteMany"],
            "hostPath": {"path": str(layout.model_store)},
            "claimRef": {"namespace": NAMESPACE, "name": CLAIM},
            "storageClassName": "",
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "",
            "volumeName": CLAIM,
        },
    }
    return [*namespaces, _namespace(NAMESPACE, _RESTRICTED), volume, claim]


def definitions(layout: ClusterLayout) -> dict[str, str]:
    """Custom resource definitions, as their projects publish them: YAML by name, `plural.group`."""
    texts = {}
    for module, folders in {
        "kserve": ("config/crd/full", "config/crd/full/clusterstoragecontainer"),
        "keda": ("config/crd/bases",),
        "karpenter": ("pkg/apis/crds", "kwok/apis/crds"),
        "prometheus-operator": ("example/prometheus-operator-crd",),
        "gateway-api": ("config/crd/standard",),
    }.items():
        for folder in folders:
            for path in sorted((layout.module_files[module] / folder).glob("*.yaml")):
                text = path.read_text(encoding="utf-8")
                name = _DEFINITION.search(text)
                if name is not None and not name[1].startswith(_NOT_NEEDED):
                    texts[name[1]] = text
    return texts


def kserve_objects(layout: ClusterLayout) -> list[dict[str, Any]]:
    """KServe's ConfigMap with the settings of k8s/platform/kserve-values.yaml, and its storage container."""
    folder = layout.module_files["kserve"] / "config"
    (config,) = _documents(folder / "configmap" / "inferenceservice.yaml")
    data = config["data"]
    data.pop("_example", None)
    ingress = json.loads(data["ingress"])
    # Without an ingress controller KServe would wait for ever; here the gateway is outside the cluster.
    ingress["disableIngressCreation"] = True
    data["ingress"] = json.dumps(ingress)
    data["deploy"] = json.dumps({"defaultDeploymentMode": "Standard"})
    config["metadata"] = {"name": "inferenceservice-config", "namespace": "kserve"}
    storage = _documents(folder / "storagecontainers" / "default.yaml")
    for container in storage:
        container["spec"]["container"]["securityContext"] = _OF_STORAGE
    return [config, *storage]


def kserve_webhooks(layout: ClusterLayout) -> list[dict[str, Any]]:
    """KServe's own admission webhooks, at the address where its manager listens."""
    path = layout.module_files["kserve"] / "config" / "webhook" / "manifests.yaml"
    return _pointed(_documents(path), f"https://{layout.listener('kserve-webhook')}", layout.pki.authority_base64)


def keda_webhooks(layout: ClusterLayout) -> list[dict[str, Any]]:
    """KEDA's."""
    path = layout.module_files["keda"] / "config" / "webhooks" / "validation_webhooks.yaml"
    return _pointed(_documents(path), f"https://{layout.listener('keda-webhooks')}", layout.pki.authority_base64)


def keda_objects(layout: ClusterLayout) -> list[dict[str, Any]]:
    """The APIService of KEDA's metrics, and an external-name Service for the adapter's address."""
    name = "keda-metrics-apiserver"
    port = layout.ports["keda-adapter"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "keda"},
            "spec": {
                "type": "ExternalName",
                "externalName": layout.address,
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "service": {"name": name, "namespace": "keda", "port": port},
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": layout.pki.authority_base64,
            },
        },
    ]


def _pointed(hooks: Iterable[dict[str, Any]], url: str, authority: str) -> list[dict[str, Any]]:
    pointed = []
    for configuration in hooks:
        configuration["metadata"].pop("creationTimestamp", None)
        for hook in configuration["webhooks"]:
            path = hook["clientConfig"]["service"]["path"]
            hook["clientConfig"] = {"url": url + path, "caBundle": authority}
        pointed.append(configuration)
    return pointed


def _namespace(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in load_all_yaml(path.read_bytes(), SHIPPED) if each]
