"""Build the private folder that Triton is started on: only the verified files of one version of each model.

    with tempfile.TemporaryDirectory() as folder:
        (view,) = build_view(root, ["mnist"], Path(folder))
        ...                                      # tritonserver --model-repository=<folder>
        view.version, view.skipped

Bytes are hashed while they are copied, each file from one descriptor: Triton loads exactly what was verified, even if
the repository changes meanwhile. `helm/serving/files/start-triton.sh` does the same in bash.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.printable import printable
from slipway.repository._errors import (
    ModelDamaged,
    ModelNotPublished,
    VersionDamaged,
    VersionNotFound,
    refused_by_disk,
)
from slipway.repository._files import copy_listed
from slipway.repository._layout import CONFIG
from slipway.repository._manifest import (
    find_unlisted,
    listed_in,
    raise_damaged,
    read_manifest_bytes,
    regular_files,
)
from slipway.repository._manifest_text import looks_like_code
from slipway.repository._onnx_only import check_sealed
from slipway.repository._shared import read_shared, settled, shared_names
from slipway.repository._versions import ModelEntry, find_model


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model as Triton sees it.

    Attributes:
        model: Its name.
        version: The version in the view.
        path: Its folder in the view.
        manifest_sha256: Hex digest of the version's manifest: views with equal digests hold the same files. Empty if
            nothing was verified.
        skipped: For each newer version, why it is not served; empty if the newest is served.
    """

    model: str
    version: int
    path: Path
    manifest_sha256: str
    skipped: tuple[str, ...]


def build_view(
    root: Path,
    models: Sequence[str],
    into: Path,
    *,
    config_name: str | None = None,
    versions: Mapping[str, int] | None = None,
    compare: bool = True,
) -> tuple[ModelView, ...]:
    """Copy the files that Triton needs of each model: the shared files, and the listed files of one version.

    Args:
        root: Model repository.
        models: Their names.
        into: A folder that only this user can write; existing files of these models are replaced.
        config_name: `configs/<config_name>.pbtxt` must exist; None for `config.pbtxt`.
        versions: Version by model; without an entry, the newest intact one.
        compare: Verify against the manifests. Without it every regular file of the newest version is copied, but no
            code.

    Raises:
        ModelDamaged: Shared files differ from the model's manifest, or it has none; or the configuration, sealed or
            not, would have Triton run anything but an ONNX file (checked with `compare` only).
        VersionDamaged: The requested version is damaged, or all versions are.
        VersionNotFound: The model has no such version.
        ModelNotPublished: There is no such model, no version, or no such configuration.
        PublishFailed: The view cannot be written.
    """
    return tuple(
        _view_model(find_model(root, name), into / name, config_name, (versions or {}).get(name), compare=compare)
        for name in models
    )


def _view_model(
    entry: ModelEntry, target: Path, config_name: str | None, version: int | None, *, compare: bool
) -> ModelView:
    with refused_by_disk("prepare the files for tritonserver", target.parent):
        settled(lambda: _view_shared(entry, target, config_name, compare=compare))
        if version is not None:
            return _view_version(entry.name, entry.version(version).path, target, (), compare=compare)
        skipped: list[str] = []
        for candidate in reversed(entry.versions):
            try:
                return _view_version(entry.name, candidate.path, target, tuple(skipped), compare=compare)
            except (VersionDamaged, VersionNotFound) as exc:
                skipped.append(str(exc))
    raise VersionDamaged(f"{entry.name!r} has no version that can be served: {'; '.join(skipped)}")


def _view_shared(entry: ModelEntry, target: Path, config_name: str | None, *, compare: bool) -> None:
    listed: Mapping[str, str | None] = read_shared(entry.path) if compare else dict.fromkeys(shared_names(entry.path))
    config = CONFIG if config_name is None else f"configs/{config_name}.pbtxt"
    if config not in listed:
        available = ", ".join(name for name in listed if name.endswith(".pbtxt")) or "none"
        raise ModelNotPublished(
            f"model {entry.name!r} has no {printable(config)} that is sealed; available: {available}. Name one of "
            f"them, or write it and run `slipway models seal {entry.name}`"
        )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700, parents=True)
    if wrong := copy_listed(entry.path, listed, target):
        raise ModelDamaged(
            f"{entry.path}: {'; '.join(wrong)}. Publish again, or if these files are right: `slipway models seal "
            f"{entry.name}`"
        )
    if compare:
        check_sealed(entry.path / config, (target / config).read_bytes(), outcome="It is not shown to tritonserver")


def _view_version(model: str, folder: Path, target: Path, skipped: tuple[str, ...], *, compare: bool) -> ModelView:
    into, manifest = target / folder.name, b""
    listed: Mapping[str, str | None]
    if compare:
        manifest = read_manifest_bytes(folder)
        listed = listed_in(folder, manifest)
        wrong = find_unlisted(folder, listed)
    else:
        listed, wrong = dict.fromkeys(name for name in regular_files(folder) if not looks_like_code(name)), []
    if not wrong:
        wrong = copy_listed(folder, listed, into)
    if wrong:
        shutil.rmtree(into, ignore_errors=True)
        raise_damaged(folder, wrong)
    return ModelView(
        model=model,
        version=int(folder.name),
        path=target,
        manifest_sha256=hashlib.sha256(manifest).hexdigest() if compare else "",
        skipped=skipped,
    )
