"""A run of a person's own network goes on as it was, or is refused."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from tests.unit.own_networks import NET, OWN_STEP, compiled_recipe, train
from tests.unit.small_fits import own_recipe
from training.errors import FitError
from training.fit.run_state import RunState

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


HALF = NET + "    keras.config.set_dtype_policy('mixed_float16')\n    return plain(image_shape, classes)\n"


@pytest.mark.parametrize(
    "body",
    [HALF, HALF.replace("return plain(", "model = plain(") + "    model.compile('adam', 'mse')\n    return model\n"],
    ids=["the recipe's optimizer", "the builder's optimizer"],
)
def test_a_run_in_half_precision_that_was_stopped_ends_with_the_weights_of_an_undisturbed_one(
    module, tmp_path, monkeypatch, body
):
    builder = module(body)
    recipe = (compiled_recipe if "compile(" in body else own_recipe)(builder, epochs=4)
    undisturbed, _ = train(recipe, tmp_path / "undisturbed")
    stop_after(2, monkeypatch)
    with pytest.raises(FitError, match="everything up to epoch 2 is saved"):
        train(recipe, tmp_path / "run")
    monkeypatch.undo()
    resumed, said = train(recipe, tmp_path / "run", resume=True)

    assert "resumed after epoch 2\n" == said.splitlines(keepends=True)[0]
    assert [one.loss for one in undisturbed.history] == [one.loss for one in resumed.history]
    for expected, got in zip(undisturbed.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, got)


def stop_after(epochs, monkeypatch):
    """As if Ctrl-C came right after that epoch."""
    add_epoch = RunState.add_epoch

    def keep_and_stop(run, record):
        add_epoch(run, record)
        if record.epoch == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "add_epoch", keep_and_stop)


def test_a_builder_that_was_edited_cannot_go_on(module, tmp_path):
    body = NET + "    return plain(image_shape, classes)\n"
    train(own_recipe(module(body), epochs=1), tmp_path / "run")
    edited = module(body + "# the same layers, another text\n")

    with pytest.raises(FitError, match=r"another run; .*\n.*network\.builder: module own_fit_net: edited since"):
        train(own_recipe(edited, epochs=1), tmp_path / "run", resume=True)


def test_a_module_that_the_builder_imports_counts_like_the_builder(module, tmp_path):
    parts = "def head(classes):\n    return layers.Dense(classes, activation='softmax')\n"
    module(parts, "own_fit_parts")
    body = (
        f"{NET}    from own_fit_parts import head\n"
        "    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), head(classes)])\n"
    )
    train(own_recipe(module(body), epochs=1), tmp_path / "run")
    module(parts + "# edited\n", "own_fit_parts")

    with pytest.raises(FitError, match=r"network\.builder: module own_fit_parts: edited since"):
        train(own_recipe(module(body), epochs=1), tmp_path / "run", resume=True)


@pytest.mark.parametrize("named", ["in the recipe", "in the builder"])
def test_the_file_that_a_network_is_loaded_from_counts_like_the_builder(module, tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    base = keras.Sequential([keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    base.save("base.keras")
    source = "path" if named == "in the recipe" else "'base.keras'"
    builder = module(
        f"def net(image_shape, classes, regularisation, path=None):\n    return keras.models.load_model({source})\n"
    )
    arguments = {"arguments": {"path": "base.keras"}} if named == "in the recipe" else {}
    recipe = own_recipe(builder, epochs=1, **arguments)
    train(recipe, tmp_path / "run")
    again, _ = train(recipe, tmp_path / "run", resume=True)
    base.set_weights([weight + 1 for weight in base.get_weights()])
    base.save("base.keras")

    assert 1 == len(again.history)
    with pytest.raises(FitError, match=r"network\.builder: file base\.keras: edited since"):
        train(recipe, tmp_path / "run", resume=True)


def test_other_packages_are_a_word_and_no_refusal(module, tmp_path):
    recipe = own_recipe(module(NET + "    return plain(image_shape, classes)\n"), epochs=1)
    train(recipe, tmp_path / "run")
    saved = tmp_path / "run/checkpoints/epoch-0001/run.json"
    saved.write_text(saved.read_text().replace(f'"keras": "{keras.__version__}"', '"keras": "3.0.0"'))

    _, said = train(recipe, tmp_path / "run", resume=True)

    assert f"keras 3.0.0 then, {keras.__version__} now" in said


def test_a_run_of_a_release_that_kept_no_sources_goes_on(module, tmp_path):
    recipe = own_recipe(module(NET + "    return plain(image_shape, classes)\n"), epochs=1)
    train(recipe, tmp_path / "run")
    saved = tmp_path / "run/checkpoints/epoch-0001/run.json"
    run = json.loads(saved.read_text())
    for key in ("sources", "packages"):
        del run["identity"][key]
    for key in ("network.input_range", "network.compiled"):
        del run["identity"]["settings"][key]
    saved.write_text(json.dumps(run))

    result, _ = train(recipe, tmp_path / "run", resume=True)

    assert 1 == len(result.history)


def test_a_network_with_an_optimizer_of_its_own_does_not_go_on(module, tmp_path):
    body = OWN_STEP.format(step="train_step", body="return super().train_step(data)").replace(
        "        self.body", "        self.second = optimizers.SGD(0.1)\n        self.body", 1
    )
    recipe = own_recipe(module(body), epochs=1)
    train(recipe, tmp_path / "run")

    with pytest.raises(FitError, match=r"custom optimizers \(second\).*train without --resume"):
        train(recipe, tmp_path / "run", resume=True)
