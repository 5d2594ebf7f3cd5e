"""Whether a command of ours would run somebody else's code: `training` is a name that other projects use, too.

The job packages lie beside `slipway`, in one wheel or in one checkout. A folder on PYTHONPATH comes before both.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import EntryPoint
from pathlib import Path

import slipway
from slipway.distribution import DISTRIBUTION
from slipway.errors import SlipwayError

__all__ = ["PackageShadowed", "find_shadows"]

_USED: dict[str, tuple[str, ...]] = {
    "loadtest": ("loadtest",),
    "rehearsal": ("rehearsal", "loadtest"),
    "training": ("training",),
}
"""The packages that a command of each package imports."""


class PackageShadowed(SlipwayError):
    """Python finds another package under the name of one of ours.

    Attributes:
        short: For the list of commands.
    """

    exit_status = 2

    def __init__(self, package: str, *, found: Path, own: Path) -> None:
        super().__init__(
            f"expected Slipway's own package `{package}` in {own}, got another one of this name in {found}, which "
            "comes first on Python's path. Take its folder off PYTHONPATH (or do not start Python with -m in it), or "
            "give that package another name"
        )
        self.short = f"Another package named {package} comes first: {found}"


def find_shadows(entry_point: EntryPoint) -> PackageShadowed | None:
    """What stands in the way of a command of this distribution; None: nothing, or the command is another's."""
    if entry_point.dist is None or entry_point.dist.name != DISTRIBUTION:
        return None
    home = Path(slipway.__file__).resolve().parents[1]
    for package in _USED.get(entry_point.module.partition(".")[0], ()):
        found = _folder(package)
        if found is not None and found != home / package:
            return PackageShadowed(package, found=found, own=home / package)
    return None


def _folder(package: str) -> Path | None:
    """Where Python finds a package, or the module of that name; None: nowhere, which whoever imports it will say."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return None if spec.origin is None else Path(spec.origin).resolve()
