"""Run one `go` command: what it prints while it works goes to a listener, what went wrong becomes one of our errors."""

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
"""How much of what Go said an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoCommand:
    """A `go` that runs in one module.

    Attributes:
        go: Which Go.
        folder: The module's.
        environment: Its variables, all of them.
        listener: Called with each line about progress: `go: downloading ...`, or the path of a package that is being
            compiled.
    """

    go: Go
    folder: Path
    environment: Mapping[str, str]
    listener: Callable[[str], None]

    def run(self, *arguments: str, failure: Callable[[str], ProgramsError]) -> str:
        """Run it to its end; Ctrl-C ends it with everything that it started.

        Args:
            arguments: Those of `go`.
            failure: Makes the error of Go's last words.

        Returns:
            Its standard output.

        Raises:
            ProgramsError: Go failed; as `failure` makes it.
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
        """Follow it to its end; its last lines, of those about progress the last download alone."""
        downloading: list[str] = []  # an error often does not say of which module it is
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
        words: Of whoever met it.
    """
    return MachineTooSmall(
        f"the disk is full: make room, or name a folder on another disk in SLIPWAY_CACHE; the same command goes on "
        f"where this one stopped\n{words}"
    )


def _explained(words: str, failure: Callable[[str], ProgramsError]) -> ProgramsError | MachineTooSmall:
    if "no space left on device" in words:
        return disk_full(words)
    if "signal: killed" in words:
        return MachineTooSmall(
            f"the kernel killed Go's compiler, most likely for want of memory: end other programs; the same command "
            f"goes on where this one stopped\n{words}"
        )
    return failure(words)
