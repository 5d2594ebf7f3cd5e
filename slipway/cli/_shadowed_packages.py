"""Detect that a command would import another package of the same name, such as another project's `training`.

The job packages are installed beside `slipway`, from one wheel or checkout. A folder on PYTHONPATH precedes both.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

import slipway
from slipway.distribution import DISTRIBUTION
from slipway.errors import SlipwayError

__all__ = ["PackageOverwritten", "PackageShadowed", "find_shadows"]

_USED: dict[str, tuple[str, ...]] = {
    "loadtest": ("loadtest",),
    "rehearsal": ("rehearsal", "loadtest"),
    "training": ("training",),
}
"""The packages that a command of each package imports."""


class PackageShadowed(SlipwayError):
    """Python finds another package under the name of one of Slipway's.

    Attributes:
        short: Text for the list of commands.
    """

    exit_status = 2

    def __init__(self, package: str, *, found: Path, own: Path, owner: str | None = None) -> None:
        remedy = (
            "Remove its folder from PYTHONPATH (or do not start Python with -m in it), or rename that package"
            if owner is None
            else f"The installed distribution {owner} contains it: uninstall that, or install Slipway in a "
            "separate virtual environment"
        )
        super().__init__(
            f"expected Slipway's own package `{package}` in {own}, got another one of this name in {found}, which "
            f"comes first on Python's path. {remedy}"
        )
        self.short = f"Another package named {package} comes first: {found}"


class PackageOverwritten(SlipwayError):
    """Another distribution replaced files in the folder of one of Slipway's packages.

    Attributes:
        short: Text for the list of commands.
    """

    exit_status = 2

    def __init__(self, file: str, *, owner: str) -> None:
        package = file.partition("/")[0]
        super().__init__(
            f"expected Slipway's own file {file}, got the one of the distribution {owner}, which installs a package "
            f"`{package}` in the same folder. Keep the two in separate virtual environments; in this one: "
            f"pip uninstall {owner}, then pip install --force-reinstall --no-deps {DISTRIBUTION}"
        )
        self.short = f"Files of the package {package} were replaced by the distribution {owner}"


def find_shadows(entry_point: EntryPoint) -> PackageOverwritten | PackageShadowed | None:
    """Why a command would not run Slipway's own code; None if it would, or is not a Slipway command."""
    if entry_point.dist is None or entry_point.dist.name != DISTRIBUTION:
        return None
    home = Path(slipway.__file__).resolve().parents[1]
    for package in _USED.get(entry_point.module.partition(".")[0], ()):
        folder = _folder(package)
        if folder is not None and folder != home / package:
            return PackageShadowed(package, found=folder, own=home / package, owner=_owner(package, folder.parent))
        if overwritten := _find_overwritten(package, entry_point.dist):
            return overwritten
    return None


def _find_overwritten(package: str, installed: Distribution) -> PackageOverwritten | None:
    """The first file of a package that was changed and that another distribution lists.

    An editable installation lists none. A file that the user edited belongs to no other distribution.
    """
    for file in installed.files or ():
        path = Path(str(file.locate()))
        if file.parts[0] != package or file.size is None or not path.is_file() or path.stat().st_size == file.size:
            continue
        if owner := _owner(package, path.parents[len(file.parts) - 1], file=str(file)):
            return PackageOverwritten(str(file), owner=owner)
    return None


def _owner(package: str, site: Path, *, file: str | None = None) -> str | None:
    """The other distribution in this folder that installs the package, or this file of it; None if there is none."""
    for other in distributions(path=[str(site)]):
        listed = (str(each) for each in other.files or () if each.parts[0] == package)
        if other.name != DISTRIBUTION and any(file in {None, each} for each in listed):
            return other.name
    return None


def _folder(package: str) -> Path | None:
    """Where Python finds a package or module of that name; None if nowhere."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return None if spec.origin is None else Path(spec.origin).resolve()
