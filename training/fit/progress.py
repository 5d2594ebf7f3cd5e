"""Progress of a training run: a live bar for the epoch on a terminal, and a line per finished epoch.

    with EpochProgress(console, epochs=10, steps=390) as progress:
        progress.start(epoch=1)
        progress.step(loss=0.31, accuracy=0.90)
        progress.finish(record)

A console that is not a terminal gets only the lines.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from slipway.platform.progress import ProgressBar
from training.fit.history import EpochRecord

__all__ = ["EpochProgress"]


class EpochProgress(ProgressBar):
    """Displays the progress of one run."""

    def __init__(self, console: Console, *, epochs: int, steps: int) -> None:
        metrics = TextColumn("{task.fields[metrics]}")
        super().__init__(
            console, BarColumn(), MofNCompleteColumn(), metrics, TimeRemainingColumn(), total=steps, metrics=""
        )
        self._epochs = epochs

    def start(self, *, epoch: int) -> None:
        """Begin an epoch; 1 is the first."""
        self._bar.reset(self._task, description=f"epoch {epoch}/{self._epochs}", metrics="")

    def step(self, *, loss: float, accuracy: float) -> None:
        """Advance one step; the metrics are the epoch's so far."""
        self._update(advance=1, metrics=f"loss {loss:.4f}  accuracy {accuracy:.2%}")

    def finish(self, record: EpochRecord) -> None:
        """Print the epoch's line."""
        width = len(str(self._epochs))
        self._print(
            f"epoch {record.epoch:>{width}}/{self._epochs}  {record.seconds:5.1f} s  "
            f"loss {record.loss:.4f}  accuracy {record.accuracy:.2%}  "
            f"validation: loss {record.val_loss:.4f}  accuracy {record.val_accuracy:.2%}"
        )
