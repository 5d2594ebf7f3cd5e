"""Progress at a terminal: bars that are gone when the work is done. A console that is no terminal gets none.

    with transient_bars(console, rich.progress.BarColumn(), rich.progress.DownloadColumn()) as bars:
        task = bars.add_task("model.onnx", total=180_000)

`ProgressBar` is the base of whoever shows one bar, and prints lines above it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TextColumn

__all__ = ["ProgressBar", "transient_bars"]


def transient_bars(console: Console, *columns: ProgressColumn) -> Progress:
    """Bars that begin with their description; none is drawn unless the console is a terminal."""
    return Progress(
        TextColumn("{task.description}"), *columns, console=console, transient=True, disable=not console.is_terminal
    )


class ProgressBar:
    """One bar, from the beginning of the block to its end."""

    def __init__(
        self,
        console: Console,
        *columns: ProgressColumn,
        description: str = "",
        total: float | None = None,
        **fields: Any,  # noqa: ANN401 - as rich has it
    ) -> None:
        """Prepare it.

        Args:
            console: Where it is drawn.
            columns: Behind the description.
            description: Stands in front; rich markup.
            total: How much there is to do; None: not known yet.
            fields: What else the columns show, by name.
        """
        self._console = console
        self._bar = transient_bars(console, *columns)
        self._task = self._bar.add_task(description, total=total, **fields)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _update(self, **values: Any) -> None:  # noqa: ANN401 - as rich has it
        """As `rich.progress.Progress.update`."""
        self._bar.update(self._task, **values)

    def _print(self, text: str) -> None:
        """Print a line above the bar, whole; markup is taken as such."""
        self._console.print(text, highlight=False, soft_wrap=True)
