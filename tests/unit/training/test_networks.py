"""What the shipped networks are, and what is refused of a user's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("keras")

from training._tensorflow import keras
from training.errors import FitError
from training.networks import build_network, compact_cnn, seed_cnn
from training.recipe import RegularisationSettings, load_recipe

MNIST = (28, 28, 1)
PLAIN = RegularisationSettings()


def own_recipe(builder, **arguments):
    recipe = load_recipe("mnist")
    return recipe.model_copy(
        update={"network": recipe.network.model_copy(update={"builder": builder, "arguments": arguments})}
    )


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Write a user's module into the current folder, which nothing has put on Python's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(body):
        (tmp_path / "own_network.py").write_text(f"import keras\nfrom keras import layers\n\n{body}\n")
        monkeypatch.delitem(sys.modules, "own_network", raising=False)

    yield write
    sys.modules.pop("own_network", None)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_seed_is_the_classic_network():
    model = seed_cnn(MNIST, 10, PLAIN)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    assert [
        *("Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Conv2D"),
        *("Flatten", "Dense", "Dense"),
    ] == kinds(model)
    assert [(32, (3, 3)), (64, (3, 3)), (64, (3, 3))] == [(layer.filters, layer.kernel_size) for layer in convolutions]
    assert 93_322 == model.count_params()


def test_compact_stays_below_100_000_parameters():
    assert 42_746 == compact_cnn(MNIST, 10, PLAIN).count_params() <= 100_000


def test_compact_takes_its_filters_from_the_recipe():
    model = build_network(load_recipe("mnist"), MNIST, 10)

    assert [16, 32, 48] == [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


@pytest.mark.parametrize("network", [seed_cnn, compact_cnn])
def test_nothing_is_regularised_unless_asked(network):
    model = network(MNIST, 10, PLAIN)

    assert "Dropout" not in kinds(model)
    assert {None} == {layer.kernel_regularizer for layer in model.layers if hasattr(layer, "kernel_regularizer")}


@pytest.mark.parametrize("network", [seed_cnn, compact_cnn])
def test_every_kernel_is_regularised_when_asked(network):
    model = network(MNIST, 10, RegularisationSettings(l1=0.25, l2=0.5, dropout=0.4))
    (dropout,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    penalties = [layer.kernel_regularizer for layer in model.layers if hasattr(layer, "kernel_regularizer")]

    assert 0.4 == dropout.rate
    assert {(0.25, 0.5)} == {(round(float(p.l1), 6), round(float(p.l2), 6)) for p in penalties}


def test_own_network_is_found_in_the_current_folder_and_gets_its_arguments(own_module):
    own_module(
        "def tiny(image_shape, classes, regularisation, units):\n"
        "    return keras.Sequential([keras.Input(image_shape), layers.Flatten(),\n"
        "        layers.Dense(units), layers.Dense(classes, activation='softmax')])"
    )
    model = build_network(own_recipe("own_network:tiny", units=5), (4, 4, 3), 2)

    assert (48 * 5 + 5) + (5 * 2 + 2) == model.count_params()


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param("def other(): pass", "cannot be imported.*has no attribute 'tiny'", id="no such function"),
        pytest.param("import nowhere_at_all", "cannot be imported.*nowhere_at_all", id="fails while imported"),
        pytest.param("tiny = 7", "expected a function, got int", id="not callable"),
        pytest.param("def tiny(image_shape): pass", "failed, arguments .*TypeError", id="takes other arguments"),
        pytest.param("def tiny(*_): return 'model'", "expected a keras.Model, got str", id="not a model"),
        pytest.param(
            "def tiny(*_): return keras.Sequential([keras.Input((9, 9, 1)), layers.Flatten(), layers.Dense(10)])",
            r"does not take float32 \(batch, 28, 28, 1\)",
            id="wrong input",
        ),
        pytest.param(
            "def tiny(*_): return keras.Sequential([layers.Flatten(), layers.Dense(7, activation='softmax')])",
            r"expected output \(batch, 10\), one probability per class, got \(batch, 7\)",
            id="wrong output",
        ),
        pytest.param(
            "def tiny(*_): return keras.Sequential([layers.Flatten(), layers.Dense(10)])",
            "expected probabilities that sum to 1.*end the network with a softmax",
            id="no softmax",
        ),
        pytest.param(
            """
class Always(layers.Layer):
    def call(self, x):
        return keras.random.dropout(x, 0.5)

def tiny(*_): return keras.Sequential([layers.Flatten(), Always(), layers.Dense(10, activation='softmax')])
""",
            "expected equal outputs for equal images.*is random at inference",
            id="dropout when it answers",
        ),
        pytest.param(
            """
class Centred(layers.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0)

def tiny(*_): return keras.Sequential([layers.Flatten(), Centred(), layers.Dense(10, activation='softmax')])
""",
            "expected an output that depends on its image alone.*mixes the images of a batch",
            id="mean over the batch",
        ),
        pytest.param(
            """
class Brightest(layers.Layer):
    def call(self, x):
        return x / keras.ops.max(x)

def tiny(*_): return keras.Sequential([layers.Flatten(), Brightest(), layers.Dense(10, activation='softmax')])
""",
            "expected an output that depends on its image alone.*mixes the images of a batch",
            id="scaled by the brightest of the batch",
        ),
        pytest.param(
            """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Flatten(), layers.Dense(8), layers.BatchNormalization(), layers.Dense(10, 'softmax')]
    def call(self, x):
        flat, dense, norm, last = self.parts
        return last(norm(dense(flat(x)), training=True))

def tiny(*_): return Net()
""",
            "expected an output that depends on its image alone.*mixes the images of a batch",
            id="batch norm in training mode",
        ),
    ],
)
def test_own_network_is_refused_with_the_reason(own_module, body, refusal):
    own_module(body)

    with pytest.raises(FitError, match=f"(?s)own_network:tiny.*{refusal}"):
        build_network(own_recipe("own_network:tiny"), MNIST, 10)


def test_a_module_that_is_nowhere_is_refused_with_the_form_of_a_builder():
    with pytest.raises(FitError, match=r"expected 'package\.module:function', installed or below the current folder"):
        build_network(own_recipe("no_such_module:tiny"), MNIST, 10)


def test_networks_answer_probabilities():
    images = np.random.default_rng(0).random((3, *MNIST), dtype=np.float32)
    answer = seed_cnn(MNIST, 10, PLAIN)(images).numpy()

    assert (3, 10) == answer.shape
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-6)
