"""Command and master: how many requests a percentile needs.

The rule is that of MLPerf Inference (inference_rules.adoc, "Benchmarks > Scenarios", the appendix "Number of Queries";
also Reddi et al., "MLPerf Inference Benchmark", ISCA 2020, section IV-B): the observed share of requests under a bound
is normal about the true one, so

    n = (z / margin)^2 * p * (1 - p)

requests keep it within `margin` at the confidence whose two-sided normal quantile is z. MLPerf takes a margin of
(1 - p) / 20 at 99 % and asks for 262,742 requests for p99. That is for published
records. Two coarser margins are used here, at 95 %:
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["fewest_requests", "requests_for"]

CONFIDENCE = 0.95


def requests_for(percent: float, *, relative_margin: float, confidence: float = CONFIDENCE) -> int:
    """Requests that keep the observed share of slower ones within `relative_margin` * (1 - p) of the true share.

    Args:
        percent: Percentile, between 0 and 100.
        relative_margin: Margin as a fraction of 1 - p; MLPerf's is 1/20.
        confidence: Two-sided, between 0 and 1.
    """
    p = percent / 100
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return math.ceil((z / (relative_margin * (1 - p))) ** 2 * p * (1 - p))


def fewest_requests(percent: float) -> int:
    """Fewest requests for a percentile to be an objective: the margin is the whole share 1 - p.

    381 for p99, 3,838 for p99.9.
    """
    return requests_for(percent, relative_margin=1.0)
