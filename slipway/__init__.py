"""Slipway takes a Keras classifier from training to an autoscaled GPU service on Kubernetes.

The public API is these subpackages:

    slipway.contract      the contract of a served model: tensors, labels, largest batch
    slipway.model_config  Triton's config.pbtxt, rendered from a contract and parsed back
    slipway.samples       labelled images that are published with a version
    slipway.repository    versions on disk: publish, verify, roll back, prune
    slipway.triton        a real tritonserver on this machine
    slipway.client        classify images over gRPC or HTTP

`slipway.__version__` is the version of the installed distribution.
"""

from typing import TYPE_CHECKING

__all__ = ["__version__"]

__version__: str

if not TYPE_CHECKING:  # a type checker would accept any attribute

    def __getattr__(name: str) -> str:
        """Read the version lazily: package metadata takes longer to load than this package."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from slipway.distribution import installed_version  # noqa: PLC0415

        return installed_version()
