"""Transient progress bars on a terminal; other consoles get none.

    with transient_bars(console, rich.progress.BarColumn(), rich.progress.DownloadColumn()) as bars:
        task = bars.add_task("model.onnx", total=180_000)

`ProgressBar` is the base class of single bars, and prints lines above the bar.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TextColumn

__all__ = ["ProgressBar", "transient_bars"]


def transient_bars(console: Console, *columns: ProgressColumn) -> Progress:
    """Bars with a description first, drawn only on a terminal."""
    return Progress(
        TextColumn("{task.description}"), *columns, console=console, transient=True, disable=not console.is_terminal
    )


class ProgressBar:
    """One bar, shown during the block."""

    def __init__(
        self,
        console: Console,
        *columns: ProgressColumn,
        description: str = "",
        total: float | None = None,
        **fields: Any,  # noqa: ANN401 - as in rich
    ) -> None:
        """Prepare it.

        Args:
            console: Console of the bar.
            columns: Columns after the description.
            description: First column; rich markup.
            total: Total amount of work; None if unknown yet.
            fields: Further fields of the columns, by name.
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

    def _update(self, **values: Any) -> None:  # noqa: ANN401 - as in rich
        """As `rich.progress.Progress.update`."""
        self._bar.update(self._task, **values)

    def _print(self, text: str) -> None:
        """Print a line above the bar, without wrapping; markup is interpreted."""
        self._console.print(text, highlight=False, soft_wrap=True)
