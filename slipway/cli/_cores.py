"""Which cores a command may use: `0`, `0,2` or `0-3`, as taskset and cpusets write them."""

from __future__ import annotations

import os
import re

from slipway.errors import SlipwayError

__all__ = ["CoresInvalid", "bind_to", "parse_cores"]


class CoresInvalid(SlipwayError):
    """The list names no CPU cores, or CPU cores that are unavailable."""

    exit_status = 2


def parse_cores(text: str, available: frozenset[int]) -> frozenset[int]:
    """Read a list of cores and ranges.

    Raises:
        CoresInvalid: It is none, or names a core that is not available.
    """
    cores: set[int] = set()
    for part in text.split(","):
        numbers = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if numbers is None:
            raise CoresInvalid(f"cores: expected numbers and ranges such as 0,2-3, got {text!r}")
        first = int(numbers[1])
        cores.update(range(first, int(numbers[2] or first) + 1))
    if not cores or not cores <= available:
        there = ", ".join(map(str, sorted(available)))
        raise CoresInvalid(f"cores: expected some of {there}, which this process may use, got {text!r}")
    return frozenset(cores)


def bind_to(text: str) -> None:
    """Keep this process, and every child that it starts from now on, to these cores.

    Raises:
        CoresInvalid: See `parse_cores`.
    """
    os.sched_setaffinity(0, parse_cores(text, frozenset(os.sched_getaffinity(0))))
