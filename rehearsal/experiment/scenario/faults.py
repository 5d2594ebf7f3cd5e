"""Faults and other actions of a scenario, each a section of the file, with its time.

actions:
  - {at_s: 20, do: lose_node}
  - {at_s: 30, do: stop, programs: [prometheus]}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from slipway.platform.settings import Settings

__all__ = [
    "DamageVersion",
    "Fault",
    "LoseNode",
    "RepairVersion",
    "Serve",
    "SetGpuLimit",
    "SetValues",
    "Start",
    "Stop",
]

At = Annotated[float, Field(ge=0, le=86_400)]
Version = Annotated[int, Field(ge=1)]

ProgramName = Literal[
    "agent",
    "etcd",
    "gateway",
    "karpenter",
    "keda-adapter",
    "keda-operator",
    "keda-webhooks",
    "kserve",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-state-metrics",
    "kwok",
    "monitoring",
    "prometheus",
    "prometheus-operator",
]


class _At(Settings):
    at_s: At
    """Seconds from the start of the measured window."""


class Serve(_At):
    """Roll another version of the model out: `helm upgrade` with `model.version`."""

    do: Literal["serve"]
    version: Version

    def describe(self) -> str:
        """A short description."""
        return f"helm upgrade: serve version {self.version}"


class SetValues(_At):
    """Change values of the chart: `helm upgrade`."""

    do: Literal["set_values"]
    values: dict[str, Any]
    """As in a values file; merged over those in effect."""

    def describe(self) -> str:
        """A short description."""
        return f"helm upgrade: change {', '.join(sorted(self.values))}"


class DamageVersion(_At):
    """Damage a version in the model store."""

    do: Literal["damage_version"]
    version: Version
    how: Literal["unlike_manifest", "broken_model"]
    """`unlike_manifest`: a byte of model.onnx differs from what the manifest says. `broken_model`: model.onnx is no
    model, and the manifest agrees with it."""

    def describe(self) -> str:
        """A short description."""
        how = {"unlike_manifest": "differs from its manifest", "broken_model": "is no model, and its manifest is right"}
        return f"version {self.version} in the store {how[self.how]}"


class RepairVersion(_At):
    """Restore the files of a version."""

    do: Literal["repair_version"]
    version: Version

    def describe(self) -> str:
        """A short description."""
        return f"version {self.version} in the store is repaired"


class LoseNode(_At):
    """One node with a ready replica is lost without notice."""

    do: Literal["lose_node"]

    def describe(self) -> str:
        """A short description."""
        return "a GPU node is lost"


class SetGpuLimit(_At):
    """Change how many GPUs the node pools may have."""

    do: Literal["set_gpu_limit"]
    gpus: Annotated[int, Field(ge=0, le=1_000)]

    def describe(self) -> str:
        """A short description."""
        return f"node pools may have {self.gpus} GPUs"


class Stop(_At):
    """Kill programs of the control plane (SIGKILL), and keep them down."""

    do: Literal["stop"]
    programs: Annotated[list[ProgramName], Field(min_length=1)]

    def describe(self) -> str:
        """A short description."""
        return f"{' and '.join(self.programs)} killed"


class Start(_At):
    """Start programs of the control plane again."""

    do: Literal["start"]
    programs: Annotated[list[ProgramName], Field(min_length=1)]

    def describe(self) -> str:
        """A short description."""
        return f"{' and '.join(self.programs)} started again"


Fault = Annotated[
    Serve | SetValues | DamageVersion | RepairVersion | LoseNode | SetGpuLimit | Stop | Start,
    Field(discriminator="do"),
]
