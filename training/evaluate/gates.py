"""Gates decide whether a trained model may be published.

    results = check_gates(recipe.gates, evaluation, parity)
    require_passed(results, run_dir=run_dir)      # raises GateRefused unless every gate passed

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.errors import GateRefused
from training.evaluate.metrics import Evaluation
from training.export import Parity
from training.recipe import GateSettings

__all__ = ["GateResult", "check_gates", "require_passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One metric against its bound. A metric equal to the bound passes; NaN never does.

    Attributes:
        name: Key of the bound in the recipe; `max_argmax_disagreements` is not a key and always 0.
        bound: Whether `required` is a minimum or a maximum.
        required: The bound.
        got: The metric's value.
    """

    name: str
    bound: Literal["at least", "at most"]
    required: float
    got: float

    @property
    def passed(self) -> bool:
        """Whether the metric satisfies the bound."""
        return self.got >= self.required if self.bound == "at least" else self.got <= self.required

    @property
    def margin(self) -> float:
        """Distance to the bound in the metric's unit; negative if the gate fails."""
        return self.got - self.required if self.bound == "at least" else self.required - self.got

    def __str__(self) -> str:
        """One readable line."""
        verdict = f"{'passed' if self.passed else 'missed'} by {abs(self.margin):.3g}"
        return f"{self.name}: required {self.bound} {self.required:.6g}, got {self.got:.6g}, {verdict}"


def check_gates(settings: GateSettings, evaluation: Evaluation, parity: Parity) -> tuple[GateResult, ...]:
    """Compare a model's metrics with a recipe's gates.

    Args:
        settings: The recipe's section `gates`.
        evaluation: Evaluation on the test images.
        parity: Difference between Keras and ONNX Runtime.
    """
    return (
        GateResult(name="min_accuracy", bound="at least", required=settings.min_accuracy, got=evaluation.accuracy),
        GateResult(name="min_macro_f1", bound="at least", required=settings.min_macro_f1, got=evaluation.macro.f1),
        GateResult(
            name="max_ece", bound="at most", required=settings.max_ece, got=evaluation.expected_calibration_error
        ),
        GateResult(
            name="max_parity_difference",
            bound="at most",
            required=settings.max_parity_difference,
            got=parity.max_abs_difference,
        ),
        GateResult(name="max_argmax_disagreements", bound="at most", required=0, got=parity.argmax_disagreements),
    )


def require_passed(results: tuple[GateResult, ...], *, run_dir: Path) -> None:
    """Raise unless every gate passed.

    Args:
        results: Results of `check_gates`.
        run_dir: Folder of the run's files, for the error.

    Raises:
        GateRefused: Lists the missed gates and margins, and the location of the files.
    """
    missed = [result for result in results if not result.passed]
    if missed:
        lines = "\n".join(f"  {result}" for result in missed)
        raise GateRefused(
            f"{len(missed)} of {len(results)} gates were missed:\n{lines}\n"
            f"Nothing was published; the run's files are in {run_dir}"
        )
