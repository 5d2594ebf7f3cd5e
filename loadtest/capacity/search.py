"""Command: the highest rate that one replica holds within the objectives.

    search = find_capacity(probe, start_rps=500)
    search.rate_rps, search.limited_by

Bracketing, then bisection on a logarithmic scale: the rate is doubled while it holds, halved while it does not, and
the gap between a rate that held and one that did not is cut at its geometric mean until it is small. The rate that is
left is measured once more, for twice as long, and lowered while it does not hold again. What is INVALID, or misses an
objective by less than four times, is measured a second time, and that one counts: one hiccup of the machine must not
decide. Knows nothing of servers: the probe measures.
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
"""Largest gap between the rate that held and the one that did not, relative to the former."""
LOWEST_RPS = 1.0
HIGHEST_RPS = 1_000_000.0
_TRIES = 2
_MARGINAL = 4.0
_CONFIRMATIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one measurement at one rate said.

    Attributes:
        rate_rps: Offered.
        outcome: PASS: the objectives hold at this rate. INVALID: it says nothing of the server.
        p99_ms: Of the latency, for the reader.
        in_flight: Mean number of requests inside the server.
        excess: Worst latency over its bound, or infinite where something else was missed; at most 1 for a PASS.
        reasons: Of an outcome that is not PASS.
    """

    rate_rps: float
    outcome: Outcome
    p99_ms: float
    in_flight: float
    excess: float = 1.0
    reasons: tuple[str, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Worth a second look: it was INVALID, or missed by so little that one hiccup of the machine explains it."""
        return self.outcome == "INVALID" or (self.outcome == "FAIL" and self.excess < _MARGINAL)


Probe = Callable[[float, bool], Held]
"""Measures at a rate; the flag asks for a longer look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the search came to.

    Attributes:
        best: The confirmed measurement at the highest rate that held.
        limited_by: `server`: above, it missed its objectives. `generator`: above, nothing could be measured, and the
            server may hold more.
        probes: Every measurement, in order.
    """

    best: Held
    limited_by: Literal["server", "generator"]
    probes: tuple[Held, ...]

    @property
    def rate_rps(self) -> float:
        """Requests per second that one replica holds."""
        return self.best.rate_rps


def find_capacity(probe: Probe, *, start_rps: float, resolution: float = RESOLUTION) -> Search:
    """Search.

    Args:
        probe: Measures once at a rate.
        start_rps: First rate.
        resolution: Where to stop, see `RESOLUTION`.

    Raises:
        CapacityError: Not even one request per second holds the objectives, or nothing could be measured.
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
        f"no rate held twice: {best.rate_rps:,.0f} requests/s held once and then not ({'; '.join(best.reasons)}); "
        "the machine is too unsteady for this objective, or something else runs on it"
    )


def _bracket(holds: Callable[[float], Held], start_rps: float) -> tuple[Held, Held]:
    """A rate that holds, and a higher one that does not."""
    first = holds(start_rps)
    low = high = first
    while high.outcome == "PASS":
        if high.rate_rps >= HIGHEST_RPS:
            raise CapacityError(f"the objectives hold at {HIGHEST_RPS:,.0f} requests/s: is the target a real server?")
        low, high = high, holds(high.rate_rps * 2)
    while low.outcome != "PASS":
        if low.rate_rps <= LOWEST_RPS:
            raise CapacityError(f"not even {low.rate_rps:.3g} requests/s hold the objectives: {'; '.join(low.reasons)}")
        high, low = low, holds(max(LOWEST_RPS, low.rate_rps / 2))
    return low, high


def _lowered(held: Held, resolution: float) -> Held:
    return Held(
        rate_rps=held.rate_rps / (1 + resolution), outcome=held.outcome, p99_ms=held.p99_ms, in_flight=held.in_flight
    )
