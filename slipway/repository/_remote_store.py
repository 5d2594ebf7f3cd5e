"""Files of a remote repository, over fsspec: S3, Google Cloud Storage, whatever it has a back end for.

    with open_store("s3://models/prod", console) as store:
        store.sizes()                                  # every file below the URL
        store.create(path, "mnist/3/model.onnx")       # only if it is not there yet

Every back end has its own exceptions; they become `RemoteFailed` here, with the way out. Every question has a bound.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from fsspec.core import url_to_fs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from slipway.printable import printable
from slipway.repository import _store_patience as patience
from slipway.repository._errors import RemoteFailed
from slipway.repository._layout import SCRATCH_PREFIX
from slipway.repository._store_bar import Bar
from slipway.repository._store_copy import copy_here, read_small
from slipway.repository._store_create import create_file, replace_file
from slipway.repository._store_errors import EXPECTED_URL, is_transient, translated
from slipway.repository._store_listing import is_http, list_files
from slipway.repository._store_secrets import Secrets, shown_url, userinfo

T = TypeVar("T")

MAX_TEXT_BYTES = 16 * 2**20
"""No manifest, configuration or list of labels is larger."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?=\S)")
_KEYS_ELSEWHERE = {"s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
_ALIASES = {"s3a": "s3", "gcs": "gs"}
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)


@contextmanager
def open_store(url: str, console: Console) -> Iterator[RemoteStore]:
    """Open what is below a URL; bars for the files on their way go to `console` if it is a terminal.

    Raises:
        RemoteFailed: It is no URL, or has keys in it where they do not belong; or there is no back end for it, or it
            is not installed.
    """
    hidden, shown = Secrets.of(url), shown_url(url)
    if not _URL.match(url):
        raise RemoteFailed(f"{EXPECTED_URL}, or file:///folder for one on this machine, got {printable(shown)!r}")
    scheme = url.partition(":")[0]
    kind = _ALIASES.get(scheme, scheme)
    if kind in _KEYS_ELSEWHERE and userinfo(url):
        raise RemoteFailed(
            f"{printable(shown)}: expected a bucket behind {scheme}://, got keys too. Give them as "
            f"{_KEYS_ELSEWHERE[kind]}, and change those that stood in the URL: others may have seen them"
        )
    with translated("open", shown, hidden):
        system, root = patience.bounded(
            lambda: url_to_fs(url, use_listings_cache=False, **_options(kind)), limit_s=patience.ANSWER_S
        )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield RemoteStore(url=shown.rstrip("/"), system=system, root=root.rstrip("/"), progress=progress, hidden=hidden)


