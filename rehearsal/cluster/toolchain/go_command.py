"""Run a `go` command: pass its progress to a listener, and map its failures to errors."""

from __future__ import annotations

import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.cluster.toolchain.toolchain import Go
from rehearsal.errors import MachineTooSmall, ProgramsError
from slipway.platform.output_lines import Lines
from slipway.platform.processes import ChildProcess

__all__ = ["GoCommand", "disk_full"]

_GRACE_S = 10
_DOWNLOADING = "go: downloading "
_LINES = 12
"""Lines of Go's output that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoCommand:
    """Runs `go` in one module.

    Attributes:
        go: The Go tool chain.
        folder: Folder of the module.
        environment: Its complete environment.
        listener: Called with each progress line: `go: downloading ...`, or the package that is being compiled.
    """

    go: Go
    folder: Path
    environment: Mapping[str, str]
    listener: Callable[[str], None]

    def run(self, *arguments: str, failure: Callable[[str], ProgramsError]) -> str:
        """Run a command; Ctrl-C ends it with its child processes.

        Args:
            arguments: Arguments of `go`.
            failure: Makes the error from the end of Go's output.

        Returns:
            Its standard output.

        Raises:
            ProgramsError: Go failed; the error of `failure`.
            MachineTooSmall: The disk is full, or the kernel killed the compiler.
        """
        lines = Lines()
        with tempfile.TemporaryFile() as output:
            with lines.writer() as errors:
                process = ChildProcess(
                    (str(self.go.executable), *arguments),
                    output=output,
                    errors=errors,
                    last_signal=signal.SIGINT,  # Go ends its compilers, then itself
                    directory=self.folder,
                    environment=self.environment,
                )
            try:
                words = self._listen(lines)
                exit_code = process.wait()
            except BaseException:
                process.stop(_GRACE_S, group_signal=signal.SIGINT)
                raise
            finally:
                lines.close()
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if exit_code != 0:
            raise _explained("\n".join(words) or printed.strip(), failure)
        return printed

    def _listen(self, lines: Iterable[bytes]) -> Sequence[str]:
        """Read its output; returns the last lines, of the progress lines only the last download."""
        downloading: list[str] = []  # an error often does not name its module
        words: deque[str] = deque(maxlen=_LINES)
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if text.startswith(_DOWNLOADING):
                downloading = [text]
                self.listener(text)
            elif text and " " not in text:
                self.listener(text)
            elif text:
                words.append(text)
        return [*downloading, *words]


def disk_full(words: str) -> MachineTooSmall:
    """The error of a full disk.

    Args:
        words: Message of the failed operation.
    """
    return MachineTooSmall(
        f"the disk is full: free some space, or set SLIPWAY_CACHE to a folder on another disk; the same command "
        f"resumes the build\n{words}"
    )


def _explained(words: str, failure: Callable[[str], ProgramsError]) -> ProgramsError | MachineTooSmall:
    if "no space left on device" in words:
        return disk_full(words)
    if "signal: killed" in words:
        return MachineTooSmall(
            f"the kernel killed Go's compiler, probably for lack of memory: end other programs; the same command "
            f"resumes the build\n{words}"
        )
    return failure(words)
