"""The networks that ship, and the door for a user's own.

    model = build_network(recipe, image_shape=(28, 28, 1), classes=10)

A builder is a function `builder(image_shape, classes, regularisation, **arguments) -> keras.Model`. The model takes
float32 images of shape `(batch, height, width, channels)`, in [0, 1] or, with `input_range: raw`, from 0 to 255, and
answers probabilities of shape `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from training._tensorflow import keras
from training.builder import build_network
from training.recipe import RegularisationSettings

__all__ = ["build_network", "compact_cnn", "seed_cnn"]


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


def _penalty(regularisation: RegularisationSettings) -> keras.Regularizer | None:
    if not (regularisation.l1 or regularisation.l2):
        return None
    return keras.regularizers.L1L2(l1=regularisation.l1, l2=regularisation.l2)


def _dropout(regularisation: RegularisationSettings) -> list[keras.layers.Layer]:
    return [keras.layers.Dropout(regularisation.dropout)] if regularisation.dropout else []
