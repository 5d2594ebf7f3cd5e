"""The model store of a rehearsal: the published network, with the batch time of a GPU, and damaged on demand.

store = ModelStore(connection.model_store / "model_repository")
source = store.fill(Path("model_repository"), scenario.model)
store.damage(2, how="unlike_manifest")
store.repair(2)
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Literal

from google.protobuf import text_format

from rehearsal.errors import StoreError
from rehearsal.experiment.run.chart_values import MODEL
from rehearsal.experiment.scenario.sections import ModelSettings
from slipway.contract import ModelContract
from slipway.model_config import ContractUnreadable, ServingProfile, parse_config, read_contract
from slipway.platform.atomic_write import replacing
from slipway.repository import (
    MANIFEST,
    ModelNotPublished,
    RepositoryError,
    VersionEntry,
    find_model,
    model_files,
    publish,
    verify,
)

__all__ = ["ModelStore", "simulated_config"]

CONFIG, NETWORK = "config.pbtxt", "model.onnx"
_SIMULATED = "simulated_batch_ms"


def find_source(repository: Path) -> VersionEntry:
    """The newest published version, compared with its manifest.

    Raises:
        StoreError: There is no published version, or it is damaged.
    """
    try:
        source = find_model(repository, MODEL).served
        verify(repository, MODEL, source.version)
        read_contract(parse_config((repository / MODEL / CONFIG).read_text(encoding="utf-8")))
    except ModelNotPublished as exc:
        raise StoreError(
            f"{exc}; publish a version first, with `make train RECIPE=seed` (half a minute) or `slipway train`, or "
            "choose another repository with --repository"
        ) from exc
    except (RepositoryError, ContractUnreadable, OSError) as exc:
        raise StoreError(f"the model of {repository} cannot be rehearsed with: {exc}") from exc
    return source


class ModelStore:
    """The folder that pods see, in the layout of a model repository."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._intact: dict[int, dict[str, bytes]] = {}

    def fill(self, repository: Path, settings: ModelSettings) -> str:
        """Replace its content by the newest published version, published so many times.

        Args:
            repository: Model repository.
            settings: Batch time and size, and the number of versions.

        Returns:
            Description of the copied version.

        Raises:
            StoreError: There is no published version, it is damaged, or the disk is full.
        """
        source = find_source(repository)
        try:
            config = (repository / MODEL / CONFIG).read_text(encoding="utf-8")
            contract = dataclasses.replace(read_contract(parse_config(config)), max_batch_size=settings.max_batch_size)
            shutil.rmtree(self._root, ignore_errors=True)
            for _ in range(settings.versions):
                publish(self._root, contract, _files(contract, settings), lambda folder: _copy(source.path, folder))
        except (RepositoryError, ContractUnreadable, OSError) as exc:
            raise StoreError(f"the model cannot be copied to {self._root}: {exc}") from exc
        return f"{MODEL} version {source.version} of {repository}"

    def damage(self, version: int, *, how: Literal["unlike_manifest", "broken_model"]) -> None:
        """Replace model.onnx by another; for `broken_model` the manifest too.

        Raises:
            StoreError: The file cannot be written.
        """
        folder = self._root / MODEL / str(version)
        try:
            intact = {name: (folder / name).read_bytes() for name in (NETWORK, MANIFEST)}
            self._intact.setdefault(version, intact)
            network = intact[NETWORK]
            if how == "unlike_manifest":
                _replace(folder / NETWORK, network[:-1] + bytes([network[-1] ^ 1]))
                return
            garbage = b"this is no network\n" * 1_000
            _replace(folder / NETWORK, garbage)
            was, now = hashlib.sha256(network).hexdigest(), hashlib.sha256(garbage).hexdigest()
            _replace(folder / MANIFEST, intact[MANIFEST].replace(was.encode(), now.encode()))
        except OSError as exc:
            raise StoreError(f"{folder}: {exc}") from exc

    def repair(self, version: int) -> None:
        """Restore the published files, if they were damaged.

        Raises:
            StoreError: The file cannot be written.
        """
        try:
            for name, content in self._intact.pop(version, {}).items():
                _replace(self._root / MODEL / str(version) / name, content)
        except OSError as exc:
            raise StoreError(str(exc)) from exc


def simulated_config(contract: ModelContract, settings: ModelSettings) -> str:
    """A `config.pbtxt` for the CPU whose batches take as long as on a GPU."""
    config = parse_config(_files_of(contract)[CONFIG])
    config.parameters[_SIMULATED].string_value = f"{settings.simulated_batch_ms:g}"
    text: str = text_format.MessageToString(config)
    return text


def _files_of(contract: ModelContract) -> dict[str, str]:
    # One instance: batches follow one another, as on one GPU.
    profile = ServingProfile(accelerator="cpu", instances=1)
    return model_files(contract, cpu=profile, gpu=dataclasses.replace(profile, accelerator="gpu"))


def _files(contract: ModelContract, settings: ModelSettings) -> dict[str, str]:
    return {**_files_of(contract), CONFIG: simulated_config(contract, settings)}


def _copy(source: Path, folder: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and path.name != MANIFEST:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically; no temporary file is left if writing fails."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)
        scratch.chmod(0o644)
