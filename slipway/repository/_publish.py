"""Publish a version: scratch folder on the same file system, manifest, fsync, one rename, verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.contract import ModelContract
from slipway.model_config import parse_config, read_contract
from slipway.repository._claim import claim, refuse_merging, taken
from slipway.repository._errors import ContractChanged, PublishFailed, VersionTaken, refused_by_disk
from slipway.repository._files import copy_listed, scratch_in_model_folder, seal_folder
from slipway.repository._layout import CONFIG, is_model_folder, one_too_deep, version_numbers
from slipway.repository._manifest import check_manifest, raise_damaged, write_manifest
from slipway.repository._scratch import scratch_folder
from slipway.repository._shared import publish_shared, refuse_unpublishable
from slipway.repository._versions import PUBLICATION, write_publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A version that was published.

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
    two numbers, on one machine or on several that share the file system. Folders are 0755 and files 0644, whatever
    the umask, so that Triton can run as another user.

    Args:
        root: Model repository.
        contract: Inputs, outputs and labels of the new version.
        files: Text of the files that all versions share, by path below the model's folder (`model_files`). They are
            replaced, one atomic rename each, and only where they differ; then the model's manifest, which lists them;
            then the version appears.
        fill: Called once with an empty scratch folder on the repository's own file system.
        version: Number to take; the next free one if not given.

    Raises:
        ContractChanged: The model is published with other inputs, outputs or labels.
        VersionTaken: `version` is published already.
        PublishFailed: `root` is a model's folder, a configuration would have Triton run anything but an ONNX file,
            the file system refused, or the published files differ from what `fill` wrote.
    """
    model_dir = root / contract.name
    if version is not None and version in version_numbers(model_dir):
        raise VersionTaken(taken(model_dir, version))
    _refuse_model_folder(root)
    _refuse_changed_contract(model_dir, contract)
    refuse_unpublishable(files)
    with refused_by_disk(f"publish {contract.name!r}", root), scratch_in_model_folder(model_dir) as scratch:
        content = scratch / "version"
        content.mkdir()
        refuse_merging(scratch)
        fill(content)
        write_publication(content)
        write_manifest(content)
        seal_folder(content)
        changed = publish_shared(model_dir, scratch / "files", files)
        number = claim(content, model_dir, version)
    return Published(model=contract.name, version=number, path=model_dir / str(number), changed_files=changed)


def check_publishable(root: Path, contract: ModelContract) -> None:
    """Fail before training where `publish` would fail after it: another contract, a read-only folder.

    Raises:
        ContractChanged: The model is published with other inputs, outputs or labels.
        PublishFailed: `root` is a model's folder, or the file system refused.
    """
    model_dir = root / contract.name
    _refuse_model_folder(root)
    _refuse_changed_contract(model_dir, contract)
    with refused_by_disk(f"publish {contract.name!r}", root), scratch_in_model_folder(model_dir) as scratch:
        refuse_merging(scratch)


def republish(root: Path, model: str, source: Path) -> Published:
    """Publish the verified bytes of `source`, an older version, again under the next number.

    Raises:
        VersionDamaged: The bytes differ from the source's manifest.
        PublishFailed: The file system refused, or the published files differ from the source.
    """
    model_dir = root / model
    listed = {name: sha256 for name, sha256 in check_manifest(source).items() if name != PUBLICATION}
    with refused_by_disk(f"publish {model!r} again from {source.name}", root), scratch_folder(model_dir) as scratch:
        content = scratch / "version"
        if wrong := copy_listed(source, listed, content, mode=0o755):
            raise_damaged(source, wrong)
        write_publication(content)
        write_manifest(content)
        seal_folder(content)
        number = claim(content, model_dir, None)
    return Published(model=model, version=number, path=model_dir / str(number))


def _refuse_model_folder(root: Path) -> None:
    if is_model_folder(root):
        raise PublishFailed(one_too_deep(str(root)))


def _refuse_changed_contract(model_dir: Path, contract: ModelContract) -> None:
    config = model_dir / CONFIG
    if not config.is_file() or not version_numbers(model_dir):
        return
    published = read_contract(parse_config(config.read_text(encoding="utf-8")))
    refuse_other_contract(published, contract, where=str(model_dir), offered_is="the new version")


def refuse_other_contract(published: ModelContract, offered: ModelContract, *, where: str, offered_is: str) -> None:
    """Reject inputs, outputs or labels that differ from the published ones.

    Args:
        published: The published contract.
        offered: The new contract.
        where: The model's path or URL, for the message.
        offered_is: Where the new contract comes from, for the message.

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
