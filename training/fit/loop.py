"""The second stage of the training job: train a recipe's network on a data set.

    result = fit(load_recipe("mnist"), dataset, run_dir=Path("runs/mnist"))
    result.model                     # keras.Model: float32 images, in the recipe's range -> probabilities
    result.history[-1].val_accuracy

With `resume=True` a killed or interrupted run continues after its last complete epoch, and ends with the same weights
as an uninterrupted run.
"""

from __future__ import annotations

import math
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from slipway.platform.signals import stop_requests
from training._tensorflow import keras, tf
from training.data import Dataset
from training.errors import FitError, error_summary
from training.fit.callbacks import EpochProgress, RunCallback, loss_remedy, map_training_errors
from training.fit.checkpoint import CheckpointFolder, RunIdentity
from training.fit.distributed_context import DistributedContext, choose_distributed_context
from training.fit.history import EpochRecord
from training.fit.input_pipeline import BatchPlan, training_batches, validation_batches
from training.fit.objective import Objective, check_custom_methods, choose_objective, custom_optimizers
from training.fit.pixel_scale import check_input_range
from training.fit.run_state import RunState, Variables
from training.fit.sources import source_digests
from training.networks import build_network
from training.recipe import Recipe

__all__ = ["EpochRecord", "FitResult", "fit"]

_VALIDATION_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """A trained network and its history.

    Attributes:
        model: Maps float32 images in the recipe's range to probabilities. The weights are the last epoch's, or the best
            epoch's with early stopping.
        history: One record per epoch, including those before a resume.
        kept: The epoch of the model's weights.
        stopped_early: Whether early stopping ended the run.
        seconds: Wall time of all epochs.
        images_per_s: Training images per second of that time, validation included.
    """

    model: keras.Model
    history: tuple[EpochRecord, ...]
    kept: EpochRecord
    stopped_early: bool
    seconds: float
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Session:
    """The inputs of one call of `fit`."""

    recipe: Recipe
    dataset: Dataset
    run_dir: Path
    context: DistributedContext
    console: Console
    plan: BatchPlan

    def build_network(self) -> keras.Model:
        return build_network(self.recipe, self.dataset.image_shape, len(self.dataset.labels))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Network:
    """The builder's network, its objective, and the compiled model, which shares its variables."""

    built: keras.Model
    objective: Objective
    model: keras.Model


def fit(
    recipe: Recipe,
    dataset: Dataset,
    *,
    run_dir: Path,
    resume: bool = False,
    console: Console | None = None,
    context: DistributedContext | None = None,
) -> FitResult:
    """Train.

    Makes TensorFlow deterministic for this process, so that runs with equal seeds are equal on one machine.

    Args:
        recipe: The recipe.
        dataset: The data set; its test split is not used.
        run_dir: Folder for `checkpoints/` and `tensorboard/`. Workers of one run share it; only the chief writes.
        resume: Continue after the last complete epoch in `run_dir`; if there is none, start from the beginning, with a
            note. Without it, checkpoints of an earlier run in `run_dir` are removed.
        console: Console for progress.
        context: The distributed context; by default from TF_CONFIG and the GPUs.

    Raises:
        FitError: The network cannot be built or trained on this data, its loss became NaN, `run_dir` belongs to
            another run, or a checkpoint cannot be written.
        FitInterrupted: Ctrl-C or SIGTERM.
    """
    session = _start(recipe, dataset, run_dir, console, context or choose_distributed_context())
    network = _compiled_network(session)
    run = RunState(
        variables=Variables(network.built, network.model.optimizer),
        identity=RunIdentity.of(recipe, dataset.digest, sources=source_digests(recipe.network)),
        folder=CheckpointFolder(run_dir / "checkpoints"),
        patience=recipe.fit.early_stopping_patience,
        writes=session.context.is_chief,
    )
    _restore(session, run, resume=resume)
    if run.history and (custom := custom_optimizers(network.built)):
        raise FitError(
            f"--resume: the network has custom optimizers ({', '.join(custom)}), whose state is not saved in "
            "checkpoints, so the run cannot be resumed exactly: train without --resume"
        )
    if len(run.history) < session.plan.epochs and not run.patience_is_over:
        _train(session, network, run)
    kept = run.restore_best()
    model = network.built
    if session.context.devices > 1:  # a model that needs neither the strategy nor the other workers
        model = session.build_network()
        model.set_weights(network.built.get_weights())
    return _result(model, run, session.plan, kept=kept)


