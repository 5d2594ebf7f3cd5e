"""Print one line for each finished step, with its time, and keep the lines for the report.

    steps = Steps(Console())
    with steps.step("export") as note:
        note("171 kB, opset 17")

An error prints no line; its handler reports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from slipway.printable import printable

__all__ = ["Step", "Steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One finished step: its name, what came of it, and how long it took."""

    name: str
    detail: str
    duration_s: float


@dataclass(slots=True)
class Steps:
    """The steps of one run, in order."""

    console: Console
    done: list[Step] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Print a line that a person should not miss."""
        self.console.print(
            Text.assemble(("! ", "yellow"), printable(text, limit=2000)), highlight=False, soft_wrap=True
        )

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step. What the body notes last stands in the step's line; an error prints no line."""
        details = [""]
        started_ns = time.perf_counter_ns()
        yield details.append
        step = Step(name=name, detail=details[-1], duration_s=(time.perf_counter_ns() - started_ns) / 1e9)
        self.done.append(step)
        # As Text, for a path or label may look like markup.
        line = Text.assemble(
            ("✓", "green"), f" {name:<10} {step.duration_s:7.1f} s   {printable(step.detail, limit=2000)}"
        )
        self.console.print(line, highlight=False, soft_wrap=True)
