"""Networks of a person's own: compiled, with steps of their own, in half precision, edited between stop and resume."""

from __future__ import annotations

import io
import json
import sys

import keras
import numpy as np
import pytest
from rich.console import Console

from tests.unit.small_fits import STRIPES, own_recipe
from training.errors import FitError
from training.fit.loop import fit
from training.fit.run_state import RunState
from training.recipe import Recipe

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

HEAD = """
import keras
from keras import layers, losses, metrics, optimizers, ops

def plain(image_shape, classes, last="softmax"):
    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), layers.Dense(8, activation="relu"),
        layers.Dropout(0.2), layers.Dense(classes, activation=last, dtype="float32")])

"""
NET = "def net(image_shape, classes, regularisation):\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module with a builder `net`; every process finds it anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(body, name="own_fit_net"):
        (tmp_path / f"{name}.py").write_text(HEAD + body)
        sys.modules.pop(name, None)
        return f"{name}:net"

    yield write
    for name in ("own_fit_net", "own_fit_parts"):
        sys.modules.pop(name, None)
    keras.config.set_dtype_policy("float32")


def compiled(arguments):
    return f"{NET}    model = plain(image_shape, classes)\n    model.compile({arguments})\n    return model\n"


def compiled_recipe(builder, *, compiled="use", epochs=2):
    document = own_recipe(builder, epochs=epochs, compiled=None).model_dump()
    document["network"]["compiled"] = compiled
    if compiled == "use":
        del document["optimizer"]
    return Recipe.model_validate(document)


def train(recipe, run_dir, *, resume=False):
    console = Console(file=io.StringIO(), width=300)
    result = fit(recipe, STRIPES, run_dir=run_dir, resume=resume, console=console)
    return result, console.file.getvalue()


def test_a_compiled_network_is_refused_unless_the_recipe_says_what_becomes_of_that(module, tmp_path):
    builder = module(compiled("optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy()"))

    with pytest.raises(
        FitError, match=r"optimizer SGD and the loss SparseCategorical.*`compiled: use`.*`compiled: dis"
    ):
        train(own_recipe(builder), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_is_not_compiled_cannot_be_used_compiled(module, tmp_path):
    builder = module(NET + "    return plain(image_shape, classes)\n")

    with pytest.raises(FitError, match=r"`compiled: use` expects a compiled network"):
        train(compiled_recipe(builder), tmp_path / "run")


@pytest.mark.parametrize(
    "loss",
    [
        "losses.CategoricalFocalCrossentropy()",
        "'categorical_crossentropy'",
        "'sparse_categorical_crossentropy'",
        "losses.MeanSquaredError()",
        "lambda truth, answers: ops.mean(ops.square(answers - truth), axis=-1)",
    ],
)
def test_what_the_builder_compiled_is_what_trains(module, tmp_path, loss):
    builder = module(compiled(f"optimizers.SGD(0.125, momentum=0.5), {loss}"))

    result, _ = train(compiled_recipe(builder, epochs=25), tmp_path / "run")

    assert 0.125 == result.history[-1].learning_rate
    assert "SGD" == type(result.model.optimizer).__name__
    assert 0.9 < result.history[-1].val_accuracy


def test_metrics_of_the_builder_get_an_accuracy_beside_them(module, tmp_path):
    builder = module(
        compiled("'adam', 'sparse_categorical_crossentropy', metrics=[metrics.SparseTopKCategoricalAccuracy(2)]")
    )

    result, _ = train(compiled_recipe(builder), tmp_path / "run")
    answers = np.asarray(result.model(STRIPES.validation.images.astype(np.float32) / 255)).argmax(axis=1)

    assert (answers == STRIPES.validation.labels).mean() == pytest.approx(result.history[-1].val_accuracy)


@pytest.mark.parametrize(
    ("loss", "metric", "got"),
    [
        ("'categorical_crossentropy'", "metrics.Accuracy()", "got 0% and 0%"),
        ("'categorical_crossentropy'", "metrics.BinaryAccuracy(name='accuracy')", "got 100% and 33%"),
        ("'sparse_categorical_crossentropy'", "metrics.Accuracy()", "got .*Error and .*Error"),
        ("'sparse_categorical_crossentropy'", "metrics.CategoricalAccuracy(name='accuracy')", "got "),
    ],
    ids=["exact equality", "of each value", "exact equality of an index", "of one-hot rows"],
)
def test_a_metric_called_accuracy_that_is_none_is_refused(module, tmp_path, loss, metric, got):
    builder = module(compiled(f"'adam', {loss}, metrics=[{metric}]"))

    with pytest.raises(FitError, match=rf"not the share of correct predictions.*{got}.*Use metrics=\['accuracy'\]"):
        train(compiled_recipe(builder), tmp_path / "run")


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("'categorical_crossentropy'", "metrics.CategoricalAccuracy(name='accuracy')"),
        ("'sparse_categorical_crossentropy'", "metrics.SparseCategoricalAccuracy(name='accuracy')"),
        ("'sparse_categorical_crossentropy'", "'accuracy'"),
    ],
)
def test_a_metric_called_accuracy_that_is_one_is_used(module, tmp_path, loss, metric):
    result, _ = train(compiled_recipe(module(compiled(f"'adam', {loss}, metrics=[{metric}]"))), tmp_path / "run")
    answers = np.asarray(result.model(STRIPES.validation.images.astype(np.float32) / 255)).argmax(axis=1)

    assert (answers == STRIPES.validation.labels).mean() == pytest.approx(result.history[-1].val_accuracy)


