"""By what a network is trained: the recipe's loss and optimizer, or those that its builder compiled.

    objective = choose_objective(model, recipe, plan, classes=10)
    placement.compile(model, objective, (28, 28, 1))

What a builder compiled is never thrown away unasked: `network.compiled` says `use` or `discard`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training._tensorflow import keras
from training.errors import FitError
from training.fit.input_pipeline import BatchPlan
from training.fit.optimizers import build_optimizer
from training.recipe import Recipe

__all__ = ["LabelForm", "Objective", "choose_objective", "own_optimizers", "own_steps"]

LabelForm = Literal["index", "one_hot"]

ACCURACY = "accuracy"

_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """What `compile` is told.

    Attributes:
        optimizer: Keras wraps it for the policy `mixed_float16`.
        loss: A loss, its name, or None where the network's own `train_step` knows.
        loss_weights: As `compile` takes it.
        metrics: One of them is called `accuracy`.
        weighted_metrics: As `compile` takes it.
        run_eagerly: Whether the builder asked for it.
        labels: How the loss takes them: the index of the class, or a row with a 1 at it.
    """

    optimizer: keras.optimizers.Optimizer
    loss: Any = "sparse_categorical_crossentropy"
    loss_weights: Any = None
    metrics: tuple[Any, ...] = (ACCURACY,)
    weighted_metrics: Any = None
    run_eagerly: bool = False
    labels: LabelForm = "index"


def choose_objective(model: keras.Model, recipe: Recipe, plan: BatchPlan, *, classes: int) -> Objective:
    """The recipe's objective, or the builder's where the recipe asks for it.

    Raises:
        FitError: The builder compiled its network and the recipe does not say what is to become of that, or the
            other way round, or the compiled loss cannot be used; says the setting that is right.
    """
    where = f"network.builder {recipe.network.builder}"
    if recipe.network.compiled == "use":
        if not model.compiled:
            raise FitError(
                f"{where}: `compiled: use` expects a compiled network, got one that is not: call model.compile(...) in "
                "the builder, or take `compiled` out of the recipe"
            )
        return _compiled(where, model, classes)
    if model.compiled and recipe.network.compiled is None:
        raise FitError(
            f"{where}: the network comes compiled, with {_describe(model)}. Write `compiled: use` under `network:` to "
            "train with that, or `compiled: discard` to train with the recipe's optimizer and crossentropy; a saved "
            "network comes uncompiled with keras.models.load_model(path, compile=False)"
        )
    optimizer = build_optimizer(recipe.optimizer, epochs=plan.epochs, steps_per_epoch=plan.steps_per_epoch)
    return Objective(optimizer=optimizer)


def own_steps(model: keras.Model) -> tuple[str, ...]:
    """The methods by which the network trains itself, in place of Keras' own."""
    return tuple(name for name in _STEPS if getattr(type(model), name) is not getattr(keras.Model, name))


def own_optimizers(model: keras.Model) -> tuple[str, ...]:
    """Attributes that hold an optimizer which `compile` does not know."""
    known = {id(model.optimizer), id(getattr(model.optimizer, "inner_optimizer", None))}
    return tuple(
        name
        for name, value in vars(model).items()
        if isinstance(value, keras.optimizers.Optimizer) and name != "_optimizer" and id(value) not in known
    )


def _compiled(where: str, model: keras.Model, classes: int) -> Objective:
    config: Mapping[str, Any] = model._compile_config.config  # noqa: SLF001  # the public one is serialized
    loss = _only(config["loss"])
    labels: LabelForm = "index"
    if loss is not None:
        labels = _label_form(where, loss, classes)
    elif not {"train_step", "compute_loss"} & set(own_steps(model)):
        raise FitError(f"{where}: the network is compiled without a loss: name one in model.compile(loss=...)")
    metrics = list(_flat(config["metrics"]))
    if named := next((metric for metric in metrics if _called_accuracy(metric)), None):
        _check_accuracy(where, named, classes, labels)
    else:
        metrics.append(ACCURACY)
    return Objective(
        optimizer=model.optimizer,
        loss=loss,
        loss_weights=config["loss_weights"],
        metrics=tuple(metrics),
        weighted_metrics=config["weighted_metrics"],
        run_eagerly=bool(config["run_eagerly"]),
        labels=labels,
    )


