"""The third stage of the training job: export the network, evaluate the exported file, write its model card.

    candidate = build_candidate(request, data, fitted, steps)
    candidate.card.passed

The exported file is evaluated, not the Keras network, because the file is what is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from training._tensorflow import keras
from training.card.card import ModelCard, TrainingFacts, build_card, write_card
from training.card.plots import Plot, draw_plots
from training.data import Dataset
from training.data.prepare import PreparedData
from training.errors import map_write_errors
from training.evaluate.gates import check_gates
from training.evaluate.metrics import Evaluation, evaluate
from training.export import OnnxFacts, Parity, describe_onnx, export_onnx, measure_parity, onnx_probabilities
from training.fit.loop import FitResult
from training.recipe import TrainingRequest
from training.steps import Steps

__all__ = ["Candidate", "build_candidate"]

PARITY_IMAGES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A model that can be published if its gates passed.

    Attributes:
        dataset: The training data.
        model: The trained Keras network.
        onnx_bytes: The exported and evaluated file.
        test_probabilities: The file's outputs for the test images, in their order: float32 (n, classes).
        card: Its model card, also written to the run's folder.
        plots: The card's plots.
    """

    dataset: Dataset
    model: keras.Model
    onnx_bytes: bytes
    test_probabilities: NDArray[np.float32]
    card: ModelCard
    plots: tuple[Plot, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """The exported file and its evaluation."""

    onnx_bytes: bytes
    facts: OnnxFacts
    parity: Parity
    test_probabilities: NDArray[np.float32]
    evaluation: Evaluation


def build_candidate(request: TrainingRequest, data: PreparedData, fitted: FitResult, steps: Steps) -> Candidate:
    """Run the steps `export`, `evaluate` and `card`.

    Raises:
        ExportError: The network cannot be written as ONNX.
        FitError: The file's outputs are not probabilities.
        TrainingError: The card cannot be written to the run's folder.
    """
    measured = _export_and_measure(request, data, fitted, steps)
    with steps.step("card") as note:
        card = _build_card(request, data, fitted, measured)
        test = data.dataset.test
        plots = draw_plots(
            fitted.history,
            measured.evaluation,
            images=test.images,
            labels=test.labels,
            probabilities=measured.test_probabilities,
        )
        passed = sum(gate.passed for gate in card.gates)
        note(f"{request.run_dir / 'card.html'}; {passed} of {len(card.gates)} gates passed")
    with map_write_errors(request.run_dir):
        request.run_dir.mkdir(parents=True, exist_ok=True)
        write_card(card, request.run_dir, plots=plots)
    return Candidate(
        dataset=data.dataset,
        model=fitted.model,
        onnx_bytes=measured.onnx_bytes,
        test_probabilities=measured.test_probabilities,
        card=card,
        plots=plots,
    )


def _export_and_measure(request: TrainingRequest, data: PreparedData, fitted: FitResult, steps: Steps) -> _Measured:
    input_range = request.recipe.network.effective_input_range
    max_batch_size = data.contract.max_batch_size
    with steps.step("export") as note:
        onnx_bytes = export_onnx(
            fitted.model, data.contract, opset=request.recipe.export.opset, input_range=input_range
        )
        facts = describe_onnx(onnx_bytes)
        parity = measure_parity(
            fitted.model,
            onnx_bytes,
            data.dataset.validation.images[:PARITY_IMAGES],
            max_batch_size=max_batch_size,
            input_range=input_range,
        )
        note(
            f"opset {facts.opset}, {facts.size_bytes / 1e3:,.0f} kB; differs from Keras by at most "
            f"{parity.max_abs_difference:.1e} on {parity.images:,} images"
        )
    with steps.step("evaluate") as note:
        test = data.dataset.test
        probabilities = onnx_probabilities(onnx_bytes, test.images, max_batch_size=max_batch_size)
        evaluation = evaluate(probabilities, test.labels, data.dataset.labels)
        note(
            f"test accuracy {evaluation.accuracy:.2%} ({evaluation.mistakes} mistakes), macro F1 "
            f"{evaluation.macro.f1:.4f}, calibration error {evaluation.expected_calibration_error:.4f}"
        )
    return _Measured(
        onnx_bytes=onnx_bytes, facts=facts, parity=parity, test_probabilities=probabilities, evaluation=evaluation
    )


def _build_card(request: TrainingRequest, data: PreparedData, fitted: FitResult, measured: _Measured) -> ModelCard:
    return build_card(
        created=datetime.now(UTC),
        contract=data.contract,
        recipe=request.recipe,
        data=data.report.to_dict(),
        training=TrainingFacts(
            history=fitted.history,
            stopped_early=fitted.stopped_early,
            seconds=fitted.seconds,
            images_per_s=fitted.images_per_s,
        ),
        evaluation=measured.evaluation,
        parity=measured.parity,
        gates=check_gates(request.recipe.gates, measured.evaluation, measured.parity),
        onnx=measured.facts,
    )
