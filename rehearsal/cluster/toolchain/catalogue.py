"""Which programs a rehearsal needs: what each is for, how it is built, and what else of its module is kept.

The versions are not here: each is pinned once, in `rehearsal/programs/<name>/go.mod`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CATALOGUE", "MODULES", "ControlPlaneProgram"]

MODULES = Path(__file__).parents[2] / "programs"
"""A folder for each program: its go.mod and go.sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneProgram:
    """One Go module and what is taken from it.

    Attributes:
        name: Of its folder under `rehearsal/programs`.
        module: The Go module whose version is the program's, and from which `files` are taken.
        executables: Go package by the name that the executable gets here.
        ldflags: For Go's linker; `{version}`, `{major}` and `{minor}` stand for the module's version.
        files: Patterns of files that are kept, relative to the module's folder.
        build_s: Seconds that a build without Go's caches takes on two cores, measured; for the progress bar only.
        modules_mb: Megabytes (10^6 bytes) of the modules that it is built from, as archives and unpacked; measured.
        objects_mb: Megabytes of what the compiler leaves in Go's build cache; as much again is scratch meanwhile.
        result_mb: Megabytes of what stays.
    """

    name: str
    module: str
    executables: Mapping[str, str] = field(default_factory=dict)
    ldflags: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    build_s: float
    modules_mb: int
    objects_mb: int
    result_mb: int


_COMPONENT = "k8s.io/component-base/version"
_KEDA = "github.com/kedacore/keda/v2"

CATALOGUE = (
    # The cluster's database.
    ControlPlaneProgram(
        name="etcd",
        module="go.etcd.io/etcd/server/v3",
        executables={"etcd": "go.etcd.io/etcd/server/v3"},
        build_s=19,
        modules_mb=190,
        objects_mb=320,
        result_mb=25,
    ),
    # The control plane itself, and kubectl.
    ControlPlaneProgram(
        name="kubernetes",
        module="k8s.io/kubernetes",
        executables={
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
        # Without it the kube-apiserver calls itself v0.0.0, and charts and KServe ask for its version.
        ldflags=(
            f"-X {_COMPONENT}.gitVersion={{version}}",
            f"-X {_COMPONENT}.gitMajor={{major}}",
            f"-X {_COMPONENT}.gitMinor={{minor}}",
        ),
        build_s=290,
        modules_mb=600,
        objects_mb=3100,
        result_mb=360,
    ),
    # Plays the kubelets of simulated nodes.
    ControlPlaneProgram(
        name="kwok",
        module="sigs.k8s.io/kwok",
        executables={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        files=(
            "kustomize/crd/bases/*.yaml",
            "kustomize/stage/node/fast/*.yaml",
            "kustomize/stage/node/heartbeat-with-lease/*.yaml",
            "kustomize/stage/pod/fast/*.yaml",
        ),
        build_s=59,
        modules_mb=330,
        objects_mb=820,
        result_mb=90,
    ),
    # Makes nodes for pods that fit nowhere, by its kwok provider.
    ControlPlaneProgram(
        name="karpenter",
        module="sigs.k8s.io/karpenter",
        executables={"karpenter": "sigs.k8s.io/karpenter/kwok"},
        files=("pkg/apis/crds/*.yaml", "kwok/apis/crds/*.yaml"),
        build_s=89,
        modules_mb=290,
        objects_mb=1200,
        result_mb=70,
    ),
    # Makes Deployments of InferenceServices.
    ControlPlaneProgram(
        name="kserve",
        module="github.com/kserve/kserve",
        executables={"kserve": "github.com/kserve/kserve/cmd/manager"},
        files=(
            "config/crd/full/**/*.yaml",
            "config/configmap/inferenceservice.yaml",
            "config/storagecontainers/default.yaml",
            "config/webhook/manifests.yaml",
        ),
        build_s=114,
        modules_mb=1900,
        objects_mb=1550,
        result_mb=90,
    ),
    # Turns Prometheus queries into the metrics of an HPA.
    ControlPlaneProgram(
        name="keda",
        module=_KEDA,
        executables={
            "keda-operator": f"{_KEDA}/cmd/operator",
            "keda-adapter": f"{_KEDA}/cmd/adapter",
            "keda-webhooks": f"{_KEDA}/cmd/webhooks",
        },
        files=("config/crd/bases/*.yaml", "config/webhooks/validation_webhooks.yaml"),
        build_s=294,
        modules_mb=1500,
        objects_mb=2750,
        result_mb=340,
    ),
    # Turns PodMonitors and PrometheusRules into Prometheus' configuration.
    ControlPlaneProgram(
        name="prometheus-operator",
        module="github.com/prometheus-operator/prometheus-operator",
        executables={"prometheus-operator": "github.com/prometheus-operator/prometheus-operator/cmd/operator"},
        files=("example/prometheus-operator-crd/*.yaml",),
        build_s=99,
        modules_mb=420,
        objects_mb=1200,
        result_mb=70,
    ),
    # Scrapes the pods, evaluates rules, answers KEDA.
    ControlPlaneProgram(
        name="prometheus",
        module="github.com/prometheus/prometheus",
        executables={"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
        build_s=293,
        modules_mb=1950,
        objects_mb=2200,
        result_mb=110,
    ),
    # The state of Kubernetes' objects as metrics, for alerts and reports.
    ControlPlaneProgram(
        name="kube-state-metrics",
        module="k8s.io/kube-state-metrics/v2",
        executables={"kube-state-metrics": "k8s.io/kube-state-metrics/v2"},
        build_s=78,
        modules_mb=310,
        objects_mb=1100,
        result_mb=60,
    ),
    # Installs the charts.
    ControlPlaneProgram(
        name="helm",
        module="helm.sh/helm/v4",
        executables={"helm": "helm.sh/helm/v4/cmd/helm"},
        ldflags=("-X helm.sh/helm/v4/internal/version.version={version}",),
        build_s=80,
        modules_mb=550,
        objects_mb=1250,
        result_mb=70,
    ),
    # The definitions of HTTPRoute and Gateway; no program.
    ControlPlaneProgram(
        name="gateway-api",
        module="sigs.k8s.io/gateway-api",
        files=("config/crd/standard/*.yaml",),
        build_s=2,
        modules_mb=60,
        objects_mb=0,
        result_mb=3,
    ),
)
