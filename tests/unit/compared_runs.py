"""Results of two runs to compare, measured at random from a seed."""

import functools

import numpy as np

from loadtest.result.histogram import LatencyHistogram
from loadtest.result.metrics import SecondRow
from tests.unit.loadtest_results import figures, result, scenario

PASSED = result()
NOTHING = LatencyHistogram.empty().encode()


@functools.cache
def measured(seed, *, window_s=20, rate_rps=100, median_ms=4.0, error_rate=0.0):
    """Independent users; the latencies of one second share a factor, as those do that meet the same queue."""
    draw = np.random.default_rng(seed)
    rows = []
    for second in range(window_s):
        due = int(draw.poisson(rate_rps))
        errors = int(draw.binomial(due, error_rate))
        shared = median_ms * 1e6 * draw.lognormal(sigma=0.2)
        latency = LatencyHistogram.of((shared * draw.lognormal(sigma=0.3, size=due - errors)).astype(np.int64))
        row = SecondRow(
            second=second,
            measured=True,
            due=due,
            answered=due - errors,
            images=due - errors,
            errors={"deadline exceeded": errors} if errors else {},
            latency=latency.encode(),
            service=NOTHING,
            lag=NOTHING,
        )
        rows.append(row)
    arrivals = {"kind": "poisson", "rate_rps": rate_rps, "duration_s": window_s}
    fields = {
        "scenario": scenario(arrivals=arrivals),
        "seconds": tuple(rows),
        "figures": figures(tuple(rows), window_s=window_s),
    }
    return PASSED.model_copy(update=fields)


def run(seed, *, changes=None, **how):
    whole = measured(seed, **how)
    kept = {name: getattr(whole, name) for name in ("scenario", "seconds", "figures")}
    return result(**kept | changes) if changes else whole


def row(comparison, name):
    return next(row for row in comparison.rows if row.name == name)
