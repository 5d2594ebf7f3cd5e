"""Go's module cache and build cache while programs are built: the user's own if they are named, else private ones.

They grow to more than 20 GB for all programs, if there is room. Private ones are kept while something is missing, so
that a build that was interrupted goes on where it was, and removed once nothing is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.cluster.toolchain.catalogue import ControlPlaneProgram
from rehearsal.cluster.toolchain.toolchain import Go, go_environment
from rehearsal.errors import MachineTooSmall

__all__ = ["GoCaches"]

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GoCaches:
    """Where Go keeps what it downloads and compiles.

    Attributes:
        go: Which Go.
        work: The folder for private caches.
    """

    go: Go
    work: Path

    def environment(self) -> Mapping[str, str]:
        """Variables for a `go` that uses them.

        The archives in the user's default module cache come before the network; go.sum decides either way.
        """
        variables = dict(go_environment())
        if not variables.get("GOTMPDIR"):
            variables["GOTMPDIR"] = str(self.work / "scratch")  # /tmp may be small, and may be memory
        if not variables.get("GOCACHE"):
            variables["GOCACHE"] = str(self.work / "objects")
        if not variables.get("GOMODCACHE"):
            theirs, proxies = self._defaults("GOMODCACHE", "GOPROXY")
            archives = Path(theirs, "cache", "download")
            if archives.is_dir():
                variables["GOPROXY"] = f"{archives.as_uri()},{proxies}"
            variables["GOMODCACHE"] = str(self.work / "modules")
            variables["GOFLAGS"] += " -modcacherw"  # or nothing in there could be removed
        return variables

    def check_space(self, programs: Sequence[ControlPlaneProgram]) -> None:
        """Refuse to begin what cannot end.

        Raises:
            MachineTooSmall: The disk has no room for the largest of these programs while it is built, and for the
                results.
        """
        needed_mb = max(map(_while_building_mb, programs)) + _results_mb(programs)
        free_mb = self._free_mb() + _size_mb(self.work)
        if free_mb < needed_mb:
            raise MachineTooSmall(
                f"building {len(programs)} of the control plane's programs needs {needed_mb / 1000:.1f} GB of disk, "
                f"and {self.work.parent} has {free_mb / 1000:.1f} GB free: make room there, or name a folder on "
                f"another disk in SLIPWAY_CACHE"
            )

    def needs_gb(self, programs: Sequence[ControlPlaneProgram]) -> tuple[float, float]:
        """Gigabytes that stay, and the fewest that are taken beside them while these programs are built."""
        return _results_mb(programs) / 1000, max(map(_while_building_mb, programs)) / 1000

    def make_room(self, programs: Sequence[ControlPlaneProgram]) -> None:
        """Remove the private ones when the first of these programs has no room otherwise: it takes longer then."""
        if self._free_mb() < _while_building_mb(programs[0]) + _results_mb(programs):
            self.remove()
        (self.work / "scratch").mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove the private ones."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _free_mb(self) -> float:
        return shutil.disk_usage(self.work.parent).free / _MB

    def _defaults(self, *names: str) -> tuple[str, ...]:
        done = subprocess.run(
            [self.go.executable, "env", *names],
            capture_output=True,
            check=True,
            env=go_environment(),
            stdin=subprocess.DEVNULL,
            text=True,
        )
        return tuple(done.stdout.splitlines())


def _while_building_mb(program: ControlPlaneProgram) -> int:
    modules_mb = 0 if os.environ.get("GOMODCACHE") else program.modules_mb
    objects_mb = 0 if os.environ.get("GOCACHE") else program.objects_mb
    scratch_mb = 0 if os.environ.get("GOTMPDIR") else program.objects_mb
    return modules_mb + objects_mb + scratch_mb


def _results_mb(programs: Iterable[ControlPlaneProgram]) -> int:
    return sum(program.result_mb for program in programs)


def _size_mb(folder: Path) -> float:
    """Of the files in it; hard links and holes do not occur there."""
    total = 0
    for path, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(path, name)).st_size for name in names)  # noqa: PTH118 - 200,000 files
    return total / _MB
