"""What happened in each epoch, and what follows from it. Plain values: this module loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["EpochRecord", "best_epoch", "patience_is_over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch's metrics.

    Attributes:
        epoch: 1 is the first.
        loss: Mean loss of the training batches, distorted as they were trained on, penalties included.
        accuracy: Fraction of the training images that were right when their batch came by.
        val_loss: Mean loss of the validation images after the epoch.
        val_accuracy: Fraction of the validation images that are right after the epoch.
        learning_rate: Of the epoch's last step.
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
    """Whether the last `patience` epochs brought no lower validation loss. None is endless patience."""
    return patience is not None and bool(history) and len(history) - best_epoch(history).epoch >= patience
