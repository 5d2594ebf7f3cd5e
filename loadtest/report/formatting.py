"""Command and master: metrics as people read them: few digits, separators, words for what is above a bound."""

from __future__ import annotations

import math

from slipway.verdict import Check

__all__ = ["margin", "measured", "milliseconds", "number", "percentile_name", "short_milliseconds"]


def number(value: float) -> str:
    """Four significant digits; all digits from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def milliseconds(value_ms: float) -> str:
    """Three significant digits, never finer than a nanosecond and never coarser than a millisecond."""
    if value_ms <= 0:
        return "0"
    decimals = 2 - math.floor(math.log10(value_ms))
    return f"{value_ms:,.{min(max(decimals, 0), 6)}f}"


def short_milliseconds(value: float) -> str:
    """Three significant digits, at most microseconds."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile_name(percent: float) -> str:
    """Such as p99.9; truncated, not rounded, so that no name overstates its percentile."""
    nines = math.floor(-math.log10(1 - percent / 100) + 1e-6)
    return f"p{math.floor(percent * 10**nines + 1e-6) / 10**nines:.6g}"


def margin(check: Check) -> str:
    """Margin by which an objective is met or missed, in its unit and as a share of the bound."""
    distance = check.got - check.bound
    if _is_unknown(check):
        return "no request was answered"
    if not distance:
        return "exactly at the bound"
    side = "above" if distance > 0 else "below"
    if check.unit == "%":
        return f"{number(abs(distance))} points {side}"
    return f"{number(abs(distance))} {check.unit} {side} ({100 * abs(distance) / check.bound:,.0f} %)"


def measured(check: Check) -> str:
    """The measured value with its unit."""
    return "unknown" if _is_unknown(check) else f"{number(check.got)} {check.unit}"


def _is_unknown(check: Check) -> bool:
    """Without answered requests there is no percentile: the value is 0, but the objective is missed."""
    within = check.got <= check.bound if check.relation == "<=" else check.got >= check.bound
    return within and not check.passed
