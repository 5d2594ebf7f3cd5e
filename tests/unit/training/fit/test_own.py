"""Networks of a person's own: compiled, with steps of their own, in half precision, edited between stop and resume."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.own_networks import NET, OWN_STEP, compiled, compiled_recipe, train
from tests.unit.small_fits import STRIPES, own_recipe
from training.errors import FitError
from training.recipe import Recipe

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


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
