"""Builders and recipes that are broken in every way that somebody has tried: only our errors come out."""

from __future__ import annotations

import sys

import pytest
import yaml
from rich.console import Console

from slipway.errors import SlipwayError
from tests.unit.small_fits import STRIPES, own_recipe
from training.errors import FitError, RecipeError
from training.fit.loop import fit
from training.recipe import RECIPES, load_recipe

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

HEAD = "import keras\nimport tensorflow as tf\nfrom keras import layers\n\n"
NET = "def net(image_shape, classes, regularisation):\n    "
IMAGE = "image = keras.Input(image_shape); flat = layers.Flatten()(image); "
SOFTMAX = "layers.Dense(classes, activation='softmax')(flat)"

BUILDERS = {
    "raises": ("raise RuntimeError('no \\x1b[31mway')", r"failed, arguments \{\}: RuntimeError: no way"),
    "exits": ("raise SystemExit(3)", r"called sys\.exit"),
    "returns nothing": ("keras.Input(image_shape)", "got NoneType; does it end with `return model`"),
    "returns a layer": ("return layers.Dense(classes)", "expected a keras.Model, got Dense"),
    "two outputs": (
        f"{IMAGE}return keras.Model(image, [{SOFTMAX}, {SOFTMAX}])",
        "expected one output, one probability per class, got list of 2",
    ),
    "named outputs": (
        f"{IMAGE}return keras.Model(image, {{'a': {SOFTMAX}, 'b': {SOFTMAX}}})",
        r"got dict of 2 \(a, b\): return a model with only",
    ),
    "two inputs": (
        f"{IMAGE}other = keras.Input((3,)); return keras.Model([image, other], {SOFTMAX})",
        "does not take float32 .* its one input",
    ),
    "one sigmoid": (
        f"{IMAGE}return keras.Model(image, layers.Dense(1, activation='sigmoid')(flat))",
        r"got \(batch, 1\); end the network with Dense\(3, activation='softmax'\)",
    ),
    "a sigmoid for each class": (
        f"{IMAGE}return keras.Model(image, layers.Dense(classes, activation='sigmoid')(flat))",
        "end the network with a softmax",
    ),
    "logits": (f"{IMAGE}return keras.Model(image, layers.Dense(classes)(flat))", "end the network with a softmax"),
    "logits of nought": (
        f"{IMAGE}return keras.Model(image, layers.Dense(classes, kernel_initializer='zeros')(flat))",
        "end the network with a softmax",
    ),
    "NaN": (f"{IMAGE}return keras.Model(image, {SOFTMAX} * float('nan'))", "got values from nan"),
    "classes": (f"{IMAGE}return keras.Model(image, keras.ops.argmax({SOFTMAX}, axis=-1))", "got int|got .batch"),
    "other images": (
        "return keras.Sequential([keras.Input((9, 9, 1)), layers.Flatten(), layers.Dense(classes)])",
        r"does not take float32 \(batch, 12, 12, 1\)",
    ),
    "too large": (
        f"{IMAGE}return keras.Model(image, layers.Dense(classes, activation='softmax')(layers.Dense(9)(flat)))",
        r"expected at most 1,000 parameters, which an ONNX file can hold, got 1,335",
    ),
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(body):
        (tmp_path / "broken_net.py").write_text(HEAD + body)
        return "broken_net:net"

    yield write
    sys.modules.pop("broken_net", None)


def train(recipe, tmp_path):
    fit(recipe, STRIPES, run_dir=tmp_path / "run", console=Console(quiet=True))


@pytest.mark.parametrize(("body", "words"), BUILDERS.values(), ids=BUILDERS)
def test_a_broken_builder_is_one_error_that_names_it(module, tmp_path, monkeypatch, body, words):
    if "1,000" in words:
        monkeypatch.setattr("training.builder.MAX_PARAMETERS", 1_000)

    with pytest.raises(FitError, match=f"broken_net:net.*{words}") as refused:
        train(own_recipe(module(NET + body)), tmp_path)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net = None\n", "expected a function, got NoneType"),
        ("def net(:\n", "cannot be imported: SyntaxError"),
        ("raise SystemExit('bye')\n", r"called sys\.exit"),
        ("def net(): pass\n", r"failed, arguments \{\}: TypeError: .*called as builder\(image_shape, classes"),
        ("def net(image_shape, classes, regularisation, width): pass\n", "TypeError: .*width"),
        ("", "AttributeError"),
    ],
)
def test_a_module_without_a_usable_builder_is_one_error(module, tmp_path, text, words):
    with pytest.raises(FitError, match=f"broken_net:net.*{words}"):
        train(own_recipe(module(text)), tmp_path)


