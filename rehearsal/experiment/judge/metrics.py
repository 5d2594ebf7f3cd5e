"""Metrics of the measured window: the load, the objective, the autoscaler's reaction, and the cost of the GPUs."""

from __future__ import annotations

from itertools import pairwise

from rehearsal.experiment.judge.evidence import Evidence, needed_over_time
from rehearsal.experiment.result.observations import GpuNode
from rehearsal.experiment.result.result import RehearsalMetrics

__all__ = ["rehearsal_metrics"]

_HOUR_S = 3_600.0


def rehearsal_metrics(evidence: Evidence) -> RehearsalMetrics:
    """Compute the metrics of a rehearsal, and those of an oracle that knew the load."""
    load, observed = evidence.load.figures, evidence.observed
    jump_s = evidence.scenario.load.jump_s
    rises = any(b_rps > a_rps for (_, a_rps), (_, b_rps) in pairwise(evidence.scenario.load.arrivals.profile))
    boot_s = _boot_s(observed.nodes, from_s=-evidence.scenario.load.warmup_s)
    oracle_gpu_s = evidence.gpus_per_replica * sum(
        (end_s - begin_s) * needed
        for begin_s, end_s, needed in needed_over_time(evidence.scenario, lead_s=boot_s)
        if end_s <= evidence.window_s
    )
    paid = [(_paid_s(node, evidence.window_s) * node.gpus, node.price_per_hour / node.gpus) for node in observed.nodes]
    cheapest = min((price for gpu_s, price in paid if gpu_s), default=0.0)
    samples = list(evidence.window_samples())
    return RehearsalMetrics(
        window_s=evidence.window_s,
        due=load.due,
        answered=load.answered,
        failed=load.due - load.answered,
        p50_ms=load.latency_ms.p50,
        p99_ms=load.latency_ms.p99,
        slo_violation_s=sum(not row.inside for row in evidence.seconds),
        asked_s=evidence.asked_s(jump_s) if rises else None,
        nodes_ready_s=evidence.nodes_ready_s(),
        recovered_s=evidence.recovered_s(jump_s),
        most_wanted=max((sample.wanted or 0 for sample in samples), default=0),
        most_ready=max((sample.ready or 0 for sample in samples), default=0),
        gpu_s=sum(gpu_s for gpu_s, _ in paid),
        gpu_cost=sum(gpu_s * price for gpu_s, price in paid) / _HOUR_S,
        oracle_gpu_s=oracle_gpu_s,
        oracle_cost=oracle_gpu_s * cheapest / _HOUR_S,
        boot_s=boot_s,
    )


def _boot_s(nodes: tuple[GpuNode, ...], *, from_s: float) -> float:
    """Mean boot time of the nodes that were requested after `from_s`; 0 if there were none, or none was ready.

    Nodes requested before the load join at once, and a node that was ready in the first sample, as of a fixed pool,
    did not boot: neither says how long a boot takes.
    """
    boots = [
        node.ready_s - node.asked_s
        for node in nodes
        if node.ready_s is not None and from_s <= node.asked_s < node.ready_s
    ]
    return sum(boots) / len(boots) if boots else 0.0


def _paid_s(node: GpuNode, window_s: float) -> float:
    end_s = window_s if node.gone_s is None else min(node.gone_s, window_s)
    return max(0.0, end_s - max(node.asked_s, 0.0))
