"""A network that scales pixels itself is found before it is trained on pixels that are scaled twice."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.unit.small_fits import STRIPES, own_recipe
from training._tensorflow import keras, tf
from training.errors import FitError
from training.export import export_onnx, keras_probabilities, measure_parity, onnx_probabilities
from training.fit.loop import fit
from training.fit.pixel_scale import check_input_range

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

layers = keras.layers
SHAPE = (12, 12, 1)


def network(*body):
    head = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input(SHAPE), *body, *head])


def behind(operation):
    """Operations between the image and the first layer, as `keras.applications` puts them there."""
    image = keras.Input(SHAPE)
    features = layers.Flatten()(layers.Conv2D(4, 3)(operation(image)))
    return keras.Model(image, layers.Dense(3, activation="softmax")(features))


def normalised(factor):
    layer = layers.Normalization()
    layer.adapt(STRIPES.train.images.astype(np.float32) * factor)
    return network(layer)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = network()

    def call(self, images):
        return self.body(images / 255.0)


def mobile(*, include_preprocessing):
    return keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), weights=None, classes=3, include_preprocessing=include_preprocessing
    )


SCALES_ITSELF = {
    "Rescaling": lambda: network(layers.Rescaling(1 / 255)),
    "Rescaling to -1 to 1": lambda: network(layers.Rescaling(1 / 127.5, offset=-1)),
    "Rescaling in a nested model": lambda: network(keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 255)])),
    "Rescaling before an average": lambda: network(layers.Rescaling(1 / 255), layers.AveragePooling2D(3)),
    "Normalization": lambda: normalised(1),
    "Lambda": lambda: network(layers.Lambda(lambda image: image / 255)),
    "an operation": lambda: behind(lambda image: image / 255),
    "a subclassed model": Subclassed,
    "preprocess_input of the kind tf": lambda: behind(keras.applications.mobilenet_v2.preprocess_input),
    "a mean is taken off": lambda: behind(lambda image: image - 116.779),
    "MobileNetV3": lambda: mobile(include_preprocessing=True),
}
TAKES_UNIT = {
    "plain": network,
    "Rescaling to -1 to 1": lambda: network(layers.Rescaling(2, offset=-1)),
    "Rescaling that undoes another": lambda: network(layers.Rescaling(255), layers.Rescaling(1 / 255)),
    "Normalization of [0, 1]": lambda: normalised(1 / 255),
    "batch norm first": lambda: network(layers.BatchNormalization()),
    "average first": lambda: network(layers.AveragePooling2D(4, strides=1)),
    "each image by its own mean": lambda: network(layers.Lambda(tf.image.per_image_standardization)),
    "MobileNetV3 without preprocessing": lambda: mobile(include_preprocessing=False),
}


def images_for(model):
    """The stripes, or noise for a network that takes larger images in colour."""
    if isinstance(model, Subclassed) or model.input_shape[1:] == SHAPE:
        return STRIPES
    noise = np.random.default_rng(0).integers(0, 256, (40, *model.input_shape[1:]), np.uint8)
    return replace(STRIPES, train=replace(STRIPES.train, images=noise))


@pytest.mark.parametrize("build", SCALES_ITSELF.values(), ids=SCALES_ITSELF)
def test_a_network_that_scales_itself_is_refused_with_the_setting_that_is_right(build):
    model = build()

    with pytest.raises(FitError, match=r"scales pixels itself: .*`input_range: raw` under `network:`"):
        check_input_range(model, own_recipe("my:net"), images_for(model))


@pytest.mark.parametrize("build", TAKES_UNIT.values(), ids=TAKES_UNIT)
def test_a_network_that_takes_0_to_1_passes_unasked(build):
    model = build()

    check_input_range(model, own_recipe("my:net"), images_for(model))


@pytest.mark.parametrize("said", ["raw", "unit"])
def test_who_says_the_range_is_taken_at_their_word(said):
    check_input_range(network(layers.Rescaling(1 / 255)), own_recipe("my:net", input_range=said), STRIPES)


def trained(factor):
    """Weights as of a training on pixels of 0 to 255 times `factor`: is a stripe brighter than 100?"""
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Flatten(),
            layers.Dense(3, activation="sigmoid"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    kernel = np.repeat(np.eye(3), 4, axis=0)[np.tile(np.arange(12), 12)] / 48 * 0.1 / factor
    model.layers[1].set_weights([kernel, np.array([-10.0, -10.1, -9.9])])
    model.layers[2].set_weights([9 * np.eye(3), np.zeros(3)])
    return model


@pytest.mark.parametrize(
    ("factor", "said", "right"), [(1, None, "raw"), (1 / 255, "raw", "unit")], ids=["of raw", "of unit"]
)
def test_trained_weights_are_asked_about_both_ranges(factor, said, right):
    with pytest.raises(
        FitError, match=rf"pretrained; .* balanced accuracy is 100%.*`input_range: {right}` under `network:`"
    ):
        check_input_range(trained(factor), own_recipe("my:net", input_range=said), STRIPES)


@pytest.mark.parametrize(("factor", "said"), [(1, "raw"), (1 / 255, None)], ids=["raw", "unit"])
def test_trained_weights_that_get_their_own_range_pass(factor, said):
    check_input_range(trained(factor), own_recipe("my:net", input_range=said), STRIPES)


def test_batch_norm_with_the_statistics_of_raw_images_is_refused():
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3), norm, layers.Flatten(), layers.Dense(3)])
    features = np.asarray(model.layers[0](STRIPES.train.images.astype(np.float32)))
    norm.set_weights([np.ones(4), np.zeros(4), features.mean(axis=(0, 1, 2)), features.var(axis=(0, 1, 2))])

    with pytest.raises(FitError, match=r"batch norm comes with statistics of other images.*`input_range: raw`"):
        check_input_range(model, own_recipe("my:net"), STRIPES)


BUILDER = """
import keras
from keras import layers

def net(image_shape, classes, regularisation):
    first = [keras.Input(image_shape), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation="relu")]
    return keras.Sequential([*first, layers.Flatten(), layers.Dense(classes, activation="softmax")])
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "scaling_net.py").write_text(BUILDER)
    yield "scaling_net:net"
    sys.modules.pop("scaling_net", None)


def test_raw_pixels_reach_the_network_in_training_and_the_file_that_is_served(own_module, tmp_path):
    recipe = own_recipe(own_module, epochs=6, input_range="raw")
    contract = recipe.contract(SHAPE, STRIPES.labels)

    fitted = fit(recipe, STRIPES, run_dir=tmp_path / "run", console=Console(quiet=True))
    file = export_onnx(fitted.model, contract, input_range="raw")

    images, labels = STRIPES.test.images, STRIPES.test.labels
    assert 1.0 == (keras_probabilities(fitted.model, images, input_range="raw").argmax(axis=1) == labels).mean()
    assert 1.0 == (onnx_probabilities(file, images, 4).argmax(axis=1) == labels).mean()
    assert 1e-5 > measure_parity(fitted.model, file, images, max_batch_size=4, input_range="raw").max_abs_difference


def test_a_network_that_scales_itself_is_refused_before_training(own_module, tmp_path):
    with pytest.raises(
        FitError, match=r"network\.builder scaling_net:net: the network scales pixels itself: layer 're"
    ):
        fit(own_recipe(own_module), STRIPES, run_dir=tmp_path / "run", console=Console(quiet=True))
    assert not (tmp_path / "run").exists()
