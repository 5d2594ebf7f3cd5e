"""Publish a version: scratch folder on the same file system, manifest, fsync, one rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.contract import ModelContract
from slipway.model_config import parse_config, read_contract
from slipway.repository._errors import ContractChanged, VersionTaken, refused_by_disk
from slipway.repository._layout import CONFIG, version_numbers
from slipway.repository._manifest import check_manifest, write_manifest
from slipway.repository._scratch import scratch_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One version that is in the repository.

    Attributes:
        model: Model name.
        version: Its number; Triton serves the highest.
        path: Its folder.
        changed_files: Files of the model (not of the version) that this publication wrote, such as `config.pbtxt`.
    """

    model: str
    version: int
    path: Path
    changed_files: tuple[str, ...] = ()


def publish(
    root: Path,
    contract: ModelContract,
    files: Mapping[str, str],
    fill: Callable[[Path], None],
    *,
    version: int | None = None,
) -> Published:
    """Let `fill` write a version in a scratch folder, then rename it into place.

    A reader, or a process that is killed at any moment, sees no version or a whole one. Two publishers at once get
    two numbers. Folders are 0755 and files 0644, whatever the umask, so that Triton can run as another user.

    Args:
        root: Model repository.
        contract: The door of the new version.
        files: Text of the files that all versions share, by path below the model's folder (`model_files`). They are
            replaced, one atomic rename each, just before the version appears, and only where they differ.
        fill: Called once with an empty scratch folder on the repository's own file system.
        version: Number to take; the next free one if not given.

    Raises:
        ContractChanged: The model is published with another door.
        VersionTaken: `version` is published already.
        PublishFailed: The file system refused.
    """
    model_dir = root / contract.name
    if version is not None and version in version_numbers(model_dir):
        raise VersionTaken(_taken(model_dir, version))
    _refuse_changed_contract(model_dir, contract)
    with refused_by_disk(f"publish {contract.name!r}", root):
        _make_folder(model_dir)
        with scratch_folder(model_dir) as scratch:
            content = scratch / "version"
            content.mkdir()
            fill(content)
            write_manifest(content)
            _seal(content)
            changed = _replace_files(model_dir, scratch / "files", files)
            number = _claim(content, model_dir, version)
        _fsync(model_dir)
    return Published(model=contract.name, version=number, path=model_dir / str(number), changed_files=changed)


def check_publishable(root: Path, contract: ModelContract) -> None:
    """Refuse now what `publish` would refuse after an hour of training: another door, a folder nobody may write.

    Raises:
        ContractChanged: The model is published with another door.
        PublishFailed: The file system refused.
    """
    model_dir = root / contract.name
    _refuse_changed_contract(model_dir, contract)
    with refused_by_disk(f"publish {contract.name!r}", root):
        _make_folder(model_dir)
        with scratch_folder(model_dir):
            pass


def republish(root: Path, model: str, source: Path) -> Published:
    """Publish the verified bytes of `source`, an older version, once more under the next number.

    Raises:
        VersionDamaged: The copy differs from the source's manifest.
        PublishFailed: The file system refused.
    """
    model_dir = root / model
    with refused_by_disk(f"publish {model!r} again from {source.name}", root), scratch_folder(model_dir) as scratch:
        content = scratch / "version"
        shutil.copytree(source, content)
        check_manifest(content)
        _seal(content)
        number = _claim(content, model_dir, None)
        _fsync(model_dir)
    return Published(model=model, version=number, path=model_dir / str(number))


def _claim(content: Path, model_dir: Path, version: int | None) -> int:
    """Rename onto the first free number. A version folder is never empty, so rename refuses a taken one."""
    candidate = version or max(version_numbers(model_dir), default=0) + 1
    while True:
        try:
            content.rename(model_dir / str(candidate))
        except OSError as exc:
            if exc.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            if version is not None:
                raise VersionTaken(_taken(model_dir, version)) from exc
            candidate += 1
        else:
            return candidate


def _refuse_changed_contract(model_dir: Path, contract: ModelContract) -> None:
    config = model_dir / CONFIG
    if not config.is_file() or not version_numbers(model_dir):
        return
    published = read_contract(parse_config(config.read_text(encoding="utf-8")))
    refuse_other_contract(published, contract, where=str(model_dir), offered_is="the new version")


def refuse_other_contract(published: ModelContract, offered: ModelContract, *, where: str, offered_is: str) -> None:
    """Refuse another door than the published one.

    Args:
        published: What clients know.
        offered: What a version would bring.
        where: The model's place, for the message.
        offered_is: What brings it, for the message.

    Raises:
        ContractChanged: Shape or labels differ.
    """
    for what in ("image_shape", "labels"):
        got, expected = getattr(offered, what), getattr(published, what)
        if got != expected:
            raise ContractChanged(
                f"{where} is published with {what} {expected}, {offered_is} has {got}: its clients would "
                "break. Give the recipe another `model:` name"
            )


def _replace_files(model_dir: Path, staging: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    changed = []
    for name, text in files.items():
        target, staged = model_dir / name, staging / name
        if target.is_file() and target.read_bytes() == text.encode():
            continue
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(text, encoding="utf-8")
        staged.chmod(0o644)
        _fsync(staged)
        _make_folder(target.parent)
        staged.replace(target)
        _fsync(target.parent)
        changed.append(name)
    return tuple(changed)


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, that other users can read."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _seal(folder: Path) -> None:
    """Make everything below `folder` readable by other users and durable."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _fsync(path)
    os.utime(folder)  # copied folders carry the time of their source


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(model_dir: Path, version: int) -> str:
    free = max(version_numbers(model_dir), default=0) + 1
    return f"{model_dir / str(version)} is published and never changes; use version {free}, or name none"
