"""The model card of a version: machine-readable `card.json`, and `card.html`.

    card = build_card(contract=contract, recipe=recipe, data=report.to_dict(), ..., created=datetime.now(UTC))
    write_card(card, folder, plots=plots)

Both are rendered by pure functions; only `write_card` does I/O.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from slipway.contract import ModelContract
from slipway.distribution import DISTRIBUTION
from slipway.platform.atomic_write import write_atomically
from training.card.pages import counted, render_page, shown_size
from training.card.plots import Plot
from training.evaluate.gates import GateResult
from training.evaluate.metrics import Evaluation
from training.export import OnnxFacts, Parity
from training.fit.history import EpochRecord
from training.recipe import Recipe

__all__ = [
    "CARD_SCHEMA",
    "ModelCard",
    "TrainingFacts",
    "build_card",
    "render_html",
    "render_json",
    "write_card",
]

CARD_SCHEMA = "slipway.model-card/1"
"""Format in every `card.json`; the number is increased by incompatible changes."""

_PACKAGES = (
    "keras",
    "numpy",
    "onnx",
    "onnxruntime",
    "scikit-learn",
    DISTRIBUTION,
    "tensorflow",
    "tensorflow-cpu",
    "tf2onnx",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """Facts on the training run.

    Attributes:
        history: One record per epoch.
        stopped_early: Whether fewer epochs ran than the recipe allows.
        seconds: Wall time of the fit.
        images_per_s: Training images, over all epochs, by that time.
    """

    history: tuple[EpochRecord, ...]
    stopped_early: bool
    seconds: float
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The model card of one version.

    Attributes:
        created: UTC. Besides it, only times and speeds differ between equal runs on one machine.
        contract: Inputs, outputs and labels.
        recipe: The recipe's sections, as plain values.
        data: The data report, with source and digest, as plain values.
        training: Facts on the training run.
        evaluation: Evaluation on the test images.
        parity: Difference between Keras and ONNX Runtime.
        gates: Results of the gates.
        onnx: Facts on the ONNX file.
        packages: Versions of the packages that were used.
        python: Version of the interpreter.
        platform: Operating system and processor.
        limits: Limitations of the model, one sentence each.
    """

    created: datetime
    contract: ModelContract
    recipe: dict[str, Any]
    data: dict[str, Any]
    training: TrainingFacts
    evaluation: Evaluation
    parity: Parity
    gates: tuple[GateResult, ...]
    onnx: OnnxFacts
    packages: dict[str, str]
    python: str
    platform: str
    limits: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def summary(self) -> str:
        """The card in one paragraph."""
        height, width, channels = self.contract.image_shape
        return (
            f"Sorts images of {height} x {width} pixels and {counted(channels, 'channel')} into "
            f"{counted(len(self.contract.labels), 'class', 'classes')}. "
            f"Of {counted(self.evaluation.images, 'test image')}{_seen_before(self.data)} it classified "
            f"{self.evaluation.accuracy:.2%} correctly. The file has {counted(self.onnx.parameters, 'parameter')} in "
            f"{shown_size(self.onnx.size_bytes)}."
        )


def build_card(
    *,
    created: datetime,
    contract: ModelContract,
    recipe: Recipe,
    data: dict[str, Any],
    training: TrainingFacts,
    evaluation: Evaluation,
    parity: Parity,
    gates: tuple[GateResult, ...],
    onnx: OnnxFacts,
) -> ModelCard:
    """Build a card, and add package versions, Python version and platform.

    Args:
        created: With a time zone.
        contract: Contract of the model.
        recipe: The recipe.
        data: `DataReport.to_dict()`; card.html shows `source`, `digest`, `splits` and `findings`.
        training: Facts on the training run.
        evaluation: Evaluation on the test images.
        parity: Difference between Keras and ONNX Runtime.
        gates: Results of `check_gates`.
        onnx: Facts on the ONNX file.
    """
    return ModelCard(
        created=created.astimezone(UTC).replace(microsecond=0),
        contract=contract,
        recipe=_recipe(recipe),
        data=TypeAdapter(dict[str, Any]).dump_python(data, mode="json"),  # tuples become lists, as in JSON
        training=training,
        evaluation=evaluation,
        parity=parity,
        gates=gates,
        onnx=onnx,
        packages=_installed(_PACKAGES),
        python=platform.python_version(),
        platform=platform.platform(),
        limits=_limits(contract, evaluation),
    )


def _installed(names: Sequence[str]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # TensorFlow has two possible names
    return versions


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """The recipe's settings, without the unused optimizer."""
    return recipe.model_dump(mode="json", exclude={"optimizer"} if recipe.network.compiled == "use" else None)


def _seen_before(data: dict[str, Any]) -> str:
    """Text on test images that are also in the training data; empty if the report has no such number."""
    counts = [entry["shared"]["count"] for entry in data.get("overlaps", ()) if entry["held_out"] == "test"]
    if not counts:
        return ""
    seen = sum(counts)
    if not seen:
        return ", none of which it was trained on or chosen by,"
    return f", {seen:,} of which it had been trained on or chosen by,"


def _limits(contract: ModelContract, evaluation: Evaluation) -> tuple[str, ...]:
    height, width, _ = contract.image_shape
    nothing = f"It returns one of its {len(contract.labels)} classes for every image, also for one that shows none."
    form = f"Its input is {height} x {width} pixels; content must be positioned and scaled as in its training images."
    if contract.background is not None:
        other = "light" if contract.background == "dark" else "dark"
        form += (
            f" Nearly all of those have a {contract.background} border; an image on a {other} background has to be "
            "inverted first."
        )
    confidence = (
        f"On the test images its confidence was off by {evaluation.expected_calibration_error:.2%} on average "
        "(expected calibration error). On blurred, noisy or otherwise different images it may be confident and "
        "wrong."
    )
    representation = (
        f"Its metrics come from {counted(evaluation.images, 'test image')}, where one more mistake is "
        f"{1 / evaluation.images:.2%}, and say nothing about people, places or cameras that are not among them. "
        "Evaluate it on your own images before you rely on it."
    )
    return nothing, form, confidence, representation


def render_json(card: ModelCard) -> str:
    """Render card.json: the attributes of `ModelCard`, and derived values."""
    plain = TypeAdapter(ModelCard).dump_python(card, mode="json")
    for entry, gate in zip(plain["gates"], card.gates, strict=True):
        entry.update(passed=gate.passed, margin=gate.margin)
    document = {"schema": CARD_SCHEMA, "summary": card.summary, "passed": card.passed} | plain
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render_html(card: ModelCard, plots: Sequence[Plot] = ()) -> str:
    """Render card.html: one self-contained page."""
    return render_page("card.html", card=card, plots=plots)


def write_card(card: ModelCard, folder: Path, *, plots: Sequence[Plot] = ()) -> None:
    """Write `card.json` and `card.html` into an existing folder."""
    write_atomically(folder / "card.json", render_json(card))
    write_atomically(folder / "card.html", render_html(card, plots))
