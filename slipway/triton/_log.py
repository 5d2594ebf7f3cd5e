"""tritonserver's log: where it goes, its last lines, and what in it says why the server ended."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from slipway.printable import printable
from slipway.triton._errors import ServeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAIL_BYTES = 256 * 1024
# glog: severity, date, time, process, file:line
_COMPLAINT = re.compile(r"[EF]\d{4} [\d:.]+ +(?P<pid>\d+) (?P<source>\S+?):\d+\] +(?P<message>.+)")
# What is written before there is a log, or after its end.
_WITHOUT_LOG = re.compile(
    r"\[libprotobuf (?:ERROR|FATAL) [^\]]*\] (?P<protobuf>.+)"
    r"|error: (?:creating server: )?(?P<final>.+)"
    r"|(?![IWEF]\d{4} |[|+]).*?(?P<option>unrecognized option .+|Bad option: .+|Invalid option value.+)"
    r"|(?![IWEF]\d{4} |[|+]).*?(?P<loader>error while loading shared libraries: .+)"
)
_NO_GPU = "CudaDriverHelper has not been initialized"
_TRANSPORT = "chttp2_server.cc"
_WRAPPING = re.compile(
    r"(?:ERROR: Failed to create instance: |failed to load '[^']*' version \d+: (?:Internal|Invalid argument): )?"
    r"(?:TritonModelException: )?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a server ended, as far as its log tells.

    Attributes:
        reason: One line.
        details: Further errors, in the order of the log.
    """

    reason: str
    details: tuple[str, ...]


class ServerLog:
    """The log of one server, appended to a file, or to one without a name that vanishes with its last user.

    The server writes into the file by itself, so its last words are there even if this process is not.
    """

    def __init__(self, path: Path | None) -> None:
        """Open it.

        Raises:
            ServeError: The file cannot be written.
        """
        try:
            # The server appends for as long as it lives; close() ends our part.
            self.file = cast("IO[bytes]", tempfile.TemporaryFile() if path is None else path.open("a+b"))  # noqa: SIM115
        except OSError as exc:
            raise ServeError(f"cannot write the log {path}: {exc.strerror}") from exc
        self._start = self._end()
        self._last: str | None = None

    def text(self) -> str:
        """The last part of what this server wrote, also after `close`."""
        if self._last is not None:
            return self._last
        end = self._end()
        start = max(self._start, end - _TAIL_BYTES)
        # Not read(): the server shares the position in the file.
        return os.pread(self.file.fileno(), end - start, start).decode(errors="replace")

    def close(self) -> None:
        """Keep the last part in memory and let go of the file; idempotent."""
        self._last = self.text()
        self.file.close()

    def _end(self) -> int:
        return os.fstat(self.file.fileno()).st_size


def explain(text: str, *, pid: int | None = None, killed: bool = False) -> Explanation:
    """Pick what says why the server ended: the first complaint is the cause, later ones mostly repeat it.

    Models, paths and requests put words into a log, and may choose them so that they look like a line of it.

    Args:
        text: Output of the server and its stubs.
        pid: Process id of the server, unknown to a client that injects lines; None for the lines of every process.
        killed: A signal ended it, so that it wrote no last words besides its log.
    """
    complaints = list(dict.fromkeys(printable(complaint) for complaint in _complaints(text, pid, killed=killed)))
    if not complaints:
        ended = tuple(printable(line) for line in last_lines(text, 5))
        return Explanation(reason="its log gives no reason", details=ended)
    reason, *others = complaints
    return Explanation(reason=reason, details=tuple(other for other in others if reason not in other)[:5])


def last_lines(text: str, count: int) -> tuple[str, ...]:
    """The last lines that are neither empty nor part of a table."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith(("|", "+"))]
    return tuple(lines[-count:])


def _complaints(text: str, pid: int | None, *, killed: bool) -> Iterator[str]:
    for line in text.split("\n"):  # not splitlines(): it would break a line of a log at characters of a name
        message = _logged(line, pid) or ("" if killed else _unlogged(line))
        if message:
            yield _WRAPPING.sub("", _unquoted(message), count=1).split("\n")[0].rstrip(" ;")


def _logged(line: str, pid: int | None) -> str:
    match = _COMPLAINT.fullmatch(line)
    if match is None or match["source"] == _TRANSPORT or _NO_GPU in line or pid not in {None, int(match["pid"])}:
        return ""
    return match["message"]


def _unlogged(line: str) -> str:
    match = _WITHOUT_LOG.fullmatch(line)
    return next(filter(None, match.groups())) if match is not None else ""


def _unquoted(message: str) -> str:
    """Triton writes its messages as C strings, with the newlines of a traceback inside."""
    try:
        return str(json.loads(message)) if message.startswith('"') else message
    except ValueError:
        return message
