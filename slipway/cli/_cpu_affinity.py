"""CPU affinity of a command: a list of CPUs in the format of taskset, such as `0`, `0,2` or `0-3`."""

from __future__ import annotations

import os
import re

from slipway.errors import SlipwayError

__all__ = ["CpusInvalid", "parse_cpus", "set_cpu_affinity"]


class CpusInvalid(SlipwayError):
    """The list is empty, or contains unavailable CPU cores."""

    exit_status = 2


def parse_cpus(text: str, available: frozenset[int]) -> frozenset[int]:
    """Read a list of CPUs and ranges.

    Raises:
        CpusInvalid: The list is malformed, or contains an unavailable CPU.
    """
    cpus: set[int] = set()
    for part in text.split(","):
        numbers = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if numbers is None:
            raise CpusInvalid(f"--cpus: expected numbers and ranges such as 0,2-3, got {text!r}")
        first = int(numbers[1])
        cpus.update(range(first, int(numbers[2] or first) + 1))
    if not cpus or not cpus <= available:
        usable = ", ".join(map(str, sorted(available)))
        raise CpusInvalid(f"--cpus: expected some of {usable}, which this process may use, got {text!r}")
    return frozenset(cpus)


def set_cpu_affinity(text: str) -> None:
    """Restrict this process and its future children to these CPUs.

    Raises:
        CpusInvalid: See `parse_cpus`.
    """
    os.sched_setaffinity(0, parse_cpus(text, frozenset(os.sched_getaffinity(0))))
