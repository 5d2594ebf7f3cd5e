"""The request for a values file, and the check for contradictory options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slipway.deploy._errors import ValuesRefused

Cluster = Literal["cpu", "gpu", "mig", "time-sliced"]
Autoscaling = Literal["keda", "hpa", "none"]

STORAGE_SCHEMES = (
    "pvc", "s3", "gs", "hf", "oci", "oci+native", "http", "https", "hdfs", "webhdfs", "git", "modelscope",
)  # fmt: skip
"""URI schemes of KServe, as in the chart's schema; a test compares."""

_RELEASE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_RELEASE = 40
_SHARED_GPU = "nvidia.com/gpu.shared"
QUIET_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesRequest:
    """The choices for one values file.

    Attributes:
        capacity: Output file of `slipway capacity`.
        repository: Model repository.
        cluster: Hardware of the replicas.
        storage_uri: URI of the repository for the cluster.
        model: Model name; None for the measured one.
        pin: Pin the newest published version.
        peak_rps: Requests per second at the expected peak; None: the number of replicas is not computed.
        quiet_share: Load in quiet hours as a share of the peak.
        min_replicas: None: computed, or the chart's default.
        max_replicas: As `min_replicas`.
        autoscaling: The chart's `autoscaling.mode`.
        prometheus_url: URL for KEDA; None for the chart's default.
        headroom_replicas: Overprovisioned room, in replicas.
        gpu_products: Allowed GPU products; empty for any.
        gpu_resource: None for the default of `cluster`.
        release: Helm release; None for the model's name.
        namespace: Namespace of the release.
        output: Path of the file, for the commands that use it.
    """

    capacity: Path
    repository: Path
    cluster: Cluster
    storage_uri: str
    model: str | None = None
    pin: bool = False
    peak_rps: float | None = None
    quiet_share: float = QUIET_SHARE
    min_replicas: int | None = None
    max_replicas: int | None = None
    autoscaling: Autoscaling = "keda"
    prometheus_url: str | None = None
    headroom_replicas: int = 0
    gpu_products: tuple[str, ...] = ()
    gpu_resource: str | None = None
    release: str | None = None
    namespace: str = "serving"
    output: Path = Path("values.yaml")

    @property
    def on_gpu(self) -> bool:
        """Whether a replica requests an accelerator."""
        return self.cluster != "cpu"

    @property
    def resource_name(self) -> str:
        """The extended resource that a replica requests."""
        return self.gpu_resource or (_SHARED_GPU if self.cluster == "time-sliced" else "nvidia.com/gpu")


def check_request(request: ValuesRequest) -> None:
    """Reject contradictory options.

    Raises:
        ValuesRefused: Names the option, expected and got.
    """
    _check_storage(request.storage_uri)
    _check_gpu(request)
    _check_autoscaling(request)
    if not _NAMESPACE.fullmatch(request.namespace):
        raise ValuesRefused(f"--namespace: expected lower-case letters, digits and dashes, got {request.namespace!r}")


def release_name(request: ValuesRequest, model: str) -> str:
    """Name of the Helm release, which is also that of the InferenceService.

    Raises:
        ValuesRefused: KServe would reject it.
    """
    name = request.release or model
    if not _RELEASE.fullmatch(name) or len(name) > _LONGEST_RELEASE:
        raise ValuesRefused(
            f"--release: expected at most {_LONGEST_RELEASE} lower-case letters, digits and dashes, a letter first, "
            f"got {name!r}: the release is the InferenceService's name"
        )
    return name


def _check_storage(uri: str) -> None:
    scheme, separator, rest = uri.partition("://")
    if scheme not in STORAGE_SCHEMES or not separator or not rest:
        raise ValuesRefused(
            f"--storage-uri: expected the folder that holds the repository, such as pvc://claim/model_repository or "
            f"s3://bucket/models, got {uri!r}; KServe supports {', '.join(STORAGE_SCHEMES)}"
        )


def _check_gpu(request: ValuesRequest) -> None:
    if request.cluster == "cpu" and (request.gpu_products or request.gpu_resource):
        raise ValuesRefused(
            "--gpu-product and --gpu-resource choose a GPU, got --cluster cpu: omit them, or choose gpu"
        )
    if request.cluster == "mig" and request.gpu_resource is None:
        raise ValuesRefused(
            "--cluster mig: expected the slice that a replica gets, such as --gpu-resource nvidia.com/mig-1g.10gb; "
            "`kubectl describe nodes | grep nvidia.com/mig-` lists those of the cluster"
        )
    if request.cluster == "mig" and "/mig-" not in request.resource_name:
        raise ValuesRefused(
            f"--cluster mig: expected a slice such as nvidia.com/mig-1g.10gb, got {request.resource_name!r}: set one, "
            "or use --cluster gpu"
        )
    if not re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9_.-]+", request.resource_name):
        raise ValuesRefused(f"--gpu-resource: expected a name such as nvidia.com/gpu, got {request.resource_name!r}")


def _check_autoscaling(request: ValuesRequest) -> None:
    if request.prometheus_url is not None and request.autoscaling != "keda":
        raise ValuesRefused(
            f"--prometheus-url is used by KEDA only, got --autoscaling {request.autoscaling}: omit it, or choose keda"
        )
    if request.prometheus_url is not None and not re.fullmatch(r"https?://\S+", request.prometheus_url):
        raise ValuesRefused(f"--prometheus-url: expected http:// or https://, got {request.prometheus_url!r}")
    if request.peak_rps is None and request.quiet_share != QUIET_SHARE:
        raise ValuesRefused("--quiet-share is a share of --peak-rps, got no peak: add --peak-rps, or omit it")
    if request.headroom_replicas and request.autoscaling == "none":
        raise ValuesRefused(
            "--headroom-replicas is room for added replicas, and --autoscaling none adds none: omit one"
        )
    for option, count in (("min", request.min_replicas), ("max", request.max_replicas)):
        if count is not None and count < 1:
            raise ValuesRefused(
                f"--{option}-replicas: expected at least 1, got {count}; to scale to zero write minReplicas: 0 and "
                "wake.query into the values by hand"
            )
    if request.headroom_replicas < 0:
        raise ValuesRefused(f"--headroom-replicas: expected 0 or more, got {request.headroom_replicas}")
