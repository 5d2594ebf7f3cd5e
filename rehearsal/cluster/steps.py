"""Progress in steps: one changing line at a terminal, a line for each step anywhere else.

with steps(console, "starting the control plane") as show:
    show("starting the control plane: etcd works")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

__all__ = ["steps"]


@contextmanager
def steps(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows a step; a repeated step is not printed again."""
    if console.is_terminal:
        with console.status(text) as line:
            yield line.update
        return
    last = ""

    def show(step: str) -> None:
        nonlocal last
        if step != last:
            console.print(step, highlight=False, soft_wrap=True)
        last = step

    show(text)
    yield show
