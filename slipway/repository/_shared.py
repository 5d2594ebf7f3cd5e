"""The files that all versions of a model share: replace them, list them in the model's manifest, verify them.

    check_shared(model_dir)          # config.pbtxt, labels.txt, configs/*.pbtxt are those of <model>/manifest.sha256
    find_beside(model_dir)           # files outside the versions that no manifest lists

Triton looks for code in a model's folder before its own. It therefore never sees a file that no manifest lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from slipway.contained_path import UnsafePath, contained_path, open_contained
from slipway.model_config import ContractUnreadable, parse_config
from slipway.repository._errors import ModelDamaged, PublishFailed
from slipway.repository._files import replace_file
from slipway.repository._layout import CONFIG, LABELS, SCRATCH_PREFIX, is_shared, is_version
from slipway.repository._manifest import digest, find_changed
from slipway.repository._manifest_text import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    ManifestInvalid,
    parse_manifest,
    render_manifest,
)
from slipway.repository._onnx_only import other_than_onnx

_TRIES = 5
_PAUSE_S = 0.2
_MAX_CONFIG_BYTES = 16 << 20
_Read = TypeVar("_Read")


def read_shared(model_dir: Path) -> dict[str, str]:
    """SHA-256 by path of the files that all versions share, from the model's manifest; nothing is verified.

    Raises:
        ModelDamaged: There is no manifest, or it is invalid; the message says how to write one.
    """
    path = model_dir / MANIFEST
    try:
        with open_contained(model_dir, MANIFEST) as file:
            listed = parse_manifest(file.read(MAX_MANIFEST_BYTES + 1))
    except FileNotFoundError as exc:
        raise ModelDamaged(
            f"{path} is missing, so the files outside the versions cannot be verified. {_remedy(model_dir)}"
        ) from exc
    except (OSError, UnsafePath, ManifestInvalid) as exc:
        raise ModelDamaged(f"{path}: not readable: {exc}. {_remedy(model_dir)}") from exc
    for name in listed:
        if not is_shared(name):
            raise ModelDamaged(
                f"{path}: expected {CONFIG}, {LABELS} and configs/NAME.pbtxt only, got {name!r}. {_remedy(model_dir)}"
            )
    if CONFIG not in listed:
        raise ModelDamaged(f"{path}: expected it to list {CONFIG}, got {', '.join(listed)}. {_remedy(model_dir)}")
    return listed


def check_shared(model_dir: Path) -> dict[str, str]:
    """Compare the files that all versions share with the model's manifest, and return the manifest.

    Raises:
        ModelDamaged: Names each file that is changed or missing.
    """

    def check() -> dict[str, str]:
        listed = read_shared(model_dir)
        wrong = find_changed(model_dir, listed)
        if wrong:
            raise ModelDamaged(f"{model_dir}: {'; '.join(wrong)}. {_remedy(model_dir)}")
        return listed

    return settled(check)


def settled(read: Callable[[], _Read]) -> _Read:
    """Retry for a second while the files and their manifest differ: a publisher replaces them one by one.

    Raises:
        ModelDamaged: They still differ.
    """
    for _ in range(_TRIES - 1):
        try:
            return read()
        except ModelDamaged:
            time.sleep(_PAUSE_S)
    return read()


def publish_shared(model_dir: Path, staging: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Replace the shared files that differ, then the manifest; one atomic rename each.

    Two concurrent publishers may overwrite each other. A publisher that finds other files than its own starts again, so
    that files and manifest agree in the end.

    Args:
        model_dir: The model's folder.
        staging: A folder for scratch files on the same file system.
        files: Text by path.

    Returns:
        The files that were replaced, without the manifest.

    Raises:
        PublishFailed: A name in `files` is not one of a shared file, a configuration would have Triton run anything
            but an ONNX file, or another process keeps replacing them.
    """
    refuse_unpublishable(files)
    changed: list[str] = []
    for _ in range(_TRIES):
        for name, text in files.items():
            if replace_file(contained_path(model_dir, name), staging / name, text) and name not in changed:
                changed.append(name)
        if _write_manifest(model_dir, staging, files):
            return tuple(changed)
        time.sleep(_PAUSE_S)
    raise PublishFailed(
        f"{model_dir}: another process keeps replacing {', '.join(files)}: publish again when it has finished"
    )


def refuse_unpublishable(files: Mapping[str, str]) -> None:
    """Reject shared files with which a version could not be served.

    Raises:
        PublishFailed: See `publish_shared`; nothing was written.
    """
    if strange := [name for name in files if not is_shared(name)]:
        raise PublishFailed(f"expected {CONFIG}, {LABELS} and configs/NAME.pbtxt only, got {', '.join(strange)}")
    for name, text in files.items():
        if name == LABELS:
            continue
        try:
            named = other_than_onnx(parse_config(text))
        except ContractUnreadable as exc:
            raise PublishFailed(f"{name}: {exc}. Nothing was published") from exc
        if named:
            raise PublishFailed(
                f"{name}: expected the backend onnxruntime and files of the model, nothing else, got {named}. "
                "Nothing was published"
            )


def shared_names(model_dir: Path) -> tuple[str, ...]:
    """Names of the shared files on disk, sorted, listed or not."""
    candidates = [CONFIG, LABELS, *(f"configs/{path.name}" for path in model_dir.glob("configs/*.pbtxt"))]
    return tuple(sorted(name for name in candidates if is_shared(name) and (model_dir / name).is_file()))


def find_beside(model_dir: Path) -> tuple[str, ...]:
    """Files outside the versions that no manifest lists, sorted; Triton does not see them and they are never sent.

    Raises:
        ModelDamaged: The model has no readable manifest.
    """
    listed = read_shared(model_dir)
    folders = {name.split("/")[0] for name in listed if "/" in name}
    beside = []
    for path in model_dir.iterdir():
        if path.name in folders and path.is_dir() and not path.is_symlink():
            beside += [f"{path.name}/{below.name}" for below in path.iterdir()]
        elif not path.name.startswith(SCRATCH_PREFIX) and not (is_version(path.name) and path.is_dir()):
            beside.append(path.name)
    return tuple(sorted(name for name in beside if name not in listed and name != MANIFEST))


def read_text(model_dir: Path, name: str) -> str:
    """Text of one shared file.

    Raises:
        ModelDamaged: It is not a regular file, or cannot be read.
    """
    try:
        with open_contained(model_dir, name) as file:
            return file.read(_MAX_CONFIG_BYTES).decode("utf-8")
    except (OSError, UnsafePath, UnicodeDecodeError) as exc:
        raise ModelDamaged(f"{model_dir / name} cannot be read: {exc}") from exc


def _write_manifest(model_dir: Path, staging: Path, files: Mapping[str, str]) -> bool:
    """List the files that were just written, and those that were sealed before and still exist.

    Returns:
        False if another process wrote other contents meanwhile.
    """
    try:
        sealed = {name: sha256 for name, sha256 in read_shared(model_dir).items() if (model_dir / name).is_file()}
    except ModelDamaged:
        sealed = {}
    written = {name: digest(model_dir, name) for name in files}
    listed = {**sealed, **written}
    replace_file(model_dir / MANIFEST, staging / MANIFEST, render_manifest(listed))
    ours = all(read_text(model_dir, name) == text for name, text in files.items())
    return ours and read_text(model_dir, MANIFEST) == render_manifest(listed)


def _remedy(model_dir: Path) -> str:
    return f"If these files are right, write their manifest: `slipway models seal {model_dir.name}`"
