"""Command: the highest rate that one replica holds within the objectives.

    search = find_capacity(probe, start_rps=500)
    search.rate_rps, search.limited_by

Bracketing, then bisection on a logarithmic scale: the rate is doubled while it passes and halved while it fails; then
the interval between a passing and a failing rate is split at its geometric mean until it is small. The resulting rate
is measured once more, for twice as long, and lowered while it fails. A measurement that is INVALID, or misses an
objective by less than a factor of four, is repeated, and the second one counts: one hiccup of the machine must not
decide. The measurement itself is the caller's probe.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from loadtest.errors import CapacityError
from slipway.verdict import Outcome

__all__ = ["LOWEST_RPS", "RESOLUTION", "Held", "Probe", "Search", "find_capacity"]

RESOLUTION = 0.1
"""Largest interval between the passing and the failing rate, relative to the former."""
LOWEST_RPS = 1.0
HIGHEST_RPS = 1_000_000.0
_TRIES = 2
_MARGINAL = 4.0
_CONFIRMATIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Result of one measurement at one rate.

    Attributes:
        rate_rps: Offered rate.
        outcome: PASS: the objectives are met at this rate. INVALID: it says nothing about the server.
        p99_ms: 99th percentile of the latency, for display.
        in_flight: Mean number of requests in the server.
        excess: Largest ratio of a latency to its bound, infinite if another objective was missed; at most 1 for PASS.
        reasons: Why the outcome is not PASS.
    """

    rate_rps: float
    outcome: Outcome
    p99_ms: float
    in_flight: float
    excess: float = 1.0
    reasons: tuple[str, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether to repeat it: it was INVALID, or missed by so little that one hiccup of the machine explains it."""
        return self.outcome == "INVALID" or (self.outcome == "FAIL" and self.excess < _MARGINAL)


Probe = Callable[[float, bool], Held]
"""Measures at a rate; the flag requests a longer measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Result of the search.

    Attributes:
        best: The confirmed measurement at the highest passing rate.
        limited_by: `server`: at higher rates it missed its objectives. `generator`: higher rates could not be
            measured, and the server may carry more.
        probes: Every measurement, in order.
    """

    best: Held
    limited_by: Literal["server", "generator"]
    probes: tuple[Held, ...]

    @property
    def rate_rps(self) -> float:
        """Requests per second that one replica carries."""
        return self.best.rate_rps


def find_capacity(probe: Probe, *, start_rps: float, resolution: float = RESOLUTION) -> Search:
    """Search.

    Args:
        probe: Measures once at a rate.
        start_rps: First rate.
        resolution: Relative precision at which to stop, see `RESOLUTION`.

    Raises:
        CapacityError: Not even one request per second meets the objectives, or nothing could be measured.
    """
    probes: list[Held] = []

    def holds(rate_rps: float, *, longer: bool = False) -> Held:
        for _ in range(_TRIES):
            held = probe(rate_rps, longer)
            probes.append(held)
            if not held.doubtful:
                break
        return held

    low, high = _bracket(holds, start_rps)
    while high.rate_rps / low.rate_rps > 1 + resolution:
        middle = holds(math.sqrt(low.rate_rps * high.rate_rps))
        low, high = (middle, high) if middle.outcome == "PASS" else (low, middle)
    for _ in range(_CONFIRMATIONS):
        best = holds(low.rate_rps, longer=True)
        if best.outcome == "PASS":
            limited_by: Literal["server", "generator"] = "generator" if high.outcome == "INVALID" else "server"
            return Search(best=best, limited_by=limited_by, probes=tuple(probes))
        high, low = best, _lowered(low, resolution)
    raise CapacityError(
        f"no rate passed twice: {best.rate_rps:,.0f} requests/s passed once and then failed "
        f"({'; '.join(best.reasons)}); the machine is too noisy for this objective, or something else runs on it"
    )


def _bracket(holds: Callable[[float], Held], start_rps: float) -> tuple[Held, Held]:
    """A passing rate, and a higher failing one."""
    first = holds(start_rps)
    low = high = first
    while high.outcome == "PASS":
        if high.rate_rps >= HIGHEST_RPS:
            raise CapacityError(
                f"the objectives are still met at {HIGHEST_RPS:,.0f} requests/s: is the target a real server?"
            )
        low, high = high, holds(high.rate_rps * 2)
    while low.outcome != "PASS":
        if low.rate_rps <= LOWEST_RPS:
            raise CapacityError(f"not even {low.rate_rps:.3g} requests/s meet the objectives: {'; '.join(low.reasons)}")
        high, low = low, holds(max(LOWEST_RPS, low.rate_rps / 2))
    return low, high


def _lowered(held: Held, resolution: float) -> Held:
    return Held(
        rate_rps=held.rate_rps / (1 + resolution), outcome=held.outcome, p99_ms=held.p99_ms, in_flight=held.in_flight
    )