def test_discarding_what_was_compiled_is_training_the_uncompiled_network(module, tmp_path):
    discarded, _ = train(
        compiled_recipe(module(compiled("'sgd', 'sparse_categorical_crossentropy'")), compiled="discard"),
        tmp_path / "discarded",
    )
    plain, _ = train(own_recipe(module(NET + "    return plain(image_shape, classes)\n")), tmp_path / "plain")

    for expected, got in zip(plain.model.get_weights(), discarded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ("'adam', losses.SparseCategoricalCrossentropy(from_logits=True)", "expects logits.*from_logits=False"),
        ("'adam', lambda truth, answers: ops.sum(answers, axis=-1)", "prefers correct predictions neither"),
        ("'adam', lambda truth, answers: 1 / 0", "neither with .*index: ZeroDivisionError"),
        ("'adam'", "compiled without a loss"),
    ],
    ids=["logits", "blind", "broken", "none"],
)
def test_a_compiled_loss_that_cannot_train_a_classifier_is_refused(module, tmp_path, arguments, refusal):
    with pytest.raises(FitError, match=f"own_fit_net:net: .*{refusal}"):
        train(compiled_recipe(module(compiled(arguments))), tmp_path / "run")


def test_an_optimizer_in_the_recipe_beside_the_builders_is_refused():
    document = own_recipe("my:net").model_dump()
    document["network"]["compiled"] = "use"

    with pytest.raises(ValueError, match=r"expected no such section beside network\.compiled: use"):
        Recipe.model_validate(document)


OWN_STEP = """
class Own(keras.Model):
    def __init__(self, image_shape, classes):
        super().__init__()
        self.body = plain(image_shape, classes)

    def call(self, images, training=None):
        return self.body(images, training=training)

    def {step}(self, data):
        {body}

def net(image_shape, classes, regularisation):
    model = Own(image_shape, classes)
    model.build((None, *image_shape))
    return model
"""


@pytest.mark.parametrize(
    ("step", "body", "refusal"),
    [
        (
            "train_step",
            "return {'my_loss': ops.mean(data[1])}",
            "train_step: expected .* 'loss' and 'accuracy', got no",
        ),
        ("test_step", "return {'loss': ops.cast(1, 'float32')}", "test_step: expected .*got no 'val_accuracy'"),
        ("train_step", "raise KeyError('x')", "training failed: KeyError"),
        ("train_step", "return None", "training failed: .*|train_step: expected"),
        ("compile", "raise TypeError", r"overrides compile\(\)"),
    ],
)
def test_steps_that_do_not_tell_what_is_needed_are_refused_in_one_sentence(module, tmp_path, step, body, refusal):
    with pytest.raises(FitError, match=refusal):
        train(own_recipe(module(OWN_STEP.format(step=step, body=body))), tmp_path / "run")


def test_a_train_step_of_ones_own_that_tells_everything_trains(module, tmp_path):
    builder = module(OWN_STEP.format(step="train_step", body="return super().train_step(data)"))

    result, _ = train(own_recipe(builder, epochs=15), tmp_path / "run")

    assert 0.9 < result.history[-1].val_accuracy


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
    with pytest.raises(FitError, match="everything up to epoch 2 is kept"):
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
