"""The history of a run's epochs, and early stopping. Plain values: this module loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["EpochRecord", "best_epoch", "patience_is_over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch's metrics.

    Attributes:
        epoch: 1 is the first.
        loss: Mean loss of the training batches, with augmentation and penalties.
        accuracy: Fraction of the training images classified correctly during the epoch.
        val_loss: Mean loss of the validation images after the epoch.
        val_accuracy: Fraction of the validation images classified correctly after the epoch.
        learning_rate: Learning rate of the epoch's last step.
        seconds: Wall time, validation included.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The epoch with the lowest validation loss; the earliest of equals."""
    return min(history, key=lambda record: record.val_loss)


def patience_is_over(history: Sequence[EpochRecord], patience: int | None) -> bool:
    """Whether the last `patience` epochs did not lower the validation loss. None never stops."""
    return patience is not None and bool(history) and len(history) - best_epoch(history).epoch >= patience
