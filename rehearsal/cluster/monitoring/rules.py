"""The chart's rules in a rehearsal: the same expressions, with a shorter `for:` of alerts.

    text, shortened = rehearsed_rules(text, longest_wait_s=15)

`for:` is the time that an expression must hold before the alert fires, a group's `interval` the evaluation interval.
The shortened waits are stored beside the rules for the report: `read_shortened(folder)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal.cluster.monitoring.configuration import prometheus_folder
from slipway.platform.atomic_write import write_atomically
from slipway.platform.strict_yaml import SHIPPED, load_yaml

__all__ = ["ShortenedWait", "read_shortened", "rehearsed_rules", "write_shortened"]

_FILE: Final = "shortened.json"
_PART: Final = re.compile(r"(\d+)(ms|[ywdhms])")
_UNIT_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ShortenedWait:
    """An alert that fires earlier than the chart says.

    Attributes:
        alert: Name of the alert.
        chart_wait_s: `for:` in the chart.
        rehearsed_wait_s: `for:` in the rehearsal.
    """

    alert: str
    chart_wait_s: float
    rehearsed_wait_s: float


def rehearsed_rules(text: str, longest_wait_s: float) -> tuple[str, tuple[ShortenedWait, ...]]:
    """Limit the `for:` of alerts, and the intervals of groups that contain only alerts.

    Recording rules are unchanged: their interval affects the recorded series.

    Args:
        text: A rule file of the operator.
        longest_wait_s: Upper limit of every `for:` and of every such interval.

    Returns:
        The file, and its shortened alerts.

    Raises:
        YamlUnreadable: It is not YAML.
    """
    document: dict[str, Any] = load_yaml(text, SHIPPED)
    bound = f"{round(longest_wait_s * 1000)}ms"
    shortened = []
    for group in document.get("groups") or []:
        rules = group.get("rules") or []
        if all("alert" in rule for rule in rules) and _seconds(group.get("interval")) > longest_wait_s:
            group["interval"] = bound
        for rule in rules:
            wait_s = _seconds(rule.get("for"))
            if wait_s > longest_wait_s:
                rule["for"] = bound
                shortened.append(
                    ShortenedWait(alert=rule["alert"], chart_wait_s=wait_s, rehearsed_wait_s=longest_wait_s)
                )
    return yaml.safe_dump(document, sort_keys=False), tuple(shortened)


def write_shortened(folder: Path, shortened: Iterable[ShortenedWait]) -> None:
    """Store the shortened waits.

    Args:
        folder: The cluster's working folder.
        shortened: Shortened alerts of all rule files.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps([asdict(wait) for wait in sorted(shortened)], indent=1)
    write_atomically(prometheus_folder(folder) / _FILE, text)


def read_shortened(folder: Path) -> tuple[ShortenedWait, ...]:
    """The shortened waits, by alert; () while there are no rules.

    Args:
        folder: The cluster's working folder.
    """
    try:
        entries = json.loads((prometheus_folder(folder) / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(ShortenedWait(**entry) for entry in entries)


def _seconds(duration: str | None) -> float:
    """A duration of Prometheus, such as 1h30m."""
    return sum(int(number) * _UNIT_S[unit] for number, unit in _PART.findall(duration or ""))
