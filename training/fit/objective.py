"""The training objective: the recipe's loss and optimizer, or those that the builder compiled.

    objective = choose_objective(model, recipe, plan, classes=10)
    context.compile(model, objective, (28, 28, 1))

A compiled objective is never discarded silently: `network.compiled` must be `use` or `discard`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training._tensorflow import keras
from training.errors import FitError
from training.fit.compiled_checks import ACCURACY, LabelForm, check_accuracy, display_name, label_form
from training.fit.input_pipeline import BatchPlan
from training.recipe import OptimizerSettings, Recipe

__all__ = ["Objective", "build_optimizer", "check_custom_methods", "choose_objective", "custom_optimizers"]

_NOT_DECAYED = ["bias", "gamma", "beta"]
"""Variables without weight decay: offsets, and the scales of batch norm."""

_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """The arguments of `compile`.

    Attributes:
        optimizer: The optimizer; Keras wraps it for the policy `mixed_float16`.
        loss: A loss, its name, or None for a custom `train_step`.
        loss_weights: Argument of `compile`.
        metrics: Metrics, of which one is called `accuracy`.
        weighted_metrics: Argument of `compile`.
        run_eagerly: Argument of `compile`.
        labels: Label format of the loss: class index or one-hot.
    """

    optimizer: keras.optimizers.Optimizer
    loss: Any = "sparse_categorical_crossentropy"
    loss_weights: Any = None
    metrics: tuple[Any, ...] = (ACCURACY,)
    weighted_metrics: Any = None
    run_eagerly: bool = False
    labels: LabelForm = "index"


def choose_objective(model: keras.Model, recipe: Recipe, plan: BatchPlan, *, classes: int) -> Objective:
    """The recipe's objective, or the builder's if the recipe says so.

    Raises:
        FitError: `network.compiled` does not match what the builder does, or the compiled loss cannot be used; names
            the right setting.
    """
    where = f"network.builder {recipe.network.builder}"
    if recipe.network.compiled == "use":
        if not model.compiled:
            raise FitError(
                f"{where}: `compiled: use` expects a compiled network, got an uncompiled one: call model.compile(...) "
                "in the builder, or remove `compiled` from the recipe"
            )
        return _compiled(where, model, classes)
    if model.compiled and recipe.network.compiled is None:
        raise FitError(
            f"{where}: the network is compiled, with {_describe(model)}. Set `compiled: use` under `network:` to "
            "train with that, or `compiled: discard` to train with the recipe's optimizer and crossentropy; "
            "keras.models.load_model(path, compile=False) loads a network uncompiled"
        )
    optimizer = build_optimizer(recipe.optimizer, epochs=plan.epochs, steps_per_epoch=plan.steps_per_epoch)
    return Objective(optimizer=optimizer)


def check_custom_methods(model: keras.Model, where: str, *, workers: int) -> None:
    """Reject a network with custom methods that are not supported.

    Args:
        model: The builder's network.
        where: Its name in errors.
        workers: Processes that train together.

    Raises:
        FitError: It overrides `compile`, or has custom steps that several workers cannot share.
    """
    if type(model).compile is not keras.Model.compile:
        raise FitError(
            f"{where}: the network overrides compile(): expected Keras' method; move its additions to __init__"
        )
    if workers > 1 and (steps := _custom_steps(model)):
        raise FitError(
            f"{where}: the network overrides {steps[0]}(), which the workers of TF_CONFIG cannot share: train "
            "on one machine, or without it"
        )


def custom_optimizers(model: keras.Model) -> tuple[str, ...]:
    """Attributes with an optimizer that is not passed to `compile`."""
    known = {id(model.optimizer), id(getattr(model.optimizer, "inner_optimizer", None))}
    return tuple(
        name
        for name, value in vars(model).items()
        if isinstance(value, keras.optimizers.Optimizer) and name != "_optimizer" and id(value) not in known
    )


def _custom_steps(model: keras.Model) -> tuple[str, ...]:
    """Training methods of Keras that the network overrides."""
    return tuple(name for name in _STEPS if getattr(type(model), name) is not getattr(keras.Model, name))


def _compiled(where: str, model: keras.Model, classes: int) -> Objective:
    config: Mapping[str, Any] = model._compile_config.config  # noqa: SLF001  # the public attribute is serialised
    loss = _only(config["loss"])
    labels: LabelForm = "index"
    if loss is not None:
        labels = label_form(where, loss, classes)
    elif not {"train_step", "compute_loss"} & set(_custom_steps(model)):
        raise FitError(f"{where}: the network is compiled without a loss: set one in model.compile(loss=...)")
    metrics = list(_flat(config["metrics"]))
    if named := next((metric for metric in metrics if _called_accuracy(metric)), None):
        check_accuracy(where, named, classes, labels)
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


def _only(loss: Any) -> Any:  # noqa: ANN401
    """The loss of the single output, also from a list or mapping."""
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
    return f"the optimizer {display_name(model.optimizer)} and the loss {display_name(_only(loss))}"


def build_optimizer(settings: OptimizerSettings, *, epochs: int, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Build the recipe's optimizer with its learning-rate schedule.

    The schedule counts steps, which are part of the optimizer's state: a restored state continues the schedule.
    """
    rate = _learning_rate(settings, epochs=epochs, steps_per_epoch=steps_per_epoch)
    match settings.name:
        case "adam":
            return keras.optimizers.Adam(rate)
        case "sgd":
            return keras.optimizers.SGD(rate, momentum=0.9)
        case "adamw":
            optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
            return optimizer


def _learning_rate(
    settings: OptimizerSettings, *, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    warmup_steps = round(settings.warmup_epochs * steps_per_epoch)
    if settings.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else settings.learning_rate,
            decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
            warmup_target=settings.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    if warmup_steps:  # a polynomial of power 1 that ends at the peak and stays there
        return keras.optimizers.schedules.PolynomialDecay(
            0.0, decay_steps=warmup_steps, end_learning_rate=settings.learning_rate, power=1.0
        )
    return settings.learning_rate
