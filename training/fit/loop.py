"""Train a recipe's network on a data set.

    result = fit(load_recipe("mnist"), dataset, run_dir=Path("runs/mnist"))
    result.model                     # keras.Model: float32 images, in the recipe's range -> probabilities
    result.history[-1].val_accuracy

A run that was killed or interrupted goes on after its last whole epoch with `resume=True`, and ends with the very
weights of a run that nobody disturbed.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from slipway.errors import SlipwayError
from slipway.platform.signals import stop_requests
from training._tensorflow import keras, tf
from training.data import Dataset
from training.errors import FitError, FitInterrupted, in_short, is_full_disk
from training.fit.callbacks import RunCallback
from training.fit.checkpoint import CheckpointFolder, RunIdentity
from training.fit.distribution import Placement, choose_placement
from training.fit.history import EpochRecord
from training.fit.input_pipeline import BatchPlan, training_batches, validation_batches
from training.fit.objective import Objective, choose_objective, own_optimizers, own_steps
from training.fit.pixel_scale import refuse_other_range
from training.fit.progress import EpochProgress
from training.fit.run_state import Run, Variables
from training.fit.sources import sources_of
from training.networks import build_network
from training.recipe import Recipe

__all__ = ["EpochRecord", "FitResult", "fit"]

_VALIDATION_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """A trained network and how it came about.

    Attributes:
        model: Takes float32 images in the range that the recipe names, answers probabilities. The weights are the last
            epoch's, or the best epoch's where the recipe stops early.
        history: One record per epoch, those before a resume included.
        kept: The epoch that the model's weights are from.
        stopped_early: Whether patience ended the run before its last epoch.
        seconds: Wall time of all epochs.
        images_per_s: Training images per second of that time, validation included.
    """

    model: keras.Model
    history: tuple[EpochRecord, ...]
    kept: EpochRecord
    stopped_early: bool
    seconds: float
    images_per_s: float


def fit(
    recipe: Recipe,
    dataset: Dataset,
    *,
    run_dir: Path,
    resume: bool = False,
    console: Console | None = None,
    placement: Placement | None = None,
) -> FitResult:
    """Train.

    Makes TensorFlow deterministic for this process, so that two runs with one seed are equal on one machine.

    Args:
        recipe: What to train.
        dataset: What on; its test split is not touched.
        run_dir: Gets `checkpoints/` and `tensorboard/`. Workers of one run share it; only the chief writes.
        resume: Go on after the last whole epoch in `run_dir`; start afresh, with a note, when there is none. Without
            it, what an earlier run left in `run_dir` is replaced.
        console: For progress.
        placement: Where to compute; by default what TF_CONFIG and the GPUs say.

    Raises:
        FitError: The network cannot be built or trained on this data, its loss became NaN, the run in `run_dir` is
            another one, a checkpoint cannot be written, or somebody pressed Ctrl-C.
    """
    placement = placement or choose_placement()
    console = (console or Console()) if placement.is_chief else Console(quiet=True)
    placement.check_batch_size(recipe.fit.batch_size)
    plan = BatchPlan.of(recipe, images=len(dataset.train.images))
    keras.utils.set_random_seed(recipe.seed)
    tf.config.experimental.enable_op_determinism()
    with placement.scope():
        model = build_network(recipe, dataset.image_shape, len(dataset.labels))
        refuse_other_range(model, recipe, dataset)
        objective = choose_objective(model, recipe, plan, classes=len(dataset.labels))
    trainee = _compiled(placement, model, objective, recipe, dataset)
    run = Run(
        variables=Variables(model, trainee.optimizer),
        identity=RunIdentity.of(recipe, dataset.digest, sources=sources_of(recipe.network)),
        folder=CheckpointFolder(run_dir / "checkpoints"),
        patience=recipe.fit.early_stopping_patience,
        writes=placement.is_chief,
    )
    _take_up(run, run_dir, resume=resume, placement=placement, console=console)
    if run.history and (uncounted := own_optimizers(model)):
        raise FitError(
            f"--resume: the network has optimizers of its own ({', '.join(uncounted)}), whose state no checkpoint "
            "holds, so it would not go on as it was: train without --resume"
        )
    if len(run.history) < plan.epochs and not run.patience_is_over:
        with (
            _explained(run, run_dir, workers=placement.workers),
            stop_requests() as stop,
            EpochProgress(console, epochs=plan.epochs, steps=plan.steps_per_epoch) as progress,
        ):
            callbacks = [
                *placement.callbacks(model),
                RunCallback(run, progress, stop=stop, remedy=_loss_remedy(recipe)),
            ]
            if placement.is_chief:
                callbacks.append(keras.callbacks.TensorBoard(run_dir / "tensorboard", write_graph=False))
            _train(trainee, dataset, plan, run=run, placement=placement, objective=objective, callbacks=callbacks)
    kept = run.restore_best()
    if placement.devices > 1:  # a model that needs neither the strategy nor the other workers to answer
        weights, model = model.get_weights(), build_network(recipe, dataset.image_shape, len(dataset.labels))
        model.set_weights(weights)
    return _result(model, run, plan, kept=kept)


def _compiled(
    placement: Placement, model: keras.Model, objective: Objective, recipe: Recipe, dataset: Dataset
) -> keras.Model:
    where = f"network.builder {recipe.network.builder}"
    if type(model).compile is not keras.Model.compile:
        raise FitError(f"{where}: the network has a compile() of its own: expected Keras'; keep its extras in __init__")
    if placement.workers > 1 and (steps := own_steps(model)):
        raise FitError(
            f"{where}: the network has a {steps[0]}() of its own, which the workers of TF_CONFIG cannot share: train "
            "on one machine, or without it"
        )
    try:
        return placement.compile(model, objective, dataset.image_shape)
    except Exception as exc:  # a person's own loss, metrics and optimizer may raise anything
        raise FitError(f"{where}: the network cannot be compiled: {in_short(exc)}") from exc


def _loss_remedy(recipe: Recipe) -> str:
    if recipe.network.compiled == "use":
        return f"lower the learning rate that {recipe.network.builder} compiles its optimizer with"
    return f"lower optimizer.learning_rate (now {recipe.optimizer.learning_rate:g}) or lengthen optimizer.warmup_epochs"


def _take_up(run: Run, run_dir: Path, *, resume: bool, placement: Placement, console: Console) -> None:
    if resume:
        if packages := run.resume():
            console.print(f"resumed with other packages, so the last digits may differ: {'; '.join(packages)}")
        placement.check_agreement("epochs to resume after", len(run.history))
        if run.history:
            console.print(f"resumed after epoch {len(run.history)}")
        else:
            console.print(f"nothing to resume in {run_dir}: starting afresh")
    elif placement.is_chief:
        run.start_afresh()
        shutil.rmtree(run_dir / "tensorboard", ignore_errors=True)


def _train(
    trainee: keras.Model,
    dataset: Dataset,
    plan: BatchPlan,
    *,
    run: Run,
    placement: Placement,
    objective: Objective,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    first_epoch = len(run.history)
    one_hot = len(dataset.labels) if objective.labels == "one_hot" else None
    training = placement.distribute(
        lambda share: training_batches(dataset.train, plan, first_epoch=first_epoch, one_hot=one_hot, share=share)
    )
    validation = placement.distribute(
        lambda share: validation_batches(
            dataset.validation, batch_size=_VALIDATION_BATCH_SIZE, takes=plan.takes, one_hot=one_hot, share=share
        )
    )
    with placement.fit_scope():
        trainee.fit(
            training,
            initial_epoch=first_epoch,
            epochs=plan.epochs,
            steps_per_epoch=plan.steps_per_epoch,
            validation_data=validation,
            validation_steps=math.ceil(len(dataset.validation.images) / _VALIDATION_BATCH_SIZE),
            callbacks=callbacks,
            shuffle=False,  # the pipeline does it
            verbose=0,  # ours does it
        )


@contextmanager
def _explained(run: Run, run_dir: Path, *, workers: int) -> Iterator[None]:
    """Turn what stops a run from outside into one sentence with the way on."""
    try:
        yield
    except KeyboardInterrupt as exc:
        raise FitInterrupted(f"interrupted; {_way_on(run, run_dir)}") from exc
    except SlipwayError:
        raise
    except Exception as exc:  # Keras, TensorFlow and a person's own layers each have their own
        if is_full_disk(exc):
            raise FitError(f"{run_dir}: no space left on the device; make room, then: {_way_on(run, run_dir)}") from exc
        if isinstance(exc, tf.errors.ResourceExhaustedError):
            raise FitError(f"out of memory: lower fit.batch_size; {in_short(exc)}") from exc
        if workers > 1 and isinstance(exc, tf.errors.OpError):
            reason = type(exc).__name__
            raise FitError(f"another worker is gone ({reason}); {_way_on(run, run_dir)}, on every worker") from exc
        raise FitError(f"training failed: {in_short(exc)}; {_way_on(run, run_dir)}") from exc


def _way_on(run: Run, run_dir: Path) -> str:
    if not run.history:
        return "no epoch was finished yet: start again"
    return f"everything up to epoch {len(run.history)} is kept in {run_dir}: go on with --resume"


def _result(model: keras.Model, run: Run, plan: BatchPlan, *, kept: EpochRecord) -> FitResult:
    seconds = sum(record.seconds for record in run.history)
    images = len(run.history) * plan.steps_per_epoch * plan.batch_size
    return FitResult(
        model=model,
        history=tuple(run.history),
        kept=kept,
        stopped_early=run.patience_is_over and len(run.history) < plan.epochs,
        seconds=seconds,
        images_per_s=images / seconds,
    )