def _options(kind: str) -> dict[str, Any]:
    """Time limits of one socket, for the back ends that can be told; trying again is done here, not there as well."""
    if kind == "s3":
        limits: dict[str, Any] = {"connect_timeout": patience.CONNECT_S, "read_timeout": patience.READ_S}
        if "AWS_MAX_ATTEMPTS" not in os.environ:
            limits["retries"] = {"max_attempts": 0}
        return {"config_kwargs": limits}
    if kind == "gs":
        try:
            from slipway.repository._store_google import google_options  # noqa: PLC0415 - aiohttp comes with gcsfs
        except ModuleNotFoundError:
            return {}  # fsspec says what is to be installed
        return google_options()
    if kind in {"http", "https"}:
        from aiohttp import ClientTimeout  # noqa: PLC0415 - only this back end has it

        limit = ClientTimeout(total=None, sock_connect=patience.CONNECT_S, sock_read=patience.READ_S)
        return {"client_kwargs": {"timeout": limit}}
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RemoteStore:
    """Files below one URL. Every path is relative to it, with slashes.

    Attributes:
        url: For messages: without password.
        system: fsspec's file system.
        root: The URL's path in it.
        progress: Shows files on their way.
        hidden: What no message may show.
    """

    url: str
    system: Any = field(repr=False)
    root: str = field(repr=False)
    progress: Progress = field(repr=False)
    hidden: Secrets = field(repr=False)

    def sizes(self) -> dict[str, int | None]:
        """Size in bytes of every file, by name as the store has it, which may be hostile; none when nothing is there.

        Raises:
            RemoteFailed: It cannot be listed, or is not there.
        """
        return self._ask("list", "", lambda: list_files(self.system, self.root))

    def read(self, path: str) -> bytes:
        """A small file."""
        content = self._ask("read", path, lambda: read_small(self.system, self._full(path), MAX_TEXT_BYTES))
        if len(content) > MAX_TEXT_BYTES:
            raise RemoteFailed(f"{self.where(path)}: expected at most {MAX_TEXT_BYTES >> 20} MiB, got more; look at it")
        return content

    def read_if_there(self, path: str) -> bytes | None:
        """A small file; None when there is none."""

        def read() -> bytes | None:
            try:
                return read_small(self.system, self._full(path), MAX_TEXT_BYTES)
            except FileNotFoundError:
                return None

        return self._ask("read", path, read)

    def exists(self, path: str) -> bool:
        """Whether there is such a file now."""
        return self._ask("look for", path, lambda: bool(self.system.exists(self._full(path))))

    def size(self, path: str) -> int | None:
        """Bytes of a file, which a listing of a web server does not say; None where it still does not."""
        size: int | None = self._ask("look at", path, lambda: self.system.size(self._full(path)))
        return size

    def sha256(self, path: str, size_bytes: int | None) -> str:
        """SHA-256 of the bytes that are there, read back."""

        def read() -> str:
            with self.system.open(self._full(path), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return self._ask("read", path, read, limit_s=patience.transfer_limit_s(size_bytes))

    def modified(self, path: str) -> datetime:
        """When a file was written, by the store's own clock."""

        def read() -> datetime:
            at: datetime = self.system.modified(self._full(path))
            return at if at.tzinfo else at.replace(tzinfo=UTC)

        return self._ask("look at", path, read)

    def now(self) -> datetime:
        """The store's own clock: when it writes a file of no consequence."""
        probe = self._probe("written by `slipway models push` to read the store's clock; remove it\n")
        try:
            return self.modified(probe)
        finally:
            self.remove(probe)

    def download(self, path: str, local: Path, size_bytes: int | None, *, room_bytes: int) -> None:
        """Copy a file from there; a full disk here is an OSError.

        Args:
            path: The file there.
            local: Where it goes.
            size_bytes: What the store said of it; more is cut off. None where it does not say.
            room_bytes: What the disk here can take: the bound of a file whose size nobody said.

        Raises:
            RemoteFailed: It cannot be read, or is larger.
        """
        most_bytes = room_bytes if size_bytes is None else size_bytes

        def copy() -> None:
            with Bar(self.progress, path, size_bytes=size_bytes, most_bytes=most_bytes) as bar:
                copy_here(self.system, self._full(path), local, bar)

        self._ask("read", path, copy, limit_s=patience.transfer_limit_s(size_bytes))

    def create(self, local: Path, path: str) -> bool:
        """Copy a file there if there is none of that name; where the store can, in one indivisible step.

        Returns:
            False when there is one, which is untouched.
        """
        self.refuse_read_only()
        size = local.stat().st_size
        with Bar(self.progress, path, size_bytes=size) as bar:
            return self._ask(
                "write",
                path,
                lambda: create_file(self.system, local, self._full(path), self._scratch(), bar),
                limit_s=patience.transfer_limit_s(size),
            )

    def create_text(self, content: bytes, path: str) -> bool:
        """The same for a small file."""
        self.refuse_read_only()
        return self._ask(
            "write", path, lambda: create_file(self.system, content, self._full(path), self._scratch(), None)
        )

    def replace(self, content: bytes, path: str) -> None:
        """Write a small file over what is there; readers see the old or the new."""
        self.refuse_read_only()
        self._ask("write", path, lambda: replace_file(self.system, content, self._full(path), self._scratch()))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._ask("remove", path, lambda: self.system.rm_file(self._full(path)))

    def refuse_read_only(self) -> None:
        """Refuse what nobody can write to, whoever asks.

        Raises:
            RemoteFailed: It is a web server.
        """
        if is_http(self.system):
            raise RemoteFailed(f"{self.url}: a web server can be pulled from and not pushed to; {EXPECTED_URL}")

    def check_writable(self) -> None:
        """Write and remove a file of no consequence.

        Raises:
            RemoteFailed: It cannot be written or removed.
        """
        self.remove(self._probe("written by `slipway models pull --check-write`; remove it\n"))

    def where(self, path: str) -> str:
        """A file's place, for messages."""
        return f"{self.url}/{printable(path)}" if path else self.url

    def _probe(self, text: str) -> str:
        probe = f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"
        self.create_text(text.encode(), probe)
        return probe

    def _ask(self, action: str, path: str, question: Callable[[], T], *, limit_s: float | None = None) -> T:
        def ask_again() -> T:
            for pause_s in _PAUSES_S:
                try:
                    return question()
                except Exception as exc:
                    if not is_transient(exc):
                        raise
                time.sleep(pause_s)
            return question()

        with translated(action, self.where(path), self.hidden):
            return patience.bounded(ask_again, limit_s=patience.ANSWER_S if limit_s is None else limit_s)

    def _scratch(self) -> str:
        return self._full(f"{SCRATCH_PREFIX}{secrets.token_hex(8)}")

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"
