"""The training job, end to end: data, fit, export, evaluation, gates, model card, publication.

    outcome = train_and_publish(TrainingRun(recipe=load_recipe("mnist"), ...), Steps(Console()))
    outcome.published.version

What is measured is the exported file, not the network that it came from: it is what will be served.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipway.contract import ModelContract
from slipway.repository import Published, check_publishable, model_files, publish
from slipway.samples import SAMPLES, Samples, write_samples
from training._tensorflow import keras
from training.card.card import ModelCard, TrainingFacts, build_card, write_card
from training.card.plots import Plot, draw_plots
from training.data import DataReport, Dataset, Split, inspect, load_dataset
from training.errors import DataRefused, GateRefused, written
from training.evaluate.gates import check_gates, refuse
from training.evaluate.metrics import evaluate
from training.export import OnnxFacts, Parity, describe_onnx, export_onnx, measure_parity, onnx_probabilities
from training.fit.distribution import choose_placement
from training.fit.loop import FitResult, fit
from training.published import MODEL_FILE, recall, remember, worse_than_before
from training.recipe import InputRange, Recipe
from training.steps import Steps

__all__ = ["Outcome", "TrainingRun", "train_and_publish"]

PARITY_IMAGES = 2_000
MAX_SAMPLES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What one run is asked to do.

    Attributes:
        recipe: What is trained.
        recipe_name: What people call it.
        repository: Model repository to publish into; None: do not publish.
        run_dir: Checkpoints, logs, model card. Files of an earlier run are replaced unless `resume`.
        own_data: A user's `.npz` in place of the recipe's data set.
        cache_dir: Where downloads are kept.
        resume: Go on after the last whole epoch; a model that the run has published already is not published again.
    """

    recipe: Recipe
    recipe_name: str
    repository: Path | None
    run_dir: Path
    own_data: Path | None = None
    cache_dir: Path | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a run came to.

    Attributes:
        dataset: What was trained on.
        model: The trained Keras network.
        takes: Range of the pixels that it takes.
        onnx_bytes: The file that was measured, and published.
        test_probabilities: Its answers for the test images, in their order: (n, classes).
        card: What is known of it.
        plots: Those of the card.
        published: None when the run was told not to publish.
    """

    dataset: Dataset
    model: keras.Model
    takes: InputRange
    onnx_bytes: bytes
    test_probabilities: NDArray[np.float32]
    card: ModelCard
    plots: tuple[Plot, ...]
    published: Published | None


def train_and_publish(run: TrainingRun, steps: Steps) -> Outcome | None:
    """Run the job; each step prints its line.

    Returns:
        None on a worker of a distributed run that is not the chief: it has helped to train, the chief does the rest.

    Raises:
        DataError: The data cannot be had, or would poison a model; nothing was trained.
        FitError: The network cannot be built, trained or resumed.
        ExportError: The network cannot be written as ONNX.
        GateRefused: The model is worse than its gates, or gets no test image right; nothing was published.
        RepositoryError: The repository cannot be published into; found before training where that is possible.
    """
    dataset, report = _get_data(run, steps)
    try:
        contract = run.recipe.contract(dataset.image_shape, dataset.labels, background=dataset.background)
    except ValueError as exc:
        raise DataRefused(f"{dataset.name} ({dataset.source}) cannot be served: {exc}") from exc
    if run.repository is not None:
        check_publishable(run.repository, contract)
    placement = choose_placement()
    with steps.step("fit") as note:
        fitted = fit(
            run.recipe, dataset, run_dir=run.run_dir, resume=run.resume, console=steps.console, placement=placement
        )
        stopped = ", stopped early" if fitted.stopped_early else ""
        note(
            f"{len(fitted.history)} epochs{stopped}, {fitted.images_per_s:,.0f} images/s, "
            f"validation accuracy {fitted.kept.val_accuracy:.2%} (epoch {fitted.kept.epoch})"
        )
    if not placement.is_chief:
        return None
    outcome = _measure(run, steps, contract=contract, dataset=dataset, report=report, fitted=fitted)
    with written(run.run_dir):
        run.run_dir.mkdir(parents=True, exist_ok=True)
        write_card(outcome.card, run.run_dir, plots=outcome.plots)
    refuse(outcome.card.gates, run_dir=run.run_dir)
    if run.repository is None:
        return outcome
    with steps.step("publish") as note:
        published, said = _publish(run, run.repository, contract, outcome)
        note(said)
    if worse := worse_than_before(run.repository, published, outcome.card):
        steps.warn(worse)
    return replace(outcome, published=published)


def _get_data(run: TrainingRun, steps: Steps) -> tuple[Dataset, DataReport]:
    with steps.step("data") as note:
        dataset = load_dataset(run.recipe.dataset, own=run.own_data, cache_dir=run.cache_dir, seed=run.recipe.seed)
        note(
            f"{dataset.name} from {dataset.source}: {len(dataset.train.labels):,} to train, "
            f"{len(dataset.validation.labels):,} to choose by, {len(dataset.test.labels):,} to test"
        )
    with steps.step("report") as note:
        report = inspect(dataset)
        report.refuse()
        note(f"{len(report.findings)} finding(s), none of which would poison a model (`slipway data` shows all)")
    return dataset, report


def _measure(
    run: TrainingRun, steps: Steps, *, contract: ModelContract, dataset: Dataset, report: DataReport, fitted: FitResult
) -> Outcome:
    """Export the network, and measure the exported file: it, not the network, is what will be served."""
    onnx_bytes, facts, parity = _export(run, steps, contract, dataset, fitted)
    with steps.step("evaluate") as note:
        images, labels = dataset.test.images, dataset.test.labels
        probabilities = onnx_probabilities(onnx_bytes, images, max_batch_size=contract.max_batch_size)
        evaluation = evaluate(probabilities, labels, dataset.labels)
        note(
            f"test accuracy {evaluation.accuracy:.2%} ({evaluation.mistakes} mistakes), macro F1 "
            f"{evaluation.macro.f1:.4f}, calibration error {evaluation.expected_calibration_error:.4f}"
        )
    with steps.step("card") as note:
        card = build_card(
            created=datetime.now(UTC),
            contract=contract,
            recipe=run.recipe,
            data=report.to_dict(),
            training=TrainingFacts(
                history=fitted.history,
                stopped_early=fitted.stopped_early,
                seconds=fitted.seconds,
                images_per_s=fitted.images_per_s,
            ),
            evaluation=evaluation,
            parity=parity,
            gates=check_gates(run.recipe.gates, evaluation, parity),
            onnx=facts,
        )
        plots = draw_plots(fitted.history, evaluation, images=images, labels=labels, probabilities=probabilities)
        note(
            f"{run.run_dir / 'card.html'}; {sum(gate.passed for gate in card.gates)} of {len(card.gates)} gates passed"
        )
    return Outcome(
        dataset=dataset,
        model=fitted.model,
        takes=run.recipe.network.takes,
        onnx_bytes=onnx_bytes,
        test_probabilities=probabilities,
        card=card,
        plots=plots,
        published=None,
    )


def _export(
    run: TrainingRun, steps: Steps, contract: ModelContract, dataset: Dataset, fitted: FitResult
) -> tuple[bytes, OnnxFacts, Parity]:
    with steps.step("export") as note:
        onnx_bytes = export_onnx(fitted.model, contract, opset=run.recipe.export.opset, takes=run.recipe.network.takes)
        facts = describe_onnx(onnx_bytes)
        parity = measure_parity(
            fitted.model,
            onnx_bytes,
            dataset.validation.images[:PARITY_IMAGES],
            max_batch_size=contract.max_batch_size,
            takes=run.recipe.network.takes,
        )
        note(
            f"opset {facts.opset}, {facts.size_bytes / 1e3:,.0f} kB; differs from Keras by at most "
            f"{parity.max_abs_difference:.1e} on {parity.images:,} images"
        )
    return onnx_bytes, facts, parity


def _publish(run: TrainingRun, repository: Path, contract: ModelContract, outcome: Outcome) -> tuple[Published, str]:
    """Publish the model, unless this run has done so before; also what to say of it."""
    serving = run.recipe.serving
    files = model_files(contract, cpu=serving.profile("cpu"), gpu=serving.profile("gpu"))
    if run.resume:
        before = recall(run.run_dir, repository, contract, files, onnx_sha256=outcome.card.onnx.sha256)
        if before is not None:
            return before, f"nothing: this run has published it already, as {before.path}"
    samples = _samples(outcome.dataset.test, outcome.test_probabilities)

    def fill(folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(outcome.onnx_bytes)
        write_samples(folder / SAMPLES, samples)
        for name in ("card.json", "card.html"):
            shutil.copyfile(run.run_dir / name, folder / name)

    published = publish(repository, contract, files, fill)
    changed = f", wrote {', '.join(published.changed_files)}" if published.changed_files else ""
    return published, f"{published.path}{changed}{remember(published, run.run_dir)}"


def _samples(test: Split, probabilities: NDArray[np.float32]) -> Samples:
    """The first test images that the file gets right: a wrong answer for one of them is then a fault of serving."""
    right = np.flatnonzero(probabilities.argmax(axis=1) == test.labels)[:MAX_SAMPLES]
    if right.size == 0:
        raise GateRefused(
            f"nothing was published: expected at least one of {len(test.labels):,} test images to be classified as "
            "its label, got none. Check y_test, train for more epochs, and raise gates.min_accuracy above 0"
        )
    return Samples(images=test.images[right], labels=test.labels[right])