def _label_form(where: str, loss: Any, classes: int) -> LabelForm:  # noqa: ANN401  # a name, function or object
    """Ask the loss about good and bad answers in either form: in the one that it takes, good ones cost less.

    An error alone would not tell: some losses spread `(batch,)` over `(batch, classes)` where the sizes allow it.
    """
    if _takes_logits(loss):
        raise FitError(
            f"{where}: the compiled loss {_name(loss)} expects logits, and what is served are probabilities: end the "
            "network with a softmax and compile the loss with from_logits=False"
        )
    truth = np.arange(classes + 1) % classes
    good, bad = (_answers(np.roll(truth, shift), classes) for shift in (0, 1))
    forms: tuple[tuple[LabelForm, NDArray[Any]], ...] = (
        ("index", truth),
        ("one_hot", np.eye(classes, dtype=np.float32)[truth]),
    )
    seen = []
    for form, labels in forms:
        try:
            cost = [float(np.mean(keras.losses.get(loss)(labels, answers))) for answers in (good, bad)]
        except Exception as exc:  # noqa: BLE001  # a person's own loss may raise anything
            seen.append(f"{form}: {type(exc).__name__}")
            continue
        if np.isfinite(cost).all() and cost[0] < cost[1]:
            return form
        seen.append(f"{form}: {cost[0]:.3g} for good answers, {cost[1]:.3g} for bad ones")
    raise FitError(
        f"{where}: the compiled loss {_name(loss)} prefers right answers to wrong ones neither with labels (batch,) "
        f"nor with one-hot rows (batch, {classes}); {'; '.join(seen)}. Compile a loss for one class per image"
    )


def _check_accuracy(where: str, metric: Any, classes: int, labels: LabelForm) -> None:  # noqa: ANN401
    """Refuse a metric called accuracy that is none: it would stand in the history and in the model card as one."""
    if not isinstance(metric, keras.metrics.Metric):
        return  # of the name `accuracy`, Keras makes the one that fits the labels
    try:
        probe = metric.from_config(metric.get_config())
    except Exception:  # noqa: BLE001  # a person's own metric need not be one that can be made again
        return
    truth = np.arange(2 * classes) % classes
    rows = truth if labels == "index" else np.eye(classes, dtype=np.float32)[truth]
    got = []
    for shift in (0, 1):
        probe.reset_state()
        try:
            probe.update_state(rows, _answers(np.roll(truth, shift), classes))
            got.append(f"{float(probe.result()):.0%}")
        except Exception as exc:  # noqa: BLE001  # a person's own metric may raise anything
            got.append(type(exc).__name__)
    if got != ["100%", "0%"]:
        raise FitError(
            f"{where}: the compiled metric {ACCURACY!r}, {_name(metric)}, is no share of right answers: expected 100% "
            f"for right ones and 0% for wrong ones, got {' and '.join(got)}. Write metrics=['accuracy'], from which "
            "Keras takes the right one"
        )


def _answers(truth: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return (0.9 * np.eye(classes)[truth] + 0.1 / classes).astype(np.float32)


def _takes_logits(loss: Any) -> bool:  # noqa: ANN401
    settings = getattr(loss, "_fn_kwargs", None) or {}
    return bool(getattr(loss, "from_logits", False) or settings.get("from_logits", False))


def _only(loss: Any) -> Any:  # noqa: ANN401
    """The loss of the one output, out of the list or mapping that `compile` also takes."""
    if isinstance(loss, Mapping) and len(loss) == 1:
        return next(iter(loss.values()))
    return loss[0] if isinstance(loss, list | tuple) and len(loss) == 1 else loss


def _flat(metrics: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(metrics, Mapping):
        metrics = list(metrics.values())
    if isinstance(metrics, list | tuple):
        for metric in metrics:
            yield from _flat(metric)
    elif metrics is not None:
        yield metrics


def _called_accuracy(metric: Any) -> bool:  # noqa: ANN401
    return metric == ACCURACY or getattr(metric, "name", None) == ACCURACY


def _describe(model: keras.Model) -> str:
    loss = model._compile_config.config["loss"]  # noqa: SLF001
    return f"the optimizer {_name(model.optimizer)} and the loss {_name(_only(loss))}"


def _name(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)
