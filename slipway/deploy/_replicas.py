"""How many replicas a peak needs, by arithmetic that fits into a comment. Pure.

replicas = plan_replicas(peak_rps=3_000, quiet_share=0.2, target_rps=865)
replicas.maximum          # 3,000 / 865, rounded up, is 4; and one to spare
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipway.deploy._errors import ValuesRefused

SPARE = 1
"""Replicas beyond the peak's own: one may be starting, or its node lost, without the others being overloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """The two bounds of the scale.

    Attributes:
        minimum: Carry the quiet hours; at least 1.
        needed: Carry the peak, none to spare.
        maximum: The same with `SPARE`.
    """

    minimum: int
    needed: int

    @property
    def maximum(self) -> int:
        """Replicas that the autoscaler may ask for."""
        return self.needed + SPARE


def plan_replicas(*, peak_rps: float, quiet_share: float, target_rps: float) -> Replicas:
    """Divide and round up.

    Args:
        peak_rps: Requests per second at the expected peak.
        quiet_share: Share of them in the quiet hours, from 0 to 1.
        target_rps: What one replica gets before another is added.

    Raises:
        ValuesRefused: A rate is not above 0, or the share is none.
    """
    if not (math.isfinite(peak_rps) and peak_rps > 0):
        raise ValuesRefused(f"--peak-rps: expected requests per second, above 0, got {peak_rps:g}")
    if not 0 <= quiet_share <= 1:
        raise ValuesRefused(f"--quiet-share: expected a share from 0 to 1, got {quiet_share:g}")
    return Replicas(minimum=_rounded_up(peak_rps * quiet_share / target_rps), needed=_rounded_up(peak_rps / target_rps))


def _rounded_up(replicas: float) -> int:
    """Ignore the last digits of a float: 2.0000000000000004 replicas are two."""
    return max(1, math.ceil(round(replicas, 9)))
