"""The custom resource `Prometheus` for the operator, with the cluster's programs as scrape targets.

    for item in monitoring_objects(certificates, targets, apiserver_url=...): ...     # applied in this order; pure

Selectors and intervals are those of k8s/platform/kube-prometheus-stack-values.yaml; labels are those of the programs'
own charts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["NAME", "NAMESPACE", "ClientCertificate", "ScrapeTargets", "monitoring_objects"]

NAMESPACE: Final = "monitoring"
NAME: Final = "rehearsal"

_PROGRAMS: Final = "rehearsal-programs"
_PROGRAMS_KEY: Final = "scrape.yaml"
_INTERVAL: Final = "15s"
_SELECTED: Final = ("podMonitor", "serviceMonitor", "rule", "probe", "scrapeConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """Client certificate with which Prometheus, a process outside of the cluster, lists pods; PEM files."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeTargets:
    """Addresses (host:port) of the programs' metrics, at /metrics over HTTP. None is not scraped."""

    keda_operator: str | None = None
    keda_adapter: str | None = None
    kube_state_metrics: str | None = None
    karpenter: str | None = None


def monitoring_objects(
    client: ClientCertificate, targets: ScrapeTargets, *, apiserver_url: str
) -> tuple[dict[str, Any], ...]:
    """Objects of the namespace `monitoring`, which must exist."""
    return _programs(targets), _prometheus(client, apiserver_url)


def _prometheus(client: ClientCertificate, apiserver_url: str) -> dict[str, Any]:
    selectors: dict[str, Any] = {f"{kind}{of}": {} for kind in _SELECTED for of in ("Selector", "NamespaceSelector")}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": 0,  # the operator writes the configuration nevertheless
            **selectors,
            "scrapeInterval": _INTERVAL,
            "evaluationInterval": _INTERVAL,
            "apiserverConfig": {
                "host": apiserver_url,
                "tlsConfig": {
                    "caFile": str(client.authority),
                    "certFile": str(client.certificate),
                    "keyFile": str(client.key),
                },
            },
            "additionalScrapeConfigs": {"name": _PROGRAMS, "key": _PROGRAMS_KEY},
        },
    }


def _programs(targets: ScrapeTargets) -> dict[str, Any]:
    """The Secret with scrape configurations of programs that are not pods."""
    jobs = [
        # KEDA's chart has PodMonitors without honorLabels: `namespace` is KEDA's own, `exported_namespace` the
        # ScaledObject's. The charts of kube-state-metrics and Karpenter have ServiceMonitors.
        _job("keda/keda-operator", targets.keda_operator, namespace="keda", pod="keda-operator"),
        _job(
            "keda/keda-metrics-apiserver", targets.keda_adapter, namespace="keda", pod="keda-operator-metrics-apiserver"
        ),
        _job("kube-state-metrics", targets.kube_state_metrics, namespace=NAMESPACE, honor_labels=True),
        _job("karpenter", targets.karpenter, namespace="karpenter"),
    ]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _PROGRAMS, "namespace": NAMESPACE},
        "stringData": {_PROGRAMS_KEY: yaml.safe_dump([job for job in jobs if job], sort_keys=False)},
    }


def _job(
    name: str, target: str | None, *, namespace: str, pod: str | None = None, honor_labels: bool = False
) -> dict[str, Any] | None:
    if target is None:
        return None
    labels = {"job": name, "namespace": namespace, "pod": pod or name, "container": pod or name}
    return {
        "job_name": f"program/{name}",
        "honor_labels": honor_labels,
        "static_configs": [{"targets": [target], "labels": labels}],
    }
