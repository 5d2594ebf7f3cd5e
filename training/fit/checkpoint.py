"""Checkpoints of complete epochs, from which a killed run can resume.

    folder = CheckpointFolder(run_dir / "checkpoints")
    folder.save(saved, keep_epoch=2)
    folder.newest()                    # the last complete epoch, or None

    checkpoints/epoch-0003/state.npz   every variable: weights, batch-norm statistics, dropout seeds, optimizer
    checkpoints/epoch-0003/run.json    what was trained on what, and the history so far

An epoch's folder is written durably and then renamed into place: it is complete or does not exist.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.npz import open_npz
from slipway.platform.atomic_write import fsync
from training.errors import FitError
from training.fit.history import EpochRecord
from training.recipe import Recipe

__all__ = ["Checkpoint", "CheckpointFolder", "RunIdentity", "State"]

State = Mapping[str, NDArray[Any]]
"""The values of all variables of a run, by unique name."""

_TRAINING_SECTIONS = frozenset({"seed", "dataset", "network", "regularisation", "augmentation", "optimizer", "fit"})
"""Sections of a recipe that affect the weights. Gates, export and serving may change before a resume."""


def _change(then: str | None, now: str | None) -> str:
    if then is None:
        return "not used then"
    return "not used now" if now is None else "edited since"


_COMPUTING = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


def _packages() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _COMPUTING:
        with suppress(metadata.PackageNotFoundError):  # TensorFlow has two possible names
            versions[name] = metadata.version(name)
    return versions


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """The identity of a run: recipe, data and sources.

    Attributes:
        settings: The recipe's settings that affect the weights, by dotted name.
        data_digest: The data set's digest.
        sources: Digests of the network's sources (`source_digests`); empty in a run of an older release.
        packages: Versions of the packages. Other versions may give slightly different weights: only a warning.
    """

    settings: Mapping[str, Any]
    data_digest: str
    sources: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, data_digest: str, *, sources: Mapping[str, str] | None = None) -> RunIdentity:
        """The identity of a run of that recipe on that data, on this machine."""
        sections = recipe.model_dump(mode="json", include=set(_TRAINING_SECTIONS))
        return cls(
            settings=dict(_flat(sections)), data_digest=data_digest, sources=dict(sources or {}), packages=_packages()
        )

    def package_differences(self, other: RunIdentity) -> tuple[str, ...]:
        """Package versions that differ, such as `keras 3.14.0 then, 3.15.1 now`."""
        return tuple(
            f"{name} {version} then, {other.packages[name]} now"
            for name, version in self.packages.items()
            if other.packages.get(name, version) != version
        )

    def differences(self, other: RunIdentity) -> tuple[str, ...]:
        """Differences from another run, one sentence each."""
        absent = None  # a key of a newer release counts as missing
        names = sorted(self.settings.keys() | other.settings.keys())
        differences = [
            f"{name}: {self.settings.get(name, absent)!r} then, {other.settings.get(name, absent)!r} now"
            for name in names
            if self.settings.get(name, absent) != other.settings.get(name, absent)
        ]
        if self.data_digest != other.data_digest:
            differences.append(f"data: digest {self.data_digest[:12]} then, {other.data_digest[:12]} now")
        if self.sources:
            differences += [
                f"network.builder: {name}: {_change(self.sources.get(name), other.sources.get(name))}"
                for name in sorted(self.sources.keys() | other.sources.keys())
                if self.sources.get(name) != other.sources.get(name)
            ]
        return tuple(differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a run after a complete epoch."""

    identity: RunIdentity
    history: tuple[EpochRecord, ...]
    state: State


class CheckpointFolder:
    """The checkpoints of one run: the newest epoch, and one chosen epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self.path, ignore_errors=True)

    def save(self, checkpoint: Checkpoint, *, keep_epoch: int | None = None) -> None:
        """Add the checkpoint's last epoch, then remove all others but `keep_epoch`.

        Raises:
            FitError: It cannot be written, for example on a full disk; older checkpoints are unchanged.
        """
        epoch = checkpoint.history[-1].epoch
        scratch = self.path / f".epoch-{epoch:04d}.partial"
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            _write(scratch, checkpoint)
            scratch.rename(self._folder(epoch))
            fsync(self.path)
        except OSError as exc:
            shutil.rmtree(scratch, ignore_errors=True)
            kept = self._epochs()
            remedy = (
                f"epoch {kept[-1]} is saved: free some space and continue with --resume"
                if kept
                else "no epoch is saved yet"
            )
            raise FitError(f"{self._folder(epoch)}: cannot be written: {exc}; {remedy}") from exc
        for old in set(self._epochs()) - {epoch, keep_epoch}:
            shutil.rmtree(self._folder(old))

    def newest(self) -> Checkpoint | None:
        """The last complete epoch, or None.

        Raises:
            FitError: It exists but cannot be read.
        """
        epochs = self._epochs()
        return self.load(epochs[-1]) if epochs else None

    def load(self, epoch: int) -> Checkpoint:
        """Read one epoch.

        Raises:
            FitError: It does not exist or cannot be read.
        """
        folder = self._folder(epoch)
        try:
            run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            with open_npz(folder / "state.npz") as arrays:
                state = {name: arrays.read(name) for name in arrays.names}
            return Checkpoint(
                identity=RunIdentity(**run["identity"]),
                history=tuple(EpochRecord(**record) for record in run["history"]),
                state=state,
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:  # errors of npz and JSON are ValueErrors
            raise FitError(f"{folder}: cannot be read: {exc}; remove it, or train without --resume") from exc

    def _folder(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:04d}"

    def _epochs(self) -> Sequence[int]:
        return sorted(int(folder.name.removeprefix("epoch-")) for folder in self.path.glob("epoch-*"))


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    run = {"identity": asdict(checkpoint.identity), "history": [asdict(record) for record in checkpoint.history]}
    (folder / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
    np.savez(folder / "state.npz", **checkpoint.state)  # type: ignore[arg-type]  # mypy takes any ** for `allow_pickle` too
    for path in (folder / "run.json", folder / "state.npz", folder):
        fsync(path)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
