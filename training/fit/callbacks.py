"""What happens while Keras fits: the loss is watched, the bar moves, each whole epoch is recorded and kept."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from training._tensorflow import keras
from training.errors import FitError
from training.fit.history import EpochRecord
from training.fit.progress import EpochProgress
from training.fit.run_state import RunState
from training.recipe import Recipe

__all__ = ["RunCallback", "loss_remedy"]

Logs = dict[str, Any]


class RunCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Connects Keras' `fit` with a run and its console.

    Args:
        run: Keeps each epoch.
        progress: Shows each step.
        stop: Set when somebody wants to stop.
        remedy: Said of a loss that is no finite number.

    Raises:
        FitError: A loss is no finite number (every later step would be in vain), or an epoch cannot be kept.
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
        """Look at the epoch's loss so far, which one NaN turns into NaN, and whether somebody wants to stop."""
        loss = _metric(logs, "loss")
        self._check("loss", loss, f"epoch {self._epoch}, step {batch + 1}")
        self._progress.step(loss=loss, accuracy=_metric(logs, "accuracy"))
        if self._stop.is_set():
            raise KeyboardInterrupt

    def on_test_end(self, logs: Logs) -> None:
        """Look at the validation loss."""
        self._check("validation loss", _metric(logs, "loss"), f"epoch {self._epoch}")

    def on_epoch_end(self, _epoch: int, logs: Logs) -> None:
        """Keep the epoch; stop when patience is over."""
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
    """What to change when the loss is no finite number."""
    if recipe.network.compiled == "use":
        return f"lower the learning rate that {recipe.network.builder} compiles its optimizer with"
    return f"lower optimizer.learning_rate (now {recipe.optimizer.learning_rate:g}) or lengthen optimizer.warmup_epochs"


def _metric(logs: Logs, name: str) -> float:
    """One metric of a step or an epoch.

    Raises:
        FitError: A `train_step` or `test_step` of the network's own does not return it, or not as a number.
    """
    try:
        return float(logs[name])
    except (KeyError, TypeError, ValueError) as exc:
        step = "test_step" if name.startswith("val_") else "train_step"
        raise FitError(
            f"the network's {step}: expected a mapping with the numbers 'loss' and 'accuracy', got no {name!r} beside "
            f"{', '.join(map(repr, logs)) or 'nothing'}; return {{m.name: m.result() for m in self.metrics}}"
        ) from exc
