"""The recipe's optimizer with its learning-rate schedule.

    optimizer = build_optimizer(recipe.optimizer, epochs=10, steps_per_epoch=390)

A schedule is counted in steps, so it must know how many there will be.
"""

from __future__ import annotations

from training._tensorflow import keras
from training.recipe import OptimizerSettings

__all__ = ["build_optimizer"]

_NOT_DECAYED = ["bias", "gamma", "beta"]
"""Offsets and batch norm's scales: decay would only fight what they are there for."""


def build_optimizer(settings: OptimizerSettings, *, epochs: int, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Build the optimizer; its state counts the steps, so a restored state continues the schedule."""
    rate = _learning_rate(settings, epochs=epochs, steps_per_epoch=steps_per_epoch)
    match settings.name:
        case "adam":
            return keras.optimizers.Adam(rate)
        case "sgd":
            return keras.optimizers.SGD(rate, momentum=0.9)
        case "adamw":
            optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
            return optimizer


def _learning_rate(
    settings: OptimizerSettings, *, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    warmup_steps = round(settings.warmup_epochs * steps_per_epoch)
    if settings.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else settings.learning_rate,
            decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
            warmup_target=settings.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    if warmup_steps:  # a polynomial of power 1 that ends at the peak and stays there
        return keras.optimizers.schedules.PolynomialDecay(
            0.0, decay_steps=warmup_steps, end_learning_rate=settings.learning_rate, power=1.0
        )
    return settings.learning_rate
