"""Networks of one or two layers, each with something that an export can get wrong, and images for them."""

from __future__ import annotations

import numpy as np

from slipway.contract import ModelContract
from training._tensorflow import keras

layers = keras.layers

DIGITS = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
CLOSE = 1e-5


def network(*body, image_shape=(28, 28, 1), classes=10):
    """A body between an image and a softmax. Layer names, and so TensorFlow's, differ from call to call."""
    head = [layers.Flatten(), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input(image_shape), *body, *head])


def conv_first():
    return network(layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"), layers.MaxPool2D())


def dense_first():
    return network()


def regularised():
    """Batch norm with moments that a training left behind, and dropout."""
    model = network(
        layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.5)
    )
    norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    norm.set_weights(np.array([[1, 2, 3, 4], [0, 1, 0, -1], [0.1, -0.2, 0.3, 0], [0.5, 1, 2, 3]], np.float32))
    return model


def residual():
    """The scaled image is needed twice, so that no one layer can absorb the scaling."""
    image = keras.Input((28, 28, 1))
    both = layers.Add()([image, layers.Conv2D(1, 3, padding="same")(image)])
    return keras.Model(image, layers.Dense(10, activation="softmax")(layers.Flatten()(both)))


def rescaling_first():
    return network(layers.Rescaling(2.0, offset=-1.0), layers.Conv2D(4, 3))


def norm_first():
    return network(layers.BatchNormalization(), layers.Conv2D(4, 3))


def shared_weights():
    """The first layer's weights serve a second time, on what needs no scaling."""
    convolution = layers.Conv2D(1, 3, padding="same")
    return network(convolution, layers.ReLU(), convolution)


def digits(images, image_shape=(28, 28, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (images, *image_shape), dtype=np.uint8)
