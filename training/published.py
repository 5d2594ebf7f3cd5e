"""What a run has published: a small file in its folder, so that a resumed run does not publish the same model twice.

    remember(published, run_dir)                     # run_dir/published.json, right after the publication
    recall(run_dir, repository, contract, files, onnx_sha256=...)      # None: publish

The file alone decides nothing. The version must still be there, intact, and hold the very model of the resumed run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from slipway.contract import ModelContract
from slipway.platform.atomic_write import write_atomically
from slipway.repository import Published, RepositoryError, VersionEntry, find_model, verify
from training.card.card import ModelCard

__all__ = ["MODEL_FILE", "REMEMBERED", "recall", "remember", "worse_than_before"]

REMEMBERED = "published.json"
MODEL_FILE = "model.onnx"


def remember(published: Published, run_dir: Path) -> str:
    """Write down which version holds this run's model.

    Returns:
        Nothing to say, mostly. Why it could not be written: no reason to fail, since the version is published.
    """
    path = run_dir / REMEMBERED
    try:
        write_atomically(path, json.dumps({"model": published.model, "version": published.version}) + "\n")
    except OSError as exc:
        return f"; {path} cannot be written ({exc.strerror}): --resume would publish the same model once more"
    return ""


def recall(
    run_dir: Path, repository: Path, contract: ModelContract, files: Mapping[str, str], *, onnx_sha256: str
) -> Published | None:
    """The version that this run has published, if publishing once more would change nothing.

    A version that is here by its number alone is in an object store, where its push has verified it.

    Args:
        run_dir: The run's folder.
        repository: Model repository.
        contract: The model's door.
        files: Text of the files that all versions share, as this run would write them (`model_files`).
        onnx_sha256: Of the model that this run would publish.

    Returns:
        None: it has published nothing, or that version is gone, damaged, or another model's.
    """
    try:
        found = json.loads((run_dir / REMEMBERED).read_text(encoding="utf-8"))
        number = int(found["version"]) if found["model"] == contract.name else 0
        entry = find_model(repository, contract.name)
        version = entry.version(number)
        if not version.is_number_only:
            verify(repository, contract.name, number)
        same = version.contents().get(MODEL_FILE) == onnx_sha256
        same = same and all((entry.path / name).read_text(encoding="utf-8") == text for name, text in files.items())
    except (OSError, ValueError, TypeError, KeyError, RepositoryError):
        return None
    return Published(model=contract.name, version=number, path=version.path) if same else None


def worse_than_before(repository: Path, published: Published, card: ModelCard) -> str:
    """One line if the version that was served until now was right more often; empty if it was not, or nobody knows.

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
    """What the card of a version says, if it has one that says it; a card may come from elsewhere."""
    evaluation = version.card().get("evaluation")
    accuracy = evaluation.get("accuracy") if isinstance(evaluation, dict) else None
    return float(accuracy) if isinstance(accuracy, int | float) and 0 <= accuracy <= 1 else None


def _digest(version: VersionEntry) -> object:
    data = version.card().get("data")
    return data.get("digest") if isinstance(data, dict) else None
