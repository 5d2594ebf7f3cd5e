"""Detect, before training, a network that scales pixels itself and would get them scaled twice.

    check_input_range(model, recipe, dataset)     # raises FitError with the remedy

Scaled twice, all pixels lie within 1/255 of each other: the network trains badly, without an error. Layer names are not
enough: the scaling may be a `Lambda` or an operation, inside a nested model, or undone by the next layer. So the inputs
of its first layers are measured, and, if it is pretrained, its accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training._tensorflow import keras
from training.data import Dataset, Split
from training.errors import FitError
from training.pixels import as_input
from training.recipe import InputRange, Recipe

__all__ = ["check_input_range"]

_PROBES = 16
_MAX_IMAGES = 512

_LEAST_SPREAD = 1 / 30
"""Of what a first layer gets, for a spread of 1 in the images. Between what networks do to images in [0, 1] on purpose
(a division by a standard deviation, `2x - 1`: 1 and more) and the division by 127.5 or 255: 1/128 and less."""

_LARGEST_OFFSET = 30.0
"""Mean of what a first layer gets, by its spread. Images in [0, 1] minus a mean of 110 have 380."""

_CLEAR_GAIN = 0.25
"""Of balanced accuracy, before one range counts as the one that a network was trained on."""


@dataclass(slots=True)
class _LayerInputs:
    """Recorded inputs of the first layers.

    Attributes:
        weighted: Input of the first layer with a kernel, `(batch, ..., features)`; None if none was found.
        layer: Its name.
        normed: Input of the first batch norm that has statistics, in units of these; None if there is none.
        layers: All layers that were called, in order.
    """

    weighted: NDArray[np.float64] | None = None
    layer: str = ""
    normed: NDArray[np.float64] | None = None
    layers: list[keras.layers.Layer] = field(default_factory=list)


def check_input_range(model: keras.Model, recipe: Recipe, dataset: Dataset) -> None:
    """Reject a network that clearly expects another pixel range.

    An explicit `network.input_range: unit` in the recipe is not checked.

    Raises:
        FitError: Says what was measured, and the right setting.
    """
    input_range = recipe.network.effective_input_range
    where = f"network.builder {recipe.network.builder}"
    if recipe.network.input_range is None and (seen := _scales_itself(model, dataset.train)):
        raise FitError(
            f"{where}: the network scales pixels itself: {seen}. Set `input_range: raw` under `network:`, and it "
            "gets 0 to 255; or remove the scaling from the network. An explicit `input_range: unit` keeps [0, 1]"
        )
    other: InputRange = "unit" if input_range == "raw" else "raw"
    if recipe.network.input_range == "unit" or not _was_trained(model):
        return
    now, instead = (_balanced_accuracy(model, dataset.validation, one) for one in (input_range, other))
    if instead - now > _CLEAR_GAIN:
        raise FitError(
            f"{where}: the network is pretrained; with validation images in the range {other!r} its balanced accuracy "
            f"is {instead:.0%}, in the configured range {input_range!r} {now:.0%}. Set `input_range: {other}` under "
            "`network:`"
        )


def _scales_itself(model: keras.Model, images: Split) -> str | None:
    """Evidence that the network expects 0 to 255; None if it is not clear."""
    groups = _probes(images)
    seen: dict[InputRange, list[_LayerInputs]] = {
        input_range: [_layer_inputs(model, as_input(group, input_range)) for group in groups]
        for input_range in ("unit", "raw")
    }
    layer = seen["unit"][0].layer
    scaling = next((f"layer {one.name!r}, " for one in seen["unit"][0].layers if _is_scaling(one)), "")
    if _unfit(groups, seen["unit"]) and not _unfit(groups, seen["raw"]):
        spread, offset = _spread_and_offset(groups, seen["unit"])
        return (
            f"{scaling}of images in [0, 1] the layer {layer!r} would get {spread:.2%} of their contrast, at a "
            f"brightness {offset:.3g} times that"
        )
    unit, raw = (_norm_spread(seen[input_range][-1]) for input_range in ("unit", "raw"))
    if unit is not None and raw is not None and unit < _LEAST_SPREAD < raw:
        return (
            f"{scaling}its first batch norm comes with statistics of other images: [0, 1] would give it {unit:.2g} "
            f"of their spread, 0 to 255 {raw:.2g}"
        )
    return None


def _probes(images: Split) -> tuple[NDArray[np.uint8], ...]:
    """Noise, uniform images from black to white (for networks that average first), and images of the data set."""
    shape = images.images.shape[1:]
    noise = np.random.default_rng(0).integers(0, 256, (_PROBES, *shape), dtype=np.uint8)
    even = np.broadcast_to(
        np.linspace(0, 255, _PROBES).astype(np.uint8).reshape(-1, *(1,) * len(shape)), (_PROBES, *shape)
    )
    step = max(1, len(images.images) // _PROBES)
    return noise, np.array(even), images.images[::step][:_PROBES]


def _layer_inputs(model: keras.Model, images: NDArray[np.float32]) -> _LayerInputs:
    with _recorded_layer_inputs() as seen:
        model(images, training=False)
    return seen


@contextmanager
def _recorded_layer_inputs() -> Iterator[_LayerInputs]:
    """Record the input of every layer that is called in the body.

    Keras has no hook for that: layers of functional, nested and subclassed models have only this method in common.
    """
    seen = _LayerInputs()
    call = keras.layers.Layer.__call__

    def recording(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # any layer's
        before = len(seen.layers)
        output = call(layer, *args, **kwargs)
        value = _values(args[0]) if args else None
        if value is not None and before == len(seen.layers):  # it contains no other layer
            _note(seen, layer, value)
        seen.layers.append(layer)
        return output

    keras.layers.Layer.__call__ = recording
    try:
        yield seen
    finally:
        keras.layers.Layer.__call__ = call


def _note(seen: _LayerInputs, layer: keras.layers.Layer, value: NDArray[np.float64]) -> None:
    if isinstance(layer, keras.layers.BatchNormalization):
        if seen.normed is None and _varies(layer.moving_variance):
            mean, variance = (np.asarray(one, np.float64) for one in (layer.moving_mean, layer.moving_variance))
            seen.normed = np.moveaxis(value, layer.axis, -1)
            seen.normed = (seen.normed - mean) / np.sqrt(variance + layer.epsilon)
    elif (
        seen.weighted is None
        and not isinstance(layer, keras.layers.Normalization)
        and any(len(weight.shape) > 1 for weight in layer.weights)
    ):
        seen.weighted, seen.layer = value, layer.name


def _values(tensor: Any) -> NDArray[np.float64] | None:  # noqa: ANN401  # whatever a layer is called with
    """The values of an eager tensor; None for a symbolic one."""
    if not hasattr(tensor, "numpy"):
        return tensor.astype(np.float64) if isinstance(tensor, np.ndarray) else None
    try:
        return np.asarray(tensor.numpy(), np.float64)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


def _unfit(groups: tuple[NDArray[np.uint8], ...], seen: list[_LayerInputs]) -> bool:
    """Whether no group of images gives the first layer with a kernel a usable input."""
    if any(one.weighted is None for one in seen):
        return False
    spread, offset = _spread_and_offset(groups, seen)
    return spread < _LEAST_SPREAD or offset > _LARGEST_OFFSET


def _spread_and_offset(groups: tuple[NDArray[np.uint8], ...], seen: list[_LayerInputs]) -> tuple[float, float]:
    """For the best group: spread relative to the images in [0, 1], and mean relative to the spread."""
    spreads, offsets = [], []
    for group, one in zip(groups, seen, strict=True):
        images = _spread(as_input(group, "unit").astype(np.float64))
        if one.weighted is None or not images:
            continue
        spread = _spread(one.weighted)
        spreads.append(spread / images)
        offsets.append(_size(one.weighted.mean(axis=tuple(range(one.weighted.ndim - 1)))) / (spread or np.inf))
    return max(spreads, default=0.0), min(offsets, default=0.0)


def _spread(values: NDArray[np.float64]) -> float:
    """Standard deviation within a feature or channel (the last axis), over all of them."""
    return _size(values.std(axis=tuple(range(values.ndim - 1))))


def _size(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _norm_spread(seen: _LayerInputs) -> float | None:
    return None if seen.normed is None else _spread(seen.normed)


def _is_scaling(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)


def _was_trained(model: keras.Model) -> bool:
    """Whether the weights are pretrained: Keras initialises every offset and statistic to a constant."""
    return any(
        len(weight.shape) == 1 and str(weight.dtype).startswith("float") and _varies(weight) for weight in model.weights
    )


def _varies(weight: keras.Variable) -> bool:
    values = np.asarray(weight)
    return bool(values.size > 1 and values.min() != values.max())


def _balanced_accuracy(model: keras.Model, split: Split, input_range: InputRange) -> float:
    """Balanced accuracy: mean recall over the classes."""
    images, labels = split.images[:_MAX_IMAGES], split.labels[:_MAX_IMAGES]
    step = 64
    answers = np.concatenate(
        [
            np.asarray(model(as_input(images[start : start + step], input_range), training=False)).argmax(axis=1)
            for start in range(0, len(images), step)
        ]
    )
    right: Mapping[int, float] = {
        label: float((answers[labels == label] == label).mean()) for label in np.unique(labels).tolist()
    }
    return sum(right.values()) / len(right)
