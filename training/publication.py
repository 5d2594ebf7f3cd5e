"""The last stage of the training job: check the candidate's gates, and publish it once.

    published = publish_candidate(request, candidate, steps)      # None: the request says not to publish

A run records what it has published in `published.json`, so that a resumed run does not publish the same model twice.
The record alone decides nothing: the version must still be there, intact, and hold the very model of the resumed run.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipway.contract import ModelContract
from slipway.platform.atomic_write import write_atomically
from slipway.repository import Published, RepositoryError, VersionEntry, find_model, model_files, publish, verify
from slipway.samples import SAMPLES, Samples, write_samples
from training.candidate import Candidate
from training.card.card import ModelCard
from training.data import Split
from training.errors import GateRefused
from training.evaluate.gates import require_passed
from training.recipe import TrainingRequest
from training.steps import Steps

__all__ = [
    "MAX_SAMPLES",
    "MODEL_FILE",
    "PUBLICATION_RECORD",
    "accuracy_regression",
    "find_publication",
    "publish_candidate",
    "record_publication",
]

MODEL_FILE = "model.onnx"
PUBLICATION_RECORD = "published.json"
MAX_SAMPLES = 1_000
"""Labelled test images that a version carries; enough for a load test to choose from."""


def publish_candidate(request: TrainingRequest, candidate: Candidate, steps: Steps) -> Published | None:
    """Publish the candidate as the next version, unless this run has done so before; then warn of a lower accuracy.

    Returns:
        The version; None where the request names no repository.

    Raises:
        GateRefused: A gate is missed, or no test image is classified correctly; nothing was published.
        RepositoryError: The repository cannot be published into.
    """
    require_passed(candidate.card.gates, run_dir=request.run_dir)
    if request.repository is None:
        return None
    with steps.step("publish") as note:
        published, result = _publish(request, request.repository, candidate)
        note(result)
    if warning := accuracy_regression(request.repository, published, candidate.card):
        steps.warn(warning)
    return published


def _publish(request: TrainingRequest, repository: Path, candidate: Candidate) -> tuple[Published, str]:
    """Publish once; also one line that says what was done."""
    contract, serving = candidate.card.contract, request.recipe.serving
    files = model_files(contract, cpu=serving.profile("cpu"), gpu=serving.profile("gpu"))
    if request.resume:
        earlier = find_publication(request.run_dir, repository, contract, files, onnx_sha256=candidate.card.onnx.sha256)
        if earlier is not None:
            return earlier, f"nothing: this run has published it already, as {earlier.path}"
    samples = _samples(candidate.dataset.test, candidate.test_probabilities)

    def fill(folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(candidate.onnx_bytes)
        write_samples(folder / SAMPLES, samples)
        for name in ("card.json", "card.html"):
            shutil.copyfile(request.run_dir / name, folder / name)

    published = publish(repository, contract, files, fill)
    changed = f", wrote {', '.join(published.changed_files)}" if published.changed_files else ""
    return published, f"{published.path}{changed}{record_publication(published, request.run_dir)}"


def _samples(test: Split, probabilities: NDArray[np.float32]) -> Samples:
    """The first test images that the file classifies correctly: a wrong answer for one is then a fault of serving."""
    correct = np.flatnonzero(probabilities.argmax(axis=1) == test.labels)[:MAX_SAMPLES]
    if correct.size == 0:
        raise GateRefused(
            f"nothing was published: expected at least one of {len(test.labels):,} test images to be classified as "
            "its label, got none. Check y_test, train for more epochs, and raise gates.min_accuracy above 0"
        )
    return Samples(images=test.images[correct], labels=test.labels[correct])


def record_publication(published: Published, run_dir: Path) -> str:
    """Write down which version holds this run's model.

    Returns:
        Empty, or why it could not be written: no reason to fail, since the version is published.
    """
    path = run_dir / PUBLICATION_RECORD
    try:
        write_atomically(path, json.dumps({"model": published.model, "version": published.version}) + "\n")
    except OSError as exc:
        return f"; {path} cannot be written ({exc.strerror}): --resume would publish the same model once more"
    return ""


def find_publication(
    run_dir: Path, repository: Path, contract: ModelContract, files: Mapping[str, str], *, onnx_sha256: str
) -> Published | None:
    """The version that this run has published, if publishing once more would change nothing.

    A version that is here by its number alone is in an object store, where its push has verified it.

    Args:
        run_dir: The run's folder.
        repository: Model repository.
        contract: The model's inputs, outputs and labels.
        files: Text of the files that all versions share, as this run would write them (`model_files`).
        onnx_sha256: SHA-256 of the model to publish.

    Returns:
        None: it has published nothing, or that version is gone, damaged, or another model's.
    """
    try:
        record = json.loads((run_dir / PUBLICATION_RECORD).read_text(encoding="utf-8"))
        number = int(record["version"]) if record["model"] == contract.name else 0
        entry = find_model(repository, contract.name)
        version = entry.version(number)
        if not version.is_number_only:
            verify(repository, contract.name, number)
        same = version.contents().get(MODEL_FILE) == onnx_sha256
        same = same and all((entry.path / name).read_text(encoding="utf-8") == text for name, text in files.items())
    except (OSError, ValueError, TypeError, KeyError, RepositoryError):
        return None
    return Published(model=contract.name, version=number, path=version.path) if same else None


def accuracy_regression(repository: Path, published: Published, card: ModelCard) -> str:
    """One line if the version that was served until now has the higher test accuracy; empty if not, or if unknown.

    Args:
        repository: Model repository.
        published: The version that is served from now on.
        card: Its card.
    """
    try:
        versions = find_model(repository, published.model).versions
    except (OSError, RepositoryError):
        return ""
    older = [version for version in versions if version.version < published.version]
    before = _accuracy(older[-1]) if older else None
    now = card.evaluation.accuracy
    if before is None or before <= now:
        return ""
    same = _digest(older[-1]) == card.data["digest"]
    back = ["slipway", "models", "rollback", published.model, "--to", str(older[-1].version)]
    return (
        f"version {published.version} is served from now on in place of version {older[-1].version}, which was better: "
        f"test accuracy {before:.2%} then, {now:.2%} now ({'on the same' if same else 'each on its own'} test images); "
        f"back to it with: {shlex.join([*back, '--repository', str(repository)])}"
    )


def _accuracy(version: VersionEntry) -> float | None:
    """The test accuracy in the version's card, from 0 to 1; None where it has none: it may be another tool's."""
    evaluation = version.card().get("evaluation")
    accuracy = evaluation.get("accuracy") if isinstance(evaluation, dict) else None
    return float(accuracy) if isinstance(accuracy, int | float) and 0 <= accuracy <= 1 else None


def _digest(version: VersionEntry) -> object:
    data = version.card().get("data")
    return data.get("digest") if isinstance(data, dict) else None
