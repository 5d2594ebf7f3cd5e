"""Master and workers: when each request of a run is due, drawn by a seeded process from the rate over time.

    due_ns = due_times_ns(arrivals, warmup_s=3, seed=7)     # int64, ascending, from 0

Every open-loop kind is a rate that is linear between points. A process of rate 1 is drawn once and mapped through the
inverse of the rate's integral (Cinlar, "Introduction to Stochastic Processes", 1975, chapter 4.7: time change), so
the same seed gives the same requests, moved where the rate says.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loadtest.scenario.arrivals import OpenArrivals, Process
from loadtest.scenario.rate_trace import RatePoint

__all__ = ["due_times_ns"]


def due_times_ns(arrivals: OpenArrivals, *, warmup_s: float, seed: int) -> NDArray[np.int64]:
    """Draw the moments of a run.

    Args:
        arrivals: The rate and the process.
        warmup_s: Seconds before the measured window, at the window's first rate.
        seed: Of the process.

    Returns:
        int64, shape (n,), ascending; nanoseconds from the start of the warm-up. The window begins at `warmup_s`.
    """
    points = [(0.0, arrivals.warmup_rps), *((warmup_s + t, rate) for t, rate in arrivals.profile)]
    expected = [(b_s - a_s) * (a_rps + b_rps) / 2 for (a_s, a_rps), (b_s, b_rps) in pairwise(points)]
    moments = _unit_process(arrivals.process, sum(expected), np.random.default_rng(seed))
    times_s = np.empty_like(moments)
    first, before = 0, 0.0
    for (begin, end), requests in zip(pairwise(points), expected, strict=True):
        last = int(np.searchsorted(moments, before + requests))
        times_s[first:last] = _time_of(moments[first:last] - before, begin, end)
        first, before = last, before + requests
    due_ns = np.rint(times_s * 1e9).astype(np.int64)
    return due_ns[due_ns < round(warmup_s * 1e9) + round(arrivals.seconds * 1e9)]


def _time_of(requests: NDArray[np.float64], begin: RatePoint, end: RatePoint) -> NDArray[np.float64]:
    """When so many requests are expected since `begin`: the root of a linear rate's integral, without cancellation."""
    (begin_s, begin_rps), (end_s, end_rps) = begin, end
    if begin_rps == end_rps:
        return begin_s + requests / begin_rps if begin_rps else requests
    slope = (end_rps - begin_rps) / (end_s - begin_s) if end_s > begin_s else 0.0
    divisor = begin_rps + np.sqrt(np.maximum(begin_rps**2 + 2 * slope * requests, 0))
    return begin_s + 2 * np.divide(requests, divisor, out=np.zeros_like(requests), where=divisor > 0)


def _unit_process(process: Process, length: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Moments of a process of rate 1 in [0, length)."""
    if process == "constant":
        return np.arange(math.ceil(length), dtype=np.float64)
    moments = np.empty(0)
    last = 0.0
    while last < length:
        more = last + np.cumsum(generator.exponential(size=max(1024, int((length - last) * 1.05))))
        moments, last = np.concatenate([moments, more]), float(more[-1])
    return moments[moments < length]
