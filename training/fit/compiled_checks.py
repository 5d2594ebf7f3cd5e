"""Checks of a builder's compiled loss and metric: the label format of the loss, and whether `accuracy` is one.

A loss or metric may be user code, so it is called with known correct and wrong predictions.
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
    """Call the loss with good and bad predictions in either label format: in the right one, good ones cost less.

    Errors alone are not enough: some losses broadcast `(batch,)` to `(batch, classes)` if the sizes allow it.
    """
    if _takes_logits(loss):
        raise FitError(
            f"{where}: the compiled loss {display_name(loss)} expects logits, but probabilities are served: "
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
        except Exception as exc:  # noqa: BLE001  # a user's loss may raise anything
            seen.append(f"{form}: {type(exc).__name__}")
            continue
        if np.isfinite(cost).all() and cost[0] < cost[1]:
            return form
        seen.append(f"{form}: {cost[0]:.3g} for good predictions, {cost[1]:.3g} for bad ones")
    raise FitError(
        f"{where}: the compiled loss {display_name(loss)} prefers correct predictions neither with labels "
        f"(batch,) nor with one-hot rows (batch, {classes}); {'; '.join(seen)}. Compile a loss for one class per image"
    )


def check_accuracy(where: str, metric: Any, classes: int, labels: LabelForm) -> None:  # noqa: ANN401
    """Reject a metric called accuracy that is none: history and model card would report it as accuracy."""
    if not isinstance(metric, keras.metrics.Metric):
        return  # Keras resolves the name `accuracy` to the metric for the labels
    try:
        probe = metric.from_config(metric.get_config())
    except Exception:  # noqa: BLE001  # a user's metric may not be reconstructible
        return
    truth = np.arange(2 * classes) % classes
    rows = truth if labels == "index" else np.eye(classes, dtype=np.float32)[truth]
    got = []
    for shift in (0, 1):
        probe.reset_state()
        try:
            probe.update_state(rows, _answers(np.roll(truth, shift), classes))
            got.append(f"{float(probe.result()):.0%}")
        except Exception as exc:  # noqa: BLE001  # a user's metric may raise anything
            got.append(type(exc).__name__)
    if got != ["100%", "0%"]:
        raise FitError(
            f"{where}: the compiled metric {ACCURACY!r}, {display_name(metric)}, is not the share of correct "
            f"predictions: expected 100% for correct and 0% for wrong ones, got {' and '.join(got)}. Use "
            "metrics=['accuracy'], from which Keras selects the right one"
        )


def _answers(truth: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return (0.9 * np.eye(classes)[truth] + 0.1 / classes).astype(np.float32)


def _takes_logits(loss: Any) -> bool:  # noqa: ANN401
    settings = getattr(loss, "_fn_kwargs", None) or {}
    return bool(getattr(loss, "from_logits", False) or settings.get("from_logits", False))


def display_name(value: Any) -> str:  # noqa: ANN401
    """The name of a loss, metric or optimizer, given as a name, a function or an object."""
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)
