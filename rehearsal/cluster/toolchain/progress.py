"""Progress of a build: a live bar on a terminal, lines otherwise, and a line per finished program."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from rehearsal.cluster.toolchain.catalogue import ControlPlaneProgram
from slipway.platform.progress import ProgressBar

__all__ = ["BuildProgress"]

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