def _start(
    recipe: Recipe, dataset: Dataset, run_dir: Path, console: Console | None, context: DistributedContext
) -> _Session:
    context.check_batch_size(recipe.fit.batch_size)
    session = _Session(
        recipe=recipe,
        dataset=dataset,
        run_dir=run_dir,
        context=context,
        console=(console or Console()) if context.is_chief else Console(quiet=True),
        plan=BatchPlan.of(recipe, images=len(dataset.train.images)),
    )
    keras.utils.set_random_seed(recipe.seed)
    tf.config.experimental.enable_op_determinism()
    return session


def _compiled_network(session: _Session) -> _Network:
    """Build the recipe's network, check its pixel range, and compile it for the session's devices."""
    recipe, context, classes = session.recipe, session.context, len(session.dataset.labels)
    where = f"network.builder {recipe.network.builder}"
    with context.scope():
        built = session.build_network()
        check_input_range(built, recipe, session.dataset)
        objective = choose_objective(built, recipe, session.plan, classes=classes)
    check_custom_methods(built, where, workers=context.workers)
    try:
        model = context.compile(built, objective, session.dataset.image_shape)
    except Exception as exc:  # user code may raise anything
        raise FitError(f"{where}: the network cannot be compiled: {error_summary(exc)}") from exc
    return _Network(built=built, objective=objective, model=model)


def _restore(session: _Session, run: RunState, *, resume: bool) -> None:
    if resume:
        if packages := run.resume():
            session.console.print(f"resumed with other packages, so the last digits may differ: {'; '.join(packages)}")
        session.context.check_agreement("epochs to resume after", len(run.history))
        if run.history:
            session.console.print(f"resumed after epoch {len(run.history)}")
        else:
            session.console.print(f"nothing to resume in {session.run_dir}: starting from the beginning")
    elif session.context.is_chief:
        run.discard_checkpoints()
        shutil.rmtree(session.run_dir / "tensorboard", ignore_errors=True)


def _train(session: _Session, network: _Network, run: RunState) -> None:
    """Train the remaining epochs, with a progress bar, until the last one, early stopping or a signal."""
    context, plan = session.context, session.plan
    with (
        map_training_errors(run, session.run_dir, workers=context.workers),
        stop_requests() as stop,
        EpochProgress(session.console, epochs=plan.epochs, steps=plan.steps_per_epoch) as progress,
    ):
        training, validation = _batches(session, network.objective, first_epoch=len(run.history))
        with context.fit_scope():
            network.model.fit(
                training,
                initial_epoch=len(run.history),
                epochs=plan.epochs,
                steps_per_epoch=plan.steps_per_epoch,
                validation_data=validation,
                validation_steps=math.ceil(len(session.dataset.validation.images) / _VALIDATION_BATCH_SIZE),
                callbacks=_callbacks(session, network, run, progress, stop),
                shuffle=False,  # done by the pipeline
                verbose=0,  # Slipway has its own progress bar
            )


def _batches(session: _Session, objective: Objective, *, first_epoch: int) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training batches from that epoch on (0 is the first), and validation batches, for every device."""
    dataset, plan = session.dataset, session.plan
    one_hot = len(dataset.labels) if objective.labels == "one_hot" else None
    training = session.context.distribute(
        lambda share: training_batches(dataset.train, plan, first_epoch=first_epoch, one_hot=one_hot, share=share)
    )
    validation = session.context.distribute(
        lambda share: validation_batches(
            dataset.validation,
            batch_size=_VALIDATION_BATCH_SIZE,
            input_range=plan.input_range,
            one_hot=one_hot,
            share=share,
        )
    )
    return training, validation


def _callbacks(
    session: _Session, network: _Network, run: RunState, progress: EpochProgress, stop: threading.Event
) -> list[keras.callbacks.Callback]:
    run_callback = RunCallback(run, progress, stop=stop, remedy=loss_remedy(session.recipe))
    folder = session.run_dir / "tensorboard"
    boards = [keras.callbacks.TensorBoard(folder, write_graph=False)] if session.context.is_chief else []
    return [*session.context.callbacks(network.built), run_callback, *boards]


def _result(model: keras.Model, run: RunState, plan: BatchPlan, *, kept: EpochRecord) -> FitResult:
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
