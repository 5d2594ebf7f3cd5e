"""List and verify published models and versions."""

from __future__ import annotations

import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.contained_path import UnsafePath, open_contained
from slipway.repository._errors import ModelNotPublished, VersionDamaged, VersionNotFound
from slipway.repository._layout import CONFIG, is_model_folder, one_too_deep, version_numbers
from slipway.repository._manifest import check_manifest, manifest_alone, read_manifest
from slipway.repository._shared import check_shared

CARD = "card.json"
_MAX_CARD_BYTES = 16 << 20
PUBLICATION = "publication.json"
"""Records when a version was published; listed in its manifest, so that a copy keeps it.

It also holds a random number: no two publications have the same manifest, so each is distinguishable.
"""
_MAX_PUBLICATION_BYTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEntry:
    """One published version.

    Attributes:
        version: Its number.
        path: Its folder.
    """

    version: int
    path: Path

    @property
    def published_at(self) -> datetime | None:
        """When it was published, UTC, from its own record; None for versions of older releases, which wrote none."""
        return _read_published_at(self.path)

    @property
    def size_bytes(self) -> int:
        """Total size of all regular files; files that disappear meanwhile do not count."""
        size = 0
        for folder, _, names in os.walk(self.path):  # skips unreadable folders, unlike `rglob`
            for name in names:
                with suppress(OSError):
                    status = Path(folder, name).lstat()
                    size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return size

    @property
    def is_number_only(self) -> bool:
        """Whether only its manifest is on disk, as `pull` leaves it: known, but it cannot be served from here."""
        return manifest_alone(self.path)

    def contents(self) -> dict[str, str]:
        """SHA-256 by path, from its manifest; nothing is verified (`verify` does).

        Raises:
            VersionDamaged: No readable manifest.
        """
        return read_manifest(self.path)

    def model(self) -> dict[str, str]:
        """The same without the publication record, which differs between any two versions.

        Raises:
            VersionDamaged: No readable manifest.
        """
        return {name: sha256 for name, sha256 in self.contents().items() if name != PUBLICATION}

    def card(self) -> dict[str, Any]:
        """The machine-readable model card; empty if the version has none."""
        with suppress(OSError, ValueError, RecursionError), open_contained(self.path, CARD) as file:
            document = json.loads(file.read(_MAX_CARD_BYTES))
            if isinstance(document, dict):
                return document
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model of a repository. `versions` is ascending; Triton serves the last."""

    name: str
    path: Path
    versions: tuple[VersionEntry, ...]

    @property
    def served(self) -> VersionEntry:
        """The version that Triton serves: the highest number."""
        if not self.versions:
            raise ModelNotPublished(f"{self.path} has no version yet: run `slipway train`")
        return self.versions[-1]

    def version(self, number: int) -> VersionEntry:
        """The version of that number.

        Raises:
            VersionNotFound: There is none; the message lists the published ones.
        """
        for entry in self.versions:
            if entry.version == number:
                return entry
        published = ", ".join(str(entry.version) for entry in self.versions) or "none"
        raise VersionNotFound(f"{self.name!r} has no version {number}; published: {published}")


def list_models(root: Path) -> tuple[ModelEntry, ...]:
    """Every model with a configuration or a version, by name.

    Raises:
        ModelNotPublished: `root` is not a folder, or is a model's folder.
    """
    if not root.is_dir():
        raise ModelNotPublished(f"{root} is no model repository: expected a folder that holds <model>/config.pbtxt")
    if is_model_folder(root):
        raise ModelNotPublished(one_too_deep(str(root)))
    entries = (_entry(path) for path in sorted(root.iterdir()) if path.is_dir())
    return tuple(entry for entry in entries if entry.versions or (entry.path / CONFIG).is_file())


def find_model(root: Path, model: str) -> ModelEntry:
    """A model with at least one version.

    Raises:
        ModelNotPublished: There is no such model, or no version of it yet.
    """
    models = {entry.name: entry for entry in list_models(root)}
    if model not in models:
        raise ModelNotPublished(f"{root} has no model {model!r}; available: {', '.join(models) or 'none'}")
    if not models[model].versions:
        raise ModelNotPublished(f"{models[model].path} has no version yet: run `slipway train`")
    return models[model]


def verify(root: Path, model: str, version: int | None = None) -> tuple[VersionEntry, ...]:
    """Compare the files of a model's versions (or of one), and the shared files, with their manifests.

    Returns:
        The versions that were verified.

    Raises:
        VersionDamaged: At the first version with a file that is changed, missing or not listed.
        ModelDamaged: The same for the files that all versions share; or they have no manifest yet.
        ModelNotPublished: There is nothing to verify.
        VersionNotFound: The model has no such version.
    """
    entry = find_model(root, model)
    chosen = entry.versions if version is None else (entry.version(version),)
    verified = []
    for candidate in chosen:
        try:
            check_manifest(candidate.path)
        except VersionNotFound:
            if version is not None:
                raise
            continue  # pruned meanwhile: gone, not damaged
        verified.append(candidate)
    check_shared(entry.path)
    return tuple(verified)


def find_fault(version: VersionEntry) -> str | None:
    """Why a version cannot be served; None if its files match its manifest."""
    try:
        check_manifest(version.path)
    except (VersionDamaged, VersionNotFound) as exc:
        return str(exc)
    return None


def _entry(path: Path) -> ModelEntry:
    versions = (VersionEntry(version=n, path=path / str(n)) for n in version_numbers(path))
    return ModelEntry(name=path.name, path=path, versions=tuple(versions))


def write_publication(folder: Path) -> None:
    """Record the current time as the version's publication time.

    Raises:
        OSError: It cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"published_at": now, "id": secrets.token_hex(16)}
    (folder / PUBLICATION).write_text(json.dumps(document) + "\n", encoding="utf-8")


def _read_published_at(folder: Path) -> datetime | None:
    """When the version was published, UTC; None for versions of older releases, which have no record."""
    try:
        with open_contained(folder, PUBLICATION) as file:
            document = json.loads(file.read(_MAX_PUBLICATION_BYTES))
        published_at = datetime.fromisoformat(document["published_at"])
        return published_at.astimezone(UTC) if published_at.tzinfo is not None else None
    except (OSError, UnsafePath, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
