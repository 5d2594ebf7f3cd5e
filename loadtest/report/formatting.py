"""Command and master: metrics as people read them: few digits, separators, words for what is above a bound."""

from __future__ import annotations

import math

from slipway.verdict import Check

__all__ = ["margin", "measured", "milliseconds", "number", "percentile_name", "short_milliseconds"]


def number(value: float) -> str:
    """Four significant digits, all digits of what is 1,000 or more."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def milliseconds(value_ms: float) -> str:
    """Three significant digits, never finer than a nanosecond and never coarser than a millisecond."""
    if value_ms <= 0:
        return "0"
    decimals = 2 - math.floor(math.log10(value_ms))
    return f"{value_ms:,.{min(max(decimals, 0), 6)}f}"


def short_milliseconds(value: float) -> str:
    """Three significant digits, never more than a microsecond's."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile_name(percent: float) -> str:
    """Such as p99.9, with a digit for each nine; cut, not rounded, so that none claims more than it has."""
    nines = math.floor(-math.log10(1 - percent / 100) + 1e-6)
    return f"p{math.floor(percent * 10**nines + 1e-6) / 10**nines:.6g}"


def margin(check: Check) -> str:
    """How far an objective is met or missed, in its unit and as a share of the bound."""
    distance = check.got - check.bound
    if _is_unknown(check):
        return "nothing was answered"
    if not distance:
        return "exactly on it"
    side = "above" if distance > 0 else "below"
    if check.unit == "%":
        return f"{number(abs(distance))} points {side}"
    return f"{number(abs(distance))} {check.unit} {side} ({100 * abs(distance) / check.bound:,.0f} %)"


def measured(check: Check) -> str:
    """What was got, in its unit."""
    return "unknown" if _is_unknown(check) else f"{number(check.got)} {check.unit}"


def _is_unknown(check: Check) -> bool:
    """Without an answer there is no percentile: the figure is 0, and the objective is missed all the same."""
    within = check.got <= check.bound if check.relation == "<=" else check.got >= check.bound
    return within and not check.passed
