"""Files of a remote repository: listed, read, created, replaced, removed.

    store.sizes()                                  # every file below the URL
    store.create(path, "mnist/3/model.onnx")       # only if it does not exist

Exceptions of the back ends are translated into `RemoteFailed` here, with the remedy. Every operation has a time-out.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rich.progress import Progress

from slipway.platform.daemon_threads import bounded
from slipway.printable import printable
from slipway.repository._errors import RemoteFailed
from slipway.repository._layout import SCRATCH_PREFIX
from slipway.repository._store import timeouts
from slipway.repository._store.errors import EXPECTED_URL, is_transient, translated
from slipway.repository._store.listing import is_http, list_files
from slipway.repository._store.redaction import Secrets
from slipway.repository._store.transfer import TransferBar, create_file, download, read_small, replace_file

T = TypeVar("T")

MAX_TEXT_BYTES = 16 * 2**20
"""Upper bound for a manifest, a configuration or a label file."""
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RemoteStore:
    """Files below one URL. Every path is relative to it, with slashes.

    Attributes:
        url: For messages: without password.
        system: fsspec's file system.
        root: The URL's path in it.
        progress: Shows files on their way.
        hidden: Secrets that no message may contain.
    """

    url: str
    system: Any = field(repr=False)
    root: str = field(repr=False)
    progress: Progress = field(repr=False)
    hidden: Secrets = field(repr=False)

    def sizes(self) -> dict[str, int | None]:
        """Size in bytes of every file, by its name in the store, which is untrusted; empty if there are no files.

        Raises:
            RemoteFailed: It cannot be listed, or does not exist.
        """
        return self._call("list", "", lambda: list_files(self.system, self.root))

    def read(self, path: str) -> bytes:
        """The bytes of a small file."""
        content = self._call("read", path, lambda: read_small(self.system, self._full(path), MAX_TEXT_BYTES))
        if len(content) > MAX_TEXT_BYTES:
            raise RemoteFailed(f"{self.where(path)}: expected at most {MAX_TEXT_BYTES >> 20} MiB, got more; check it")
        return content

    def read_if_there(self, path: str) -> bytes | None:
        """The bytes of a small file; None if it does not exist."""

        def read() -> bytes | None:
            try:
                return read_small(self.system, self._full(path), MAX_TEXT_BYTES)
            except FileNotFoundError:
                return None

        return self._call("read", path, read)

    def exists(self, path: str) -> bool:
        """Whether the file exists."""
        return self._call("look for", path, lambda: bool(self.system.exists(self._full(path))))

    def size(self, path: str) -> int | None:
        """Size of a file in bytes, which a web server's listing lacks; None if the server does not say."""
        size: int | None = self._call("look at", path, lambda: self.system.size(self._full(path)))
        return size

    def sha256(self, path: str, size_bytes: int | None) -> str:
        """SHA-256 of the file's bytes, read back from the store."""

        def read() -> str:
            with self.system.open(self._full(path), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return self._call("read", path, read, limit_s=timeouts.transfer_limit_s(size_bytes))

    def modified(self, path: str) -> datetime:
        """Modification time of a file, by the store's clock."""

        def read() -> datetime:
            at: datetime = self.system.modified(self._full(path))
            return at if at.tzinfo else at.replace(tzinfo=UTC)

        return self._call("look at", path, read)

    def now(self) -> datetime:
        """Current time by the store's clock: the modification time of a probe file."""
        probe = self._probe("written by `slipway models push` to read the store's clock; remove it\n")
        try:
            return self.modified(probe)
        finally:
            self.remove(probe)

    def download(self, path: str, local: Path, size_bytes: int | None, *, free_bytes: int) -> None:
        """Download a file; a full local disk raises OSError.

        Args:
            path: The remote file.
            local: The local file.
            size_bytes: Its size as listed; a longer transfer is aborted. None if the store did not say.
            free_bytes: Free local disk space: the limit for a file of unknown size.

        Raises:
            RemoteFailed: It cannot be read, or is larger.
        """
        most_bytes = free_bytes if size_bytes is None else size_bytes

        def copy() -> None:
            with TransferBar(self.progress, path, size_bytes=size_bytes, most_bytes=most_bytes) as bar:
                download(self.system, self._full(path), local, bar)

        self._call("read", path, copy, limit_s=timeouts.transfer_limit_s(size_bytes))

    def create(self, local: Path, path: str) -> bool:
        """Upload a file if none of that name exists; atomic if the store supports it.

        Returns:
            False if it existed; it is untouched.
        """
        self.refuse_read_only()
        size = local.stat().st_size
        with TransferBar(self.progress, path, size_bytes=size) as bar:
            return self._call(
                "write",
                path,
                lambda: create_file(self.system, local, self._full(path), self._scratch(), bar),
                limit_s=timeouts.transfer_limit_s(size),
            )

    def create_text(self, content: bytes, path: str) -> bool:
        """The same for the bytes of a small file."""
        self.refuse_read_only()
        return self._call(
            "write", path, lambda: create_file(self.system, content, self._full(path), self._scratch(), None)
        )

    def replace(self, content: bytes, path: str) -> None:
        """Replace a small file; readers see the old or the new contents."""
        self.refuse_read_only()
        self._call("write", path, lambda: replace_file(self.system, content, self._full(path), self._scratch()))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._call("remove", path, lambda: self.system.rm_file(self._full(path)))

    def refuse_read_only(self) -> None:
        """Reject a read-only kind of store.

        Raises:
            RemoteFailed: It is a web server.
        """
        if is_http(self.system):
            raise RemoteFailed(f"{self.url}: a web server is read-only, and can be pulled from only; {EXPECTED_URL}")

    def check_writable(self) -> None:
        """Write and remove a probe file.

        Raises:
            RemoteFailed: It cannot be written or removed.
        """
        self.remove(self._probe("written by `slipway models pull --check-write`; remove it\n"))

    def where(self, path: str) -> str:
        """A file's URL, for messages."""
        return f"{self.url}/{printable(path)}" if path else self.url

    def _probe(self, text: str) -> str:
        probe = f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"
        self.create_text(text.encode(), probe)
        return probe

    def _call(self, action: str, path: str, operation: Callable[[], T], *, limit_s: float | None = None) -> T:
        def call_again() -> T:
            for pause_s in _PAUSES_S:
                try:
                    return operation()
                except Exception as exc:
                    if not is_transient(exc):
                        raise
                time.sleep(pause_s)
            return operation()

        with translated(action, self.where(path), self.hidden):
            return bounded(call_again, limit_s=timeouts.ANSWER_S if limit_s is None else limit_s, name=timeouts.THREAD)

    def _scratch(self) -> str:
        return self._full(f"{SCRATCH_PREFIX}{secrets.token_hex(8)}")

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"
