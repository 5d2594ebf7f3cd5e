"""Show a person how training goes: a live bar for the epoch at a terminal, a line for each finished epoch anywhere.

    with EpochProgress(console, epochs=10, steps=390) as progress:
        progress.start(epoch=1)
        progress.step(loss=0.31, accuracy=0.90)
        progress.finish(record)

A console that is no terminal gets the lines only.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.fit.history import EpochRecord

__all__ = ["EpochProgress"]


class EpochProgress:
    """The console side of one run."""

    def __init__(self, console: Console, *, epochs: int, steps: int) -> None:
        self._console = console
        self._epochs = epochs
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("", total=steps, metrics="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, *, epoch: int) -> None:
        """Begin a new bar; 1 is the first epoch."""
        self._bar.reset(self._task, description=f"epoch {epoch}/{self._epochs}", metrics="")

    def step(self, *, loss: float, accuracy: float) -> None:
        """One more step is done; the metrics are the epoch's so far."""
        self._bar.update(self._task, advance=1, metrics=f"loss {loss:.4f}  accuracy {accuracy:.2%}")

    def finish(self, record: EpochRecord) -> None:
        """Print the epoch's line."""
        width = len(str(self._epochs))
        self._console.print(
            f"epoch {record.epoch:>{width}}/{self._epochs}  {record.seconds:5.1f} s  "
            f"loss {record.loss:.4f}  accuracy {record.accuracy:.2%}  "
            f"validation: loss {record.val_loss:.4f}  accuracy {record.val_accuracy:.2%}",
            soft_wrap=True,
            highlight=False,
        )
