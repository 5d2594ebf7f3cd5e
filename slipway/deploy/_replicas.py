"""Compute the number of replicas for a peak. Pure.

replicas = plan_replicas(peak_rps=3_000, quiet_share=0.2, target_rps=865)
replicas.maximum          # 3,000 / 865, rounded up, is 4; and one to spare
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipway.deploy._errors import ValuesRefused

SPARE = 1
"""Spare replicas at the peak: one may be starting, or its node lost, without overloading the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Minimum and maximum number of replicas.

    Attributes:
        minimum: Replicas for the quiet hours; at least 1.
        needed: Replicas for the peak, without spare.
        maximum: Replicas for the peak, with `SPARE`.
    """

    minimum: int
    needed: int

    @property
    def maximum(self) -> int:
        """Upper limit of the autoscaler."""
        return self.needed + SPARE


def plan_replicas(*, peak_rps: float, quiet_share: float, target_rps: float) -> Replicas:
    """Divide and round up.

    Args:
        peak_rps: Requests per second at the expected peak.
        quiet_share: Share of them in the quiet hours, from 0 to 1.
        target_rps: Rate per replica at which another one is added.

    Raises:
        ValuesRefused: A rate is not above 0, or the share is not from 0 to 1.
    """
    if not (math.isfinite(peak_rps) and peak_rps > 0):
        raise ValuesRefused(f"--peak-rps: expected requests per second, above 0, got {peak_rps:g}")
    if not 0 <= quiet_share <= 1:
        raise ValuesRefused(f"--quiet-share: expected a share from 0 to 1, got {quiet_share:g}")
    return Replicas(minimum=_rounded_up(peak_rps * quiet_share / target_rps), needed=_rounded_up(peak_rps / target_rps))


def _rounded_up(replicas: float) -> int:
    """Round up, ignoring float rounding errors: 2.0000000000000004 replicas are two."""
    return max(1, math.ceil(round(replicas, 9)))
