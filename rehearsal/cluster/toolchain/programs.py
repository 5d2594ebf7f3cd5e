"""The programs of the rehearsal, built if they are missing.

programs = ensure_programs(Console())
programs.executable("kube-apiserver"), programs.files("kserve") / "config/webhook/manifests.yaml"
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from rehearsal.cluster.toolchain.catalogue import CATALOGUE, MODULES, ControlPlaneProgram
from rehearsal.cluster.toolchain.go_caches import GoCaches
from rehearsal.cluster.toolchain.go_command import GoCommand, disk_full
from rehearsal.cluster.toolchain.pins import GoVersion, Pins, read_pins
from rehearsal.cluster.toolchain.store import Built, Store, build, default_cache
from rehearsal.cluster.toolchain.toolchain import Go, find_go, install_go
from rehearsal.errors import ProgramsError
from slipway.platform.progress import ProgressBar

__all__ = ["BuiltPrograms", "ensure_programs"]

_DOWNLOADING = "go: downloading "
_WIDTH = 44
_LINE_EVERY_S = 30


class BuildProgress(ProgressBar):
    """Displays the progress of a build.

    The bar uses the measured build time of each program on two cores.
    """

    def __init__(self, console: Console, programs: Sequence[ControlPlaneProgram]) -> None:
        doing, total_s = TextColumn("{task.fields[doing]}"), sum(program.build_s for program in programs)
        super().__init__(console, BarColumn(), TimeElapsedColumn(), doing, total=total_s, doing="")
        self._programs = programs
        self._before_s = 0.0
        self._started_ns = 0
        self._said_s = 0.0
        self._current: ControlPlaneProgram | None = None

    def start(self, program: ControlPlaneProgram) -> None:
        """Begin a program."""
        self._current, self._started_ns, self._said_s = program, time.perf_counter_ns(), 0.0
        number = self._programs.index(program) + 1
        which = f"{program.name} ({number} of {len(self._programs)})"
        self._update(description=which, doing="resolving modules")
        if not self._console.is_terminal:
            self._print(escape(f"{which}: started, about {program.build_s:.0f} s on two cores"))

    def line(self, text: str) -> None:
        """A progress line of Go: a module that is downloaded, or a package that is compiled."""
        if self._current is None:
            return
        downloaded = text.removeprefix(_DOWNLOADING)
        doing = f"downloading {downloaded}" if downloaded != text else f"building {text}"
        if not self._console.is_terminal and self._spent_s() - self._said_s >= _LINE_EVERY_S:
            self._said_s = self._spent_s()
            self._print(escape(f"{self._current.name}: {self._said_s:.0f} s, {doing}"))
        spent_s = min(self._spent_s(), self._current.build_s)
        self._update(completed=self._before_s + spent_s, doing=escape(doing[:_WIDTH].ljust(_WIDTH)))

    def finish(self, program: ControlPlaneProgram) -> None:
        """Print the program's line."""
        self._before_s += program.build_s
        self._update(completed=self._before_s)
        verb = "built" if program.executables else "downloaded"
        self._print(escape(f"{program.name}: {verb} in {self._spent_s():.0f} s"))

    def _spent_s(self) -> float:
        return (time.perf_counter_ns() - self._started_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPrograms:
    """The built programs.

    Attributes:
        built: Build by program.
        versions: Pinned version by program.
    """

    built: Mapping[str, Built]
    versions: Mapping[str, str]

    @property
    def executables(self) -> Mapping[str, Path]:
        """Path by the executable's name, such as `kube-apiserver`."""
        return MappingProxyType(
            {name: built.executable(name) for built in self.built.values() for name in built.program.executables}
        )

    def executable(self, name: str) -> Path:
        """Path of an executable, such as `kube-apiserver`."""
        return self.executables[name]

    def files(self, program: str) -> Path:
        """Folder of a program's kept files, at their paths inside the module."""
        return self.built[program].files

    def version(self, program: str) -> str:
        """A program's version, such as `v0.20.0`."""
        return self.versions[program]


def ensure_programs(
    console: Console,
    names: Sequence[str] | None = None,
    *,
    catalogue: Sequence[ControlPlaneProgram] = CATALOGUE,
    modules: Path = MODULES,
    cache: Path | None = None,
) -> BuiltPrograms:
    """Find programs in the user's cache, and build those that are missing.

    Finished programs stay if the rest fails or is interrupted: the same call resumes there.

    Args:
        console: Console for progress.
        names: Programs of the catalogue; None for all.
        catalogue: The available programs.
        modules: Folder with each program's go.mod.
        cache: Folder for programs; None for this user's cache.

    Raises:
        GoMissing: A program must be built, and there is no Go.
        ModuleUnavailable: A Go module cannot be downloaded, or does not match go.sum.
        BuildFailed: A program does not compile.
        MachineTooSmall: Not enough disk space or memory.
        ProgramsError: The cache cannot be written, or this installation is damaged.
    """
    pins = {program.name: read_pins(modules / program.name) for program in catalogue}
    maker = _Maker(
        console=console,
        pins=pins,
        store=Store(cache=cache or default_cache()),
        requested=tuple(p for p in catalogue if names is None or p.name in names),
        everything=tuple(catalogue),
    )
    unknown = set(names or ()) - set(pins)
    if unknown:
        raise ValueError(f"expected programs of {sorted(pins)}, got {sorted(unknown)}")
    built = maker.find()
    if built is None:
        built = maker.make()
    return BuiltPrograms(
        built=MappingProxyType(built),
        versions=MappingProxyType({p.name: pins[p.name].version(p.module) for p in maker.requested}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    console: Console
    pins: Mapping[str, Pins]
    store: Store
    requested: Sequence[ControlPlaneProgram]
    everything: Sequence[ControlPlaneProgram]

    def find(self) -> dict[str, Built] | None:
        """The requested programs, if all of them are built."""
        go = self._go()
        built = {p.name: found for p in self.requested if (found := self._find(p, go)) is not None}
        if len(built) < len(self.requested):
            return None
        self._remove_leftovers(go)
        return built

    def make(self) -> dict[str, Built]:
        """Build what is missing."""
        try:
            with self.store.locked(self.console):
                go = self._go() or install_go(self._oldest_go, self.store.cache, self.console)
                self._build([p for p in self.requested if self._find(p, go) is None], go)
                return {p.name: built for p in self.requested if (built := self._find(p, go)) is not None}
        except KeyboardInterrupt:
            self.console.print(
                "stopped; finished programs are kept, and the same command resumes the build", highlight=False
            )
            raise
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                raise disk_full(str(exc)) from exc
            raise ProgramsError(
                f"cannot build in {self.store.cache}: {exc}; set SLIPWAY_CACHE to a writable folder"
            ) from exc

    def _build(self, missing: Sequence[ControlPlaneProgram], go: Go) -> None:
        caches = GoCaches(go=go, work=self.store.work)
        if missing:
            self._announce(missing, caches)
            caches.check_space(missing)
        environment = caches.environment()
        with BuildProgress(self.console, missing) as progress:
            for number, program in enumerate(missing):
                progress.start(program)
                caches.make_room(missing[number:])
                pins = self.pins[program.name]
                command = GoCommand(go=go, folder=pins.folder, environment=environment, listener=progress.line)
                with self.store.making(program, pins, go) as folder:
                    build(program, pins, command, folder)
                progress.finish(program)
        caches.remove()

    def _announce(self, missing: Sequence[ControlPlaneProgram], caches: GoCaches) -> None:
        """Print time and space of the build, from the catalogue."""
        minutes = max(1, round(sum(program.build_s for program in missing) / 60))
        stays_gb, meanwhile_gb = caches.needs_gb(missing)
        self.console.print(
            f"{len(missing)} of {len(self.requested)} programs of the control plane must be built, once: about "
            f"{minutes} min on two cores, {stays_gb:.1f} GB in {self.store.cache}, and at least {meanwhile_gb:.1f} GB "
            "more during the build. Ctrl-C stops it; the same command resumes.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def _remove_leftovers(self, go: Go | None) -> None:
        """Remove unused Go caches of killed processes."""
        if self.store.work.is_dir() and all(self._find(p, go) for p in self.everything):
            with self.store.if_unlocked() as unlocked:
                if unlocked:
                    shutil.rmtree(self.store.work, ignore_errors=True)

    def _find(self, program: ControlPlaneProgram, go: Go | None) -> Built | None:
        return self.store.find(program, self.pins[program.name], go)

    def _go(self) -> Go | None:
        return find_go(self._oldest_go, self.store.cache)

    @property
    def _oldest_go(self) -> GoVersion:
        # One Go version for all programs, whichever are requested, so that no program is built twice.
        return max(pins.go for pins in self.pins.values())
