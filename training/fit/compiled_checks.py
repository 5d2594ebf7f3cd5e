"""Checks of what a builder compiled: in which form the loss takes labels, and whether `accuracy` is one.

A loss or metric may be a person's own, so it is called with answers that are known to be right and wrong.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training._tensorflow import keras
from training.errors import FitError

__all__ = ["ACCURACY", "LabelForm", "check_accuracy", "display_name", "label_form"]

ACCURACY = "accuracy"

LabelForm = Literal["index", "one_hot"]


def label_form(where: str, loss: Any, classes: int) -> LabelForm:  # noqa: ANN401  # a name, function or object
    """Ask the loss about good and bad answers in either form: in the one that it input_range, good ones cost less.

    An error alone would not tell: some losses spread `(batch,)` over `(batch, classes)` where the sizes allow it.
    """
    if _takes_logits(loss):
        raise FitError(
            f"{where}: the compiled loss {display_name(loss)} expects logits, and what is served are probabilities: "
            "end the network with a softmax and compile the loss with from_logits=False"
        )
    truth = np.arange(classes + 1) % classes
    good, bad = (_answers(np.roll(truth, shift), classes) for shift in (0, 1))
    forms: tuple[tuple[LabelForm, NDArray[Any]], ...] = (
        ("index", truth),
        ("one_hot", np.eye(classes, dtype=np.float32)[truth]),
    )
    seen = []
    for form, labels in forms:
        try:
            cost = [float(np.mean(keras.losses.get(loss)(labels, answers))) for answers in (good, bad)]
        except Exception as exc:  # noqa: BLE001  # a person's own loss may raise anything
            seen.append(f"{form}: {type(exc).__name__}")
            continue
        if np.isfinite(cost).all() and cost[0] < cost[1]:
            return form
        seen.append(f"{form}: {cost[0]:.3g} for good answers, {cost[1]:.3g} for bad ones")
    raise FitError(
        f"{where}: the compiled loss {display_name(loss)} prefers right answers to wrong ones neither with labels "
        f"(batch,) nor with one-hot rows (batch, {classes}); {'; '.join(seen)}. Compile a loss for one class per image"
    )


def check_accuracy(where: str, metric: Any, classes: int, labels: LabelForm) -> None:  # noqa: ANN401
    """Refuse a metric called accuracy that is none: it would stand in the history and in the model card as one."""
    if not isinstance(metric, keras.metrics.Metric):
        return  # of the name `accuracy`, Keras makes the one that fits the labels
    try:
        probe = metric.from_config(metric.get_config())
    except Exception:  # noqa: BLE001  # a person's own metric need not be one that can be made again
        return
    truth = np.arange(2 * classes) % classes
    rows = truth if labels == "index" else np.eye(classes, dtype=np.float32)[truth]
    got = []
    for shift in (0, 1):
        probe.reset_state()
        try:
            probe.update_state(rows, _answers(np.roll(truth, shift), classes))
            got.append(f"{float(probe.result()):.0%}")
        except Exception as exc:  # noqa: BLE001  # a person's own metric may raise anything
            got.append(type(exc).__name__)
    if got != ["100%", "0%"]:
        raise FitError(
            f"{where}: the compiled metric {ACCURACY!r}, {display_name(metric)}, is no share of right answers: "
            f"expected 100% for right ones and 0% for wrong ones, got {' and '.join(got)}. Write metrics=['accuracy'], "
            "from which Keras takes the right one"
        )


def _answers(truth: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return (0.9 * np.eye(classes)[truth] + 0.1 / classes).astype(np.float32)


def _takes_logits(loss: Any) -> bool:  # noqa: ANN401
    settings = getattr(loss, "_fn_kwargs", None) or {}
    return bool(getattr(loss, "from_logits", False) or settings.get("from_logits", False))


def display_name(value: Any) -> str:  # noqa: ANN401
    """The name of a loss, metric or optimizer, given as a name, a function or an object."""
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)
