"""The sections of a rehearsal's scenario: where replicas run, the model, the load, the start, and the objective."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from loadtest.scenario.arrivals import (
    ConstantArrivals,
    DiurnalArrivals,
    PoissonArrivals,
    RatePoint,
    SpikeArrivals,
    StepsArrivals,
    TraceArrivals,
)
from slipway.platform.settings import Settings

__all__ = ["ROUNDING", "LatencyObjective", "LoadSettings", "ModelSettings", "NodeSettings", "StartSettings"]

ROUNDING = 1e-6
"""Tolerance for rounding, in seconds and in shares of a replica."""

ScheduledArrivals = Annotated[
    ConstantArrivals | PoissonArrivals | StepsArrivals | SpikeArrivals | DiurnalArrivals | TraceArrivals,
    Field(discriminator="kind"),
]


class NodeSettings(Settings):
    """Where the replicas run."""

    file: str | None = None
    """A file of node types, shipped (`karpenter`: nodes are added and removed; `fixed`: always the same) or your own.
    None: those of the cluster that is up, else `karpenter`."""
    gpu_limit: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Most GPUs that Karpenter may request of each type, at the start; None: as in the file."""


class ModelSettings(Settings):
    """How the model is served: the real one answers, and a batch takes as long as on a GPU."""

    simulated_batch_ms: Annotated[float, Field(ge=1, le=60_000)] = 20.0
    """Time of a batch, whatever its size, in milliseconds."""
    max_batch_size: Annotated[int, Field(ge=1, le=1_024)] = 8
    """Most images in a batch."""
    versions: Annotated[int, Field(ge=1, le=9)] = 1
    """Versions in the model store: the same network, published this many times. The first is served at the start."""

    @property
    def replica_images_per_s(self) -> float:
        """Most images per second of one replica: full batches, one after another."""
        return self.max_batch_size / self.simulated_batch_ms * 1e3


class LoadSettings(Settings):
    """The load on the gateway."""

    arrivals: ScheduledArrivals
    """As in a scenario of `slipway loadtest`."""
    images: Annotated[int, Field(ge=1)] = 1
    """Images in each request."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """A request without a response this long after it was due has failed. It also limits the backlog of an overload."""
    protocol: Literal["grpc", "http"] = "http"
    """Hundreds of gRPC calls that exceed their deadline can crash the embedded tritonserver (2.51)."""
    warmup_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Warm-up at the window's first rate, which no metric includes."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Limit of requests in flight of all clients; further due requests wait, and their latency counts. None:
    see `RehearsalScenario.max_in_flight`."""
    check_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the responses that are compared with the known labels; a wrong one has failed."""
    max_lag_ms: Annotated[float, Field(gt=0)] = 50.0
    """Largest p99 of the generator's own delay; above, the rehearsal is INVALID. All programs share one machine."""

    def highest_rps(self, begin_s: float, end_s: float) -> float:
        """Most requests per second that are offered in a span of the window; a ramp counts with both of its ends."""
        return _highest(self.arrivals.profile, begin_s, end_s)

    @property
    def jump_s(self) -> float:
        """Second at which the rate rises most: a jump, or the steepest climb; 0 where it never rises."""
        climbs = [
            ((b_rps - a_rps) / max(b_s - a_s, 1e-3), a_s)
            for (a_s, a_rps), (b_s, b_rps) in pairwise(self.arrivals.profile)
            if b_rps > a_rps
        ]
        return max(climbs, key=lambda climb: (climb[0], -climb[1]))[1] if climbs else 0.0


class StartSettings(Settings):
    """The state when the measured window begins."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """Replicas that are ready before the load, kept by `autoscaling.minReplicas` until the end of the warm-up."""


class LatencyObjective(Settings):
    """The objective."""

    p99_ms: Annotated[float, Field(gt=0)] = 250.0
    """Bound of the p99 of the requests that are due in a second, from due to answered."""


def _highest(profile: Sequence[RatePoint], begin_s: float, end_s: float) -> float:
    """Linear between points, 0 outside; a rate at one moment alone, as between two jumps, is no load."""
    highest = 0.0
    for (a_s, a_rps), (b_s, b_rps) in pairwise(profile):
        first_s, last_s = max(a_s, begin_s), min(b_s, end_s)
        if last_s - first_s > ROUNDING:
            ends = (a_rps + (b_rps - a_rps) * (at_s - a_s) / (b_s - a_s) for at_s in (first_s, last_s))
            highest = max(highest, *ends)
    return highest
