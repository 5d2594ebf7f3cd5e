"""A release of helm/serving on the cluster, in a namespace of its own.

service = Service(kube=kube, namespace="one", name="mnist")
service.install(cpu(kube.connection))
service.wait_ready()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.experiment.run.chart_values import merge_values
from tests.chart.rendering import HELM, ROOT
from tests.cluster.kube import Kube

STORE = "served"
"""Below the claim; `model_repository` is the rehearsals'."""
_CHART = HELM / "serving"


def restricted(name: str) -> dict[str, Any]:
    """A namespace with the Pod Security labels that k8s/namespaces.yaml gives `serving`."""
    documents = yaml.safe_load_all((ROOT / "k8s" / "namespaces.yaml").read_text(encoding="utf-8"))
    (ours,) = [each for each in documents if each["metadata"]["name"] == "serving"]
    return {**ours, "metadata": {**ours["metadata"], "name": name}}


def claim(connection: ClusterConnection, namespace: str) -> list[dict[str, Any]]:
    """The claim `models` in a namespace, on the cluster's model store."""
    volume = f"models-{namespace}"
    modes = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **modes,
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": str(connection.model_store)},
                "claimRef": {"namespace": namespace, "name": "models"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": namespace},
            "spec": {**modes, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": volume},
        },
    ]


def gpu(connection: ClusterConnection, **changes: Any) -> dict[str, Any]:
    """Values of a replica that asks for a GPU, scaled by KEDA; it starts and ends fast."""
    values = {
        "model": {"storageUri": f"pvc://models/{STORE}", "configName": ""},
        "autoscaling": {
            "capacity": {"inFlight": 8, "requestsPerSecond": 400},
            "prometheus": {"serverAddress": connection.prometheus_url},
        },
        "probes": {"startup": {"periodSeconds": 1}, "readiness": {"periodSeconds": 1}},
        "shutdown": {"drainSeconds": 1, "exitTimeoutSeconds": 2, "marginSeconds": 1},
    }
    return merge_values(values, changes)


def cpu(connection: ClusterConnection, **changes: Any) -> dict[str, Any]:
    """Values of a replica that needs no GPU node, and does not scale."""
    values = {
        "gpu": {"enabled": False},
        "autoscaling": {"mode": "none"},
        "monitoring": {"podMonitor": {"enabled": False}, "rules": {"enabled": False}, "dashboard": {"enabled": False}},
    }
    return merge_values(gpu(connection, **values), changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One release.

    Attributes:
        kube: The cluster.
        namespace: Where it is; with the claim `models`.
        name: Of the release, and so of the InferenceService.
    """

    kube: Kube
    namespace: str
    name: str

    @property
    def host(self) -> str:
        """By which the gateway knows its requests."""
        return f"{self.name}-predictor.{self.namespace}.svc"

    @property
    def deployment(self) -> str:
        """KServe's."""
        return f"{self.name}-predictor"

    def install(self, values: Mapping[str, Any]) -> None:
        """`helm upgrade --install`."""
        file = self.kube.home / f"{self.namespace}-{self.name}.yaml"
        file.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
        self._helm("upgrade", "--install", self.name, str(_CHART), f"--values={file}")

    def rollback(self, revision: int) -> None:
        """`helm rollback`."""
        self._helm("rollback", self.name, str(revision))

    def uninstall(self) -> None:
        """`helm uninstall`."""
        self._helm("uninstall", self.name)

    def test(self, *words: str) -> str:
        """What `helm test` says, whether it passes or not."""
        return self.kube.helm("test", self.name, "--namespace", self.namespace, *words, check=False)

    def wait_ready(self) -> None:
        """Wait until KServe says so."""
        self.kube.wait(f"inferenceservice/{self.name}", "condition=Ready", namespace=self.namespace)

    def wait_rolled_out(self) -> None:
        """Wait until all replicas are those of the newest template."""
        self.kube.kubectl(
            "rollout", "status", f"deployment/{self.deployment}", "--namespace", self.namespace, "--timeout=90s"
        )

    def pods(self) -> list[dict[str, Any]]:
        """Its predictor's."""
        selector = f"serving.kserve.io/inferenceservice={self.name}"
        return self.kube.items("pods", namespace=self.namespace, selector=selector)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object of its namespace."""
        return self.kube.get(kind, name, namespace=self.namespace)

    def _helm(self, *words: str) -> None:
        self.kube.helm(*words, "--namespace", self.namespace)
