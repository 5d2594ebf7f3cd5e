"""The models of a remote repository, with validated names.

    for model in remote_models(store, chosen=None):
        model.versions                    # numbers that have a manifest
        model.listed(store, 3)            # SHA-256 by path, as version 3's manifest says

Names in a store are untrusted input. If one could lead out of the folder that it is copied to, the whole model is
rejected before anything is written; files that no manifest lists are not copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.contained_path import UnsafePath, check_relative, folded
from slipway.printable import printable
from slipway.repository._errors import RemoteFailed, VersionDamaged
from slipway.repository._layout import CONFIG, SCRATCH_PREFIX, is_shared, is_version, one_too_deep
from slipway.repository._manifest_text import MANIFEST, ManifestInvalid, parse_manifest

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """The files of one model.

    Attributes:
        name: Its name.
        sizes: Bytes by path below the model's folder; None if the store does not say.
        fault: Why the model may not be copied; usually empty.
    """

    name: str
    sizes: Mapping[str, int | None]
    fault: str = ""

    def refuse_hostile(self) -> None:
        """Reject a model with a name that could leave its folder.

        Raises:
            RemoteFailed: It has one.
        """
        if self.fault:
            raise RemoteFailed(self.fault)

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of the versions that have a manifest, ascending; the others were never finished."""
        heads = (path.removesuffix(f"/{MANIFEST}") for path in self.sizes if path.endswith(f"/{MANIFEST}"))
        return tuple(sorted(int(head) for head in heads if is_version(head)))

    def below(self, version: int) -> tuple[str, ...]:
        """Paths below a version's folder, without its manifest."""
        head = f"{version}/"
        names = (path.removeprefix(head) for path in self.sizes if path.startswith(head))
        return tuple(sorted(name for name in names if name != MANIFEST))

    def shared(self) -> tuple[str, ...]:
        """Names of the files that all versions share; the model's manifest may list only some of them."""
        return tuple(sorted(path for path in self.sizes if is_shared(path)))

    def listed(self, store: RemoteStore, version: int) -> dict[str, str]:
        """SHA-256 by path, as a version's manifest says.

        Raises:
            VersionDamaged: The manifest is invalid, for example with a name that would leave the version's folder.
        """
        return listed_in(store.read(f"{self.name}/{version}/{MANIFEST}"), store.where(f"{self.name}/{version}"))

    def listed_shared(self, store: RemoteStore) -> dict[str, str] | None:
        """SHA-256 by path of the files that all versions share; None if an older release wrote no manifest for them.

        Raises:
            VersionDamaged: The manifest is invalid, or lists other files.
        """
        if MANIFEST not in self.sizes:
            return None
        where = store.where(self.name)
        listed = listed_in(store.read(f"{self.name}/{MANIFEST}"), where)
        if strange := [name for name in listed if not is_shared(name)]:
            raise VersionDamaged(
                f"{where}/{MANIFEST}: expected {CONFIG}, labels.txt and configs/NAME.pbtxt only, got "
                f"{printable(', '.join(strange))}. Nothing of the model was copied: push it from an intact repository"
            )
        if CONFIG not in listed:
            raise VersionDamaged(f"{where}/{MANIFEST}: expected it to list {CONFIG}. Nothing of the model was copied")
        return listed


def remote_models(store: RemoteStore, *, chosen: str | None) -> tuple[RemoteModel, ...]:
    """Every remote model, or the chosen one, by name. A model with an unsafe file name has a `fault`.

    Raises:
        RemoteFailed: The address is a model's folder.
    """
    files_by_model: dict[str, dict[str, int | None]] = {}
    sizes = store.sizes()
    if CONFIG in sizes and any(path.endswith(f"/{MANIFEST}") and is_version(path.split("/")[0]) for path in sizes):
        raise RemoteFailed(one_too_deep(store.url))
    for name, size in sizes.items():
        model, slash, path = name.partition("/")
        if not slash and model:
            continue  # a file outside of every model
        if chosen in {None, model}:
            files_by_model.setdefault(model, {})[path] = size
    same = _one_on_some_disks(files_by_model)
    models = (
        RemoteModel(name=name, sizes=_without_scratch(files), fault=_fault(store, name, files, same))
        for name, files in sorted(files_by_model.items())
    )
    return tuple(model for model in models if model.sizes)


def remote_model(store: RemoteStore, name: str) -> RemoteModel:
    """The current state of one model, which may have no file yet.

    Raises:
        RemoteFailed: As for `remote_models`; or the model has a fault.
    """
    model = next(iter(remote_models(store, chosen=name)), RemoteModel(name=name, sizes={}))
    model.refuse_hostile()
    return model


def listed_in(manifest: bytes, where: str) -> dict[str, str]:
    """SHA-256 by path.

    Raises:
        VersionDamaged: The text is invalid.
    """
    try:
        return parse_manifest(manifest)
    except ManifestInvalid as exc:
        raise VersionDamaged(
            f"{where}/{MANIFEST}: {exc}. Nothing was copied: push the version from an intact repository"
        ) from exc


def _one_on_some_disks(names: Iterable[str]) -> dict[str, list[str]]:
    """Names that some file systems treat as equal, grouped by their common form."""
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(folded(name), []).append(name)
    return {key: sorted(group) for key, group in same.items() if len(group) > 1}


def _fault(store: RemoteStore, model: str, paths: Iterable[str], same: Mapping[str, list[str]]) -> str:
    try:
        for path in paths:
            check_relative(f"{model}/{path}")
    except UnsafePath as exc:
        return f"{store.url}: {exc}. Nothing of that model was copied"
    if others := same.get(folded(model)):
        return (
            f"{store.url}: expected names that differ on every file system, got {printable(', '.join(others))}. Rename "
            "one of them there. Nothing of these models was copied"
        )
    return ""


def _without_scratch(sizes: Mapping[str, int | None]) -> dict[str, int | None]:
    return {
        path: size for path, size in sizes.items() if not any(p.startswith(SCRATCH_PREFIX) for p in path.split("/"))
    }
