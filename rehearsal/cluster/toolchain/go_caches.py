"""Go's module cache and build cache during a build: the user's own if they are set, otherwise private ones.

They grow to more than 20 GB for all programs, if there is room. Private ones are kept until all programs are built, so
that an interrupted build can resume, and are then removed.
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
    """Go's caches.

    Attributes:
        go: The Go tool chain.
        work: Folder for private caches.
    """

    go: Go
    work: Path

    def environment(self) -> Mapping[str, str]:
        """Environment variables for a `go` that uses them.

        The user's default module cache is used before the network; go.sum verifies both.
        """
        variables = dict(go_environment())
        if not variables.get("GOTMPDIR"):
            variables["GOTMPDIR"] = str(self.work / "scratch")  # /tmp may be small, or in memory
        if not variables.get("GOCACHE"):
            variables["GOCACHE"] = str(self.work / "objects")
        if not variables.get("GOMODCACHE"):
            theirs, proxies = self._defaults("GOMODCACHE", "GOPROXY")
            archives = Path(theirs, "cache", "download")
            if archives.is_dir():
                variables["GOPROXY"] = f"{archives.as_uri()},{proxies}"
            variables["GOMODCACHE"] = str(self.work / "modules")
            variables["GOFLAGS"] += " -modcacherw"  # otherwise the cache could not be removed
        return variables

    def check_space(self, programs: Sequence[ControlPlaneProgram]) -> None:
        """Check the disk space before a build.

        Raises:
            MachineTooSmall: The disk is too full for the build of the largest program and for the results.
        """
        needed_mb = max(map(_while_building_mb, programs)) + _results_mb(programs)
        free_mb = self._free_mb() + _size_mb(self.work)
        if free_mb < needed_mb:
            raise MachineTooSmall(
                f"building {len(programs)} of the control plane's programs needs {needed_mb / 1000:.1f} GB of disk, "
                f"and {self.work.parent} has {free_mb / 1000:.1f} GB free: free some space, or set SLIPWAY_CACHE to a "
                f"folder on another disk"
            )

    def needs_gb(self, programs: Sequence[ControlPlaneProgram]) -> tuple[float, float]:
        """Gigabytes of the results, and the smallest additional space during the build."""
        return _results_mb(programs) / 1000, max(map(_while_building_mb, programs)) / 1000

    def make_room(self, programs: Sequence[ControlPlaneProgram]) -> None:
        """Remove the private caches if the next program has no room otherwise, which makes its build slower."""
        if self._free_mb() < _while_building_mb(programs[0]) + _results_mb(programs):
            self.remove()
        (self.work / "scratch").mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove the private caches."""
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
    """Total size of its files; there are no hard links or sparse files."""
    total = 0
    for path, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(path, name)).st_size for name in names)  # noqa: PTH118 - 200,000 files
    return total / _MB
