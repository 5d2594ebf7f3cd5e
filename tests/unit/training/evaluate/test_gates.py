from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from training.errors import GateRefused
from training.evaluate.gates import GateResult, check_gates, require_passed
from training.evaluate.metrics import evaluate
from training.export import Parity
from training.recipe import GateSettings

# Three of four right, macro F1 (0.8 + 2/3) / 2, calibration error (3 * 0 + 1) / 4.
EVALUATION = evaluate(np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32), np.array([0, 0, 1, 1]), ("a", "b"))
PARITY = Parity(images=1_000, max_abs_difference=2e-6, argmax_disagreements=0)
LENIENT = GateSettings(min_accuracy=0.5, min_macro_f1=0.5, max_ece=0.5)
RUN_DIR = Path("runs/mnist-7")


def results_of(parity=PARITY, **gates):
    return check_gates(LENIENT.model_copy(update=gates), EVALUATION, parity)


def test_every_gate_of_the_recipe_is_checked():
    names = {result.name for result in results_of()}

    assert set(GateSettings.model_fields) | {"max_argmax_disagreements"} == names


def test_a_model_above_its_gates_passes():
    results = results_of()

    assert all(result.passed for result in results)
    require_passed(results, run_dir=RUN_DIR)


def test_a_figure_equal_to_its_bound_passes():
    results = results_of(min_accuracy=0.75, max_ece=0.25, max_parity_difference=2e-6)

    assert all(result.passed for result in results)


@pytest.mark.parametrize(
    ("gates", "line"),
    [
        ({"min_accuracy": 0.8}, "min_accuracy: required at least 0.8, got 0.75, missed by 0.05"),
        ({"min_macro_f1": 0.75}, "min_macro_f1: required at least 0.75, got 0.733333, missed by 0.0167"),
        ({"max_ece": 0.2}, "max_ece: required at most 0.2, got 0.25, missed by 0.05"),
        ({"max_parity_difference": 1e-6}, "max_parity_difference: required at most 1e-06, got 2e-06, missed by 1e-06"),
        (
            {"parity": dataclasses.replace(PARITY, argmax_disagreements=3)},
            "max_argmax_disagreements: required at most 0, got 3, missed by 3",
        ),
    ],
    ids=["accuracy", "macro-f1", "calibration", "parity", "argmax"],
)
def test_a_refusal_names_the_gate_the_gap_and_the_files(gates, line):
    with pytest.raises(GateRefused) as refusal:
        require_passed(results_of(**gates), run_dir=RUN_DIR)

    assert str(refusal.value) == (
        f"1 of 5 gates were missed:\n  {line}\nNothing was published; the run's files are in runs/mnist-7"
    )


def test_all_missed_gates_are_listed():
    with pytest.raises(GateRefused, match=r"(?s)2 of 5 gates.*min_accuracy.*max_ece"):
        require_passed(results_of(min_accuracy=1.0, max_ece=0.0), run_dir=RUN_DIR)


@pytest.mark.parametrize("bound", ["at least", "at most"])
def test_nan_never_passes(bound):
    assert not GateResult(name="any", bound=bound, required=0.0, got=float("nan")).passed


def test_the_margin_is_negative_when_a_gate_refuses():
    accuracy, *_ = results_of(min_accuracy=0.8)

    assert pytest.approx(-0.05) == accuracy.margin
