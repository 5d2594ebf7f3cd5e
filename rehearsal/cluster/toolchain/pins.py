"""Read the pinned versions of a go.mod file, without Go.

pins = read_pins(MODULES / "kserve")
pins.version("github.com/kserve/kserve")      # "v0.20.0"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal.errors import ProgramsError

__all__ = ["GoVersion", "Pins", "read_pins"]

_GO = re.compile(r"^go (\S+)$", re.MULTILINE)
_REQUIRE = re.compile(r"^(?:require )?\s*([^\s()/]+\.\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)

GoVersion = tuple[int, ...]
"""A Go version such as (1, 26, 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """A program's go.mod and go.sum.

    Attributes:
        folder: Their folder.
        text: The text of both.
        go: The oldest Go version that builds it.
        versions: Version by module path.
    """

    folder: Path
    text: str
    go: GoVersion
    versions: Mapping[str, str]

    def version(self, module: str) -> str:
        """The pinned version of a module.

        Raises:
            ProgramsError: There is none.
        """
        try:
            return self.versions[module]
        except KeyError:
            raise ProgramsError(f"{self.folder / 'go.mod'}: expected a line that requires {module}, got none") from None


def read_pins(folder: Path) -> Pins:
    """Read go.mod and go.sum.

    Raises:
        ProgramsError: They are missing, or go.mod has no Go version.
    """
    try:
        mod, sums = ((folder / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum"))
    except OSError as exc:
        raise ProgramsError(f"{exc.filename}: {exc.strerror}; the installation is damaged, reinstall it") from exc
    go = _GO.search(mod)
    if go is None:
        raise ProgramsError(f"{folder / 'go.mod'}: expected a line such as `go 1.26.0`, got none")
    return Pins(
        folder=folder,
        text=f"{mod}\n{sums}",
        go=tuple(int(number) for number in go[1].split(".")),
        versions=dict(_REQUIRE.findall(mod)),
    )