@pytest.mark.parametrize("name", ["training", "wheel"], ids=["Slipway's", "another's"])
def test_a_folder_that_goes_by_the_name_of_a_package_is_refused(tmp_path, monkeypatch, name):
    """`my_net` is in no package of that name but the one that stands here; Python finds the other one."""
    monkeypatch.chdir(tmp_path)
    pytest.importorskip(name)
    (tmp_path / name).mkdir()
    (tmp_path / name / "my_net.py").write_text(HEAD + NET + "pass")

    with pytest.raises(FitError, match=rf"{name}/my_net\.py has the same name as .* rename the folder or file"):
        train(own_recipe(f"{name}.my_net:net"), tmp_path)


def test_a_file_that_ours_hides_is_refused_and_never_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "networks.py").write_text(HEAD + NET + "pass")

    with pytest.raises(FitError, match=r"has the same name as a package of Slipway"):
        train(own_recipe("training.networks:compact_cnn"), tmp_path)


RECIPE_CHANGES = {
    "a class where a name belongs": ({"model": "MyModel"}, r"model: .*lower-case.*got 'MyModel'"),
    "an empty name": ({"model": ""}, "model: .*lower-case"),
    "a path": ({"model": "../x"}, "model: .*lower-case"),
    "no text": ({"model": 7}, "model: "),
    "control characters": ({"description": "a\x1b[2J"}, "description: expected text without control characters"),
    "no section": ({"network": None}, "network: "),
    "a list": ({"fit": [1]}, "fit: "),
    "a huge batch": ({"serving.max_batch_size": 2**31}, r"serving\.max_batch_size: .*less than or equal to"),
    "huge instances": ({"serving.cpu.instances": 2**40}, r"serving\.cpu\.instances: "),
    "a huge delay": ({"serving.gpu.queue_delay_us": 2**70}, r"serving\.gpu\.queue_delay_us: "),
    "huge epochs": ({"fit.epochs": 10**30}, r"fit\.epochs: "),
    "an infinite rate": ({"optimizer.learning_rate": float("inf")}, r"optimizer\.learning_rate: "),
    "a rate that is none": ({"optimizer.learning_rate": float("nan")}, r"optimizer\.learning_rate: "),
    "true for a number": ({"fit.epochs": True}, r"fit\.epochs: "),
    "a huge seed": ({"seed": 2**31}, "seed: "),
    "few to validate": ({"dataset.validation_images": 3}, r"dataset\.validation_images: "),
    "another range": ({"network.input_range": "bytes"}, r"network\.input_range: .*'unit' or 'raw'"),
    "compiled and not": ({"network.compiled": True}, r"network\.compiled: "),
    "a number as argument's name": ({"network.arguments": {1: 2}}, r"network\.arguments"),
    "a builder of three parts": ({"network.builder": "a:b:c"}, r"network\.builder: "),
}


@pytest.mark.parametrize(("changes", "words"), RECIPE_CHANGES.values(), ids=RECIPE_CHANGES)
def test_an_impossible_recipe_is_one_error_that_names_the_key(tmp_path, changes, words):
    document = yaml.safe_load((RECIPES / "mnist.yaml").read_text())
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = document
        for section in sections:
            place = place[section]
        place[name] = value
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(document))

    with pytest.raises(RecipeError, match=words) as refused:
        load_recipe(str(path))
    assert isinstance(refused.value, SlipwayError)
