"""GPU nodes from sample to sample: when each was requested, ready, lost and gone. Times are Unix time in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rehearsal.cluster.nodes.pools import LOST
from rehearsal.experiment.result.observations import GpuNode
from rehearsal.experiment.run.responses import Json, condition, gpus_of, unix_s

__all__ = ["NodeLifecycles"]

_TYPE = "node.kubernetes.io/instance-type"


@dataclass(slots=True)
class _NodeLifecycle:
    name: str
    type: str
    gpus: int
    asked_s: float
    ready_s: float | None = None
    lost_s: float | None = None
    gone_s: float | None = None


@dataclass(slots=True)
class NodeLifecycles:
    """The lifecycle of every GPU node that was observed.

    Attributes:
        price_per_hour: Price by instance type.
    """

    price_per_hour: Callable[[str], float]
    _lifecycles: dict[str, _NodeLifecycle] = field(default_factory=dict)

    def update(self, nodes: Iterable[Json], claims: Iterable[Json], *, at_s: float) -> None:
        """Take the current nodes, and Karpenter's claims, which come before their nodes and go after them."""
        present = set()
        for claim in claims:
            present.add(self._take_claim(claim))
        for node in nodes:
            if gpus_of(node):
                present.add(self._take_node(node, at_s=at_s))
        for key, lifecycle in self._lifecycles.items():
            if key not in present and lifecycle.gone_s is None:
                lifecycle.gone_s = at_s

    def nodes(self, window_start_s: float) -> tuple[GpuNode, ...]:
        """All nodes, in seconds from `window_start_s`, in the order in which they were requested."""

        def relative(at_s: float | None) -> float | None:
            return None if at_s is None else round(at_s - window_start_s, 1)

        return tuple(
            GpuNode(
                name=lifecycle.name,
                type=lifecycle.type,
                gpus=max(1, lifecycle.gpus),
                price_per_hour=self.price_per_hour(lifecycle.type),
                asked_s=round(lifecycle.asked_s - window_start_s, 1),
                ready_s=relative(lifecycle.ready_s),
                lost_s=relative(lifecycle.lost_s),
                gone_s=relative(lifecycle.gone_s),
            )
            for lifecycle in sorted(self._lifecycles.values(), key=lambda node: node.asked_s)
        )

    def _take_claim(self, claim: Json) -> str:
        metadata = claim["metadata"]
        key = str(claim.get("status", {}).get("providerID") or metadata["name"])
        if key not in self._lifecycles:
            # A claim that has its provider's id now was stored under its own name before.
            earlier = self._lifecycles.pop(metadata["name"], None)
            self._lifecycles[key] = earlier or _NodeLifecycle(
                name=metadata["name"], type="", gpus=0, asked_s=unix_s(metadata["creationTimestamp"])
            )
        lifecycle = self._lifecycles[key]
        lifecycle.gpus = lifecycle.gpus or gpus_of(claim)
        lifecycle.type = lifecycle.type or metadata.get("labels", {}).get(_TYPE, "")
        return key

    def _take_node(self, node: Json, *, at_s: float) -> str:
        metadata = node["metadata"]
        key = str(node.get("spec", {}).get("providerID") or metadata["name"])
        lifecycle = self._lifecycles.setdefault(
            key, _NodeLifecycle(name=metadata["name"], type="", gpus=0, asked_s=unix_s(metadata["creationTimestamp"]))
        )
        lifecycle.name, lifecycle.gpus = metadata["name"], gpus_of(node)
        lifecycle.type = metadata.get("labels", {}).get(_TYPE, lifecycle.type)
        ready = condition(node, "Ready")
        if lifecycle.ready_s is None and ready.get("status") == "True":
            # Kubernetes writes whole seconds, so the time may seem to lie before the claim.
            lifecycle.ready_s = max(
                lifecycle.asked_s, unix_s(ready["lastTransitionTime"]) if "lastTransitionTime" in ready else at_s
            )
        if lifecycle.lost_s is None and metadata.get("annotations", {}).get(LOST) == "true":
            lifecycle.lost_s = at_s
        return key
