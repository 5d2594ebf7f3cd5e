"""The networks that ship, and the door for a user's own.

    model = build_network(recipe, image_shape=(28, 28, 1), classes=10)

A builder is a function `builder(image_shape, classes, regularisation, **arguments) -> keras.Model`. The model takes
float32 images of shape `(batch, height, width, channels)`, in [0, 1] or, with `input_range: raw`, from 0 to 255, and
answers probabilities of shape `(batch, classes)`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training._tensorflow import keras
from training.errors import FitError
from training.pixels import as_input
from training.recipe import InputRange, Recipe, RegularisationSettings

__all__ = ["build_network", "compact_cnn", "seed_cnn"]

_PROBE_IMAGES = 4
_SUM_TOLERANCE = 1e-3


def seed_cnn(image_shape: tuple[int, int, int], classes: int, regularisation: RegularisationSettings) -> keras.Model:
    """The classic: three 3x3 convolutions of 32, 64 and 64 channels, two max-pools, a dense layer of 64.

    93,322 parameters for 28x28x1 images and 10 classes.
    """
    penalty = _penalty(regularisation)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(32, 3, activation="relu", kernel_regularizer=penalty),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", kernel_regularizer=penalty),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", kernel_regularizer=penalty),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_regularizer=penalty),
            *_dropout(regularisation),
            layers.Dense(classes, activation="softmax", kernel_regularizer=penalty),
        ],
        name="seed_cnn",
    )


def compact_cnn(
    image_shape: tuple[int, int, int],
    classes: int,
    regularisation: RegularisationSettings,
    *,
    filters: Sequence[int] = (16, 32, 48),
) -> keras.Model:
    """Strided convolutions in place of pooling: 5x5/2, 3x3/2, then 3x3 for each further entry of `filters`.

    42,746 parameters for 28x28x1 images and 10 classes. A stride computes a quarter of what a convolution before a
    pool does, and batch norm disappears into the convolution when the model is exported.
    """
    penalty = _penalty(regularisation)
    layers = keras.layers
    stack: list[keras.layers.Layer] = []
    for i, channels in enumerate(filters):
        stack += [
            layers.Conv2D(
                channels,
                5 if i == 0 else 3,
                strides=2 if i < 2 else 1,
                padding="same",
                use_bias=False,
                kernel_regularizer=penalty,
            ),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    head = layers.Dense(classes, activation="softmax", kernel_regularizer=penalty)
    return keras.Sequential(
        [keras.Input(image_shape), *stack, layers.Flatten(), *_dropout(regularisation), head], name="compact_cnn"
    )


def build_network(recipe: Recipe, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Call the recipe's builder, and check that what it returns is a classifier of these images.

    A user's own module is found in the current folder too.

    Raises:
        FitError: The builder cannot be imported or called, or its model has the wrong input, the wrong output, or
            answers something other than probabilities; says expected and got.
    """
    where = recipe.network.builder
    builder = _find(where)
    try:
        model = builder(image_shape, classes, recipe.regularisation, **recipe.network.arguments)
    except Exception as exc:  # a user's own code may raise anything
        arguments = recipe.network.arguments
        raise FitError(f"network.builder {where} failed, arguments {arguments}: {type(exc).__name__}: {exc}") from exc
    if not isinstance(model, keras.Model):
        raise FitError(f"network.builder {where}: expected a keras.Model, got {type(model).__name__}")
    _check_probabilities(where, model, image_shape, classes, takes=recipe.network.takes)
    return model


def _find(where: str) -> Callable[..., Any]:
    module_name, _, function_name = where.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109  # sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        builder = getattr(importlib.import_module(module_name), function_name)
    except Exception as exc:  # a user's own module may raise anything
        raise FitError(
            f"network.builder {where}: cannot be imported: {type(exc).__name__}: {exc}; expected "
            "'package.module:function', installed or below the current folder"
        ) from exc
    if not callable(builder):
        raise FitError(f"network.builder {where}: expected a function, got {type(builder).__name__}")
    return builder  # type: ignore[no-any-return]  # `callable` narrows Any to an unknown callable


def _check_probabilities(
    where: str, model: keras.Model, image_shape: tuple[int, int, int], classes: int, *, takes: InputRange
) -> None:
    probe = as_input(np.random.default_rng(0).integers(0, 256, (_PROBE_IMAGES, *image_shape), np.uint8), takes)
    try:
        answer = np.asarray(model(probe, training=False))
    except Exception as exc:  # Keras, TensorFlow and a user's own layers each have their own
        raise FitError(
            f"network.builder {where}: the model does not take float32 (batch, {_show(image_shape)}): {exc}"
        ) from exc
    if answer.shape != (_PROBE_IMAGES, classes):
        raise FitError(
            f"network.builder {where}: expected output (batch, {classes}), one probability per class, got "
            f"(batch, {_show(answer.shape[1:])})"
        )
    sums = answer.sum(axis=1)
    if not (answer.min() >= 0 and np.allclose(1, sums, atol=_SUM_TOLERANCE)):
        raise FitError(
            f"network.builder {where}: expected probabilities that sum to 1 for each image, got values from "
            f"{answer.min():.3g} to {answer.max():.3g} with sums from {sums.min():.3g} to {sums.max():.3g}; "
            "end the network with a softmax"
        )


def _penalty(regularisation: RegularisationSettings) -> keras.Regularizer | None:
    if not (regularisation.l1 or regularisation.l2):
        return None
    return keras.regularizers.L1L2(l1=regularisation.l1, l2=regularisation.l2)


def _dropout(regularisation: RegularisationSettings) -> list[keras.layers.Layer]:
    return [keras.layers.Dropout(regularisation.dropout)] if regularisation.dropout else []


def _show(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
