"""What happens while Keras fits: the loss is watched, the bar moves, each whole epoch is recorded and kept.

    with map_training_errors(run, run_dir, workers=1):
        model.fit(..., callbacks=[RunCallback(run, progress, stop=stop, remedy=loss_remedy(recipe))])

What ends a run from outside is translated into one sentence that says how to go on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from slipway.errors import SlipwayError
from slipway.platform.progress import ProgressBar
from training._tensorflow import keras, tf
from training.errors import FitError, FitInterrupted, error_summary, is_full_disk
from training.fit.history import EpochRecord
from training.fit.run_state import RunState
from training.recipe import Recipe

__all__ = ["EpochProgress", "RunCallback", "loss_remedy", "map_training_errors"]

Logs = dict[str, Any]


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


class RunCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Connects Keras' `fit` with a run and its console.

    Args:
        run: Saves each epoch.
        progress: Shows each step.
        stop: Set to request a stop.
        remedy: Advice for a loss that is not finite.

    Raises:
        FitError: A loss is not finite, or an epoch cannot be saved.
        KeyboardInterrupt: After the step during which `stop` was set.
    """

    def __init__(self, run: RunState, progress: EpochProgress, *, stop: threading.Event, remedy: str) -> None:
        super().__init__()
        self._run = run
        self._progress = progress
        self._stop = stop
        self._remedy = remedy
        self._epoch = 0
        self._started_ns = 0

    def on_epoch_begin(self, epoch: int, _logs: Logs | None = None) -> None:
        """Start the epoch's clock and bar; Keras counts from 0."""
        self._epoch = epoch + 1
        self._started_ns = time.perf_counter_ns()
        self._progress.start(epoch=self._epoch)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Check the epoch's loss so far, which a single NaN makes NaN, and the stop request."""
        loss = _metric(logs, "loss")
        self._check("loss", loss, f"epoch {self._epoch}, step {batch + 1}")
        self._progress.step(loss=loss, accuracy=_metric(logs, "accuracy"))
        if self._stop.is_set():
            raise KeyboardInterrupt

    def on_test_end(self, logs: Logs) -> None:
        """Check the validation loss."""
        self._check("validation loss", _metric(logs, "loss"), f"epoch {self._epoch}")

    def on_epoch_end(self, _epoch: int, logs: Logs) -> None:
        """Save the epoch; stop when patience is exhausted."""
        record = EpochRecord(
            epoch=self._epoch,
            loss=_metric(logs, "loss"),
            accuracy=_metric(logs, "accuracy"),
            val_loss=_metric(logs, "val_loss"),
            val_accuracy=_metric(logs, "val_accuracy"),
            learning_rate=float(self.model.optimizer.learning_rate),
            seconds=(time.perf_counter_ns() - self._started_ns) / 1e9,
        )
        self._run.add_epoch(record)
        self._progress.finish(record)
        if self._run.patience_is_over:
            self.model.stop_training = True

    def _check(self, name: str, value: float, where: str) -> None:
        if not math.isfinite(value):
            raise FitError(f"{name}: expected a finite number, got {value} in {where}; {self._remedy}")


def loss_remedy(recipe: Recipe) -> str:
    """Advice for a loss that is not finite."""
    if recipe.network.compiled == "use":
        return f"lower the learning rate that {recipe.network.builder} compiles its optimizer with"
    return f"lower optimizer.learning_rate (now {recipe.optimizer.learning_rate:g}) or lengthen optimizer.warmup_epochs"


def _metric(logs: Logs, name: str) -> float:
    """One metric of a step or an epoch.

    Raises:
        FitError: A custom `train_step` or `test_step` does not return it, or not as a number.
    """
    try:
        return float(logs[name])
    except (KeyError, TypeError, ValueError) as exc:
        step = "test_step" if name.startswith("val_") else "train_step"
        raise FitError(
            f"the network's {step}: expected a mapping with the numbers 'loss' and 'accuracy', got no {name!r} beside "
            f"{', '.join(map(repr, logs)) or 'nothing'}; return {{m.name: m.result() for m in self.metrics}}"
        ) from exc


@contextmanager
def map_training_errors(run: RunState, run_dir: Path, *, workers: int) -> Iterator[None]:
    """Translate an exception that ends a run into one sentence that says how to continue.

    Raises:
        FitInterrupted: KeyboardInterrupt in the body.
        FitError: Any other foreign exception: a full disk, no memory, a lost worker.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        raise FitInterrupted(f"interrupted; {_resume_hint(run, run_dir)}") from exc
    except SlipwayError:
        raise
    except Exception as exc:  # Keras, TensorFlow and user layers have their own types
        hint = _resume_hint(run, run_dir)
        if is_full_disk(exc):
            raise FitError(f"{run_dir}: no space left on the device; free some space, then: {hint}") from exc
        if isinstance(exc, tf.errors.ResourceExhaustedError):
            raise FitError(f"out of memory: lower fit.batch_size; {error_summary(exc)}") from exc
        if workers > 1 and isinstance(exc, tf.errors.OpError):
            raise FitError(f"another worker was lost ({type(exc).__name__}); {hint}, on every worker") from exc
        raise FitError(f"training failed: {error_summary(exc)}; {hint}") from exc


def _resume_hint(run: RunState, run_dir: Path) -> str:
    if not run.history:
        return "no epoch was finished yet: start again"
    return f"everything up to epoch {len(run.history)} is saved in {run_dir}: continue with --resume"
