"""The catalogue of a rehearsal's programs: purpose, build, and files that are kept of each module.

Versions are pinned in `rehearsal/programs/<name>/go.mod`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CATALOGUE", "MODULES", "ControlPlaneProgram"]

MODULES = Path(__file__).parents[2] / "programs"
"""One folder per program, with its go.mod and go.sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneProgram:
    """One Go module, and the parts of it that are used.

    Attributes:
        name: Name of its folder below `rehearsal/programs`.
        module: The Go module of the program's version and of `files`.
        executables: Go package by name of the executable.
        ldflags: Flags of Go's linker; `{version}`, `{major}` and `{minor}` are replaced by the module's version.
        files: Patterns of files to keep, relative to the module's folder.
        build_s: Measured seconds of a build without Go's caches on two cores; for the progress bar only.
        modules_mb: Measured megabytes (10^6 bytes) of its modules, as archives and unpacked.
        objects_mb: Megabytes in Go's build cache; the build takes as much again as scratch space.
        result_mb: Megabytes of the result.
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
        # Otherwise the kube-apiserver reports v0.0.0, and charts and KServe check its version.
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
    # Simulates the kubelets of simulated nodes.
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
    # Creates nodes for unschedulable pods, with its kwok provider.
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
    # Creates Deployments from InferenceServices.
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
    # Provides Prometheus queries as metrics of an HPA.
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
    # Translates PodMonitors and PrometheusRules into Prometheus' configuration.
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
    # Scrapes the pods, evaluates rules, answers KEDA's queries.
    ControlPlaneProgram(
        name="prometheus",
        module="github.com/prometheus/prometheus",
        executables={"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
        build_s=293,
        modules_mb=1950,
        objects_mb=2200,
        result_mb=110,
    ),
    # Exposes the state of Kubernetes objects as metrics, for alerts and reports.
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
    # The definitions of HTTPRoute and Gateway only.
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
