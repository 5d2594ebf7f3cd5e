"""GPU nodes from look to look: when each was asked for, ready, lost and gone. Moments are Unix time in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.cluster.nodes.pools import LOST
from rehearsal.experiment.result.observations import GpuNode
from rehearsal.experiment.run.observe import condition, gpus_of, unix_s

__all__ = ["NodeLives"]

Json = Mapping[str, Any]
_TYPE = "node.kubernetes.io/instance-type"


@dataclass(slots=True)
class _Life:
    name: str
    type: str
    gpus: int
    asked_s: float
    ready_s: float | None = None
    lost_s: float | None = None
    gone_s: float | None = None


@dataclass(slots=True)
class NodeLives:
    """Every GPU node that was seen.

    Attributes:
        price_per_hour: Price by instance type.
    """

    price_per_hour: Callable[[str], float]
    _lives: dict[str, _Life] = field(default_factory=dict)

    def look(self, nodes: Iterable[Json], claims: Iterable[Json], *, at_s: float) -> None:
        """Take what is there now: nodes, and Karpenter's claims, which come before their nodes and go after them."""
        there = set()
        for claim in claims:
            there.add(self._take_claim(claim))
        for node in nodes:
            if gpus_of(node):
                there.add(self._take_node(node, at_s=at_s))
        for key, life in self._lives.items():
            if key not in there and life.gone_s is None:
                life.gone_s = at_s

    def lives(self, zero_s: float) -> tuple[GpuNode, ...]:
        """What was seen, in seconds from `zero_s`, in the order in which they were asked for."""

        def moved(at_s: float | None) -> float | None:
            return None if at_s is None else round(at_s - zero_s, 1)

        return tuple(
            GpuNode(
                name=life.name,
                type=life.type,
                gpus=max(1, life.gpus),
                price_per_hour=self.price_per_hour(life.type),
                asked_s=round(life.asked_s - zero_s, 1),
                ready_s=moved(life.ready_s),
                lost_s=moved(life.lost_s),
                gone_s=moved(life.gone_s),
            )
            for life in sorted(self._lives.values(), key=lambda life: life.asked_s)
        )

    def _take_claim(self, claim: Json) -> str:
        metadata = claim["metadata"]
        key = str(claim.get("status", {}).get("providerID") or metadata["name"])
        if key not in self._lives:
            # A claim that has a provider's id now was kept under its own name before.
            known = self._lives.pop(metadata["name"], None)
            self._lives[key] = known or _Life(
                name=metadata["name"], type="", gpus=0, asked_s=unix_s(metadata["creationTimestamp"])
            )
        life = self._lives[key]
        life.gpus = life.gpus or gpus_of(claim)
        life.type = life.type or metadata.get("labels", {}).get(_TYPE, "")
        return key

    def _take_node(self, node: Json, *, at_s: float) -> str:
        metadata = node["metadata"]
        key = str(node.get("spec", {}).get("providerID") or metadata["name"])
        life = self._lives.setdefault(
            key, _Life(name=metadata["name"], type="", gpus=0, asked_s=unix_s(metadata["creationTimestamp"]))
        )
        life.name, life.gpus = metadata["name"], gpus_of(node)
        life.type = metadata.get("labels", {}).get(_TYPE, life.type)
        ready = condition(node, "Ready")
        if life.ready_s is None and ready.get("status") == "True":
            # Kubernetes writes whole seconds, so the moment may seem to lie before the claim.
            life.ready_s = max(
                life.asked_s, unix_s(ready["lastTransitionTime"]) if "lastTransitionTime" in ready else at_s
            )
        if life.lost_s is None and metadata.get("annotations", {}).get(LOST) == "true":
            life.lost_s = at_s
        return key
