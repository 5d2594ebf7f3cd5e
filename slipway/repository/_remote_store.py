"""Files of a remote repository, over fsspec: S3, Google Cloud Storage, whatever it has a back end for.

    with open_store("s3://models/prod", console) as store:
        store.paths()                                  # every file below the URL
        store.upload(path, "mnist/3/model.onnx")

Every back end has its own exceptions; they become `RemoteFailed` here, with the way out.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from fsspec.callbacks import Callback
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from slipway.distribution import install_hint
from slipway.repository._errors import RemoteFailed, RepositoryError
from slipway.repository._layout import SCRATCH_PREFIX

_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?=\S)")
_EXPECTED_URL = "expected a URL such as s3://bucket/models or gs://bucket/models"
_REMEDIES = {
    "ImportError": f"install what this kind of URL needs: {install_hint('remote')}",
    "ValueError": _EXPECTED_URL,
    "FileNotFoundError": "it is not there: check that the bucket exists, and its name",
    "PermissionError": "these credentials may not do that: they need to list, read, write and delete below the URL",
    "NoCredentialsError": "give credentials: environment variables, a profile, or a service account with a role",
    "DefaultCredentialsError": "give credentials: environment variables, a profile, or a service account with a role",
}
_UNKNOWN = "check the network, the endpoint and the credentials, and run the command again: it goes on where it was"


@contextmanager
def open_store(url: str, console: Console) -> Iterator[RemoteStore]:
    """Open what is below a URL; bars for the files on their way go to `console` if it is a terminal.

    Raises:
        RemoteFailed: It is no URL; or there is no back end for it, or it is not installed.
    """
    if not _URL.match(url):
        raise RemoteFailed(f"{_EXPECTED_URL}, or file:///folder for one on this machine, got {url!r}")
    with _translated("open", url):
        system, root = url_to_fs(url, use_listings_cache=False)
    if isinstance(system, LocalFileSystem):
        system.auto_mkdir = True
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield RemoteStore(url=url.rstrip("/"), system=system, root=root.rstrip("/"), progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RemoteStore:
    """Files below one URL. Every path is relative to it, with slashes.

    Attributes:
        url: As it was given, for messages.
        system: fsspec's file system.
        root: The URL's path in it.
        progress: Shows files on their way.
    """

    url: str
    system: Any
    root: str
    progress: Progress

    def paths(self) -> tuple[str, ...]:
        """Every file, sorted; none when nothing is there.

        Raises:
            RemoteFailed: It cannot be listed, or a name in it would leave a folder that it is copied to.
        """
        with _translated("list", self.url):
            found = self.system.find(self.root)
        names = sorted(str(name)[len(self.root) :].lstrip("/") for name in found)
        for name in names:
            if ".." in name.split("/"):
                raise RemoteFailed(f"{self.url}: expected names without '..', got {name!r}; remove that object")
        return tuple(name for name in names if name and not any(p.startswith(SCRATCH_PREFIX) for p in name.split("/")))

    def read(self, path: str) -> str:
        """Text of a small file."""
        with _translated("read", f"{self.url}/{path}"):
            return bytes(self.system.cat_file(self._full(path))).decode("utf-8")

    def exists(self, path: str) -> bool:
        """Whether there is such a file now."""
        with _translated("look for", f"{self.url}/{path}"):
            return bool(self.system.exists(self._full(path)))

    def sha256(self, path: str) -> str:
        """SHA-256 of the bytes that are there, read back."""
        with _translated("read", f"{self.url}/{path}"), self.system.open(self._full(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def upload(self, local: Path, path: str) -> None:
        """Copy a file there, over what is there."""
        with _translated("write", f"{self.url}/{path}"), self._bar(PurePosixPath(path), local.stat().st_size) as bar:
            self.system.put_file(str(local), self._full(path), callback=bar)

    def download(self, path: str, local: Path) -> None:
        """Copy a file from there."""
        with _translated("read", f"{self.url}/{path}"), self._bar(PurePosixPath(path), None) as bar:
            self.system.get_file(self._full(path), str(local), callback=bar)

    def create(self, path: str, content: bytes) -> bool:
        """Write a small file that must not be there yet; where the store can, in one indivisible step.

        Returns:
            False when somebody else was faster; theirs is untouched.
        """
        with _translated("write", f"{self.url}/{path}"):
            try:
                self.system.pipe_file(self._full(path), content, mode="create")
            except FileExistsError:
                return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file."""
        with _translated("remove", f"{self.url}/{path}"):
            self.system.rm_file(self._full(path))

    def check_writable(self) -> None:
        """Write and remove a file of no consequence.

        Raises:
            RemoteFailed: It cannot be written or removed.
        """
        probe = f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"
        self.create(probe, b"written by `slipway models pull --check-write`; remove it\n")
        self.remove(probe)

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"

    @contextmanager
    def _bar(self, name: PurePosixPath, size: int | None) -> Iterator[_Bar]:
        with _Bar(self.progress, str(name), size) as bar:
            yield bar


class _Bar(Callback):  # type: ignore[misc]  # fsspec ships no types
    """One file's bar, moved by fsspec."""

    def __init__(self, progress: Progress, name: str, size: int | None) -> None:
        super().__init__(size=size)
        self._progress = progress
        self._task = progress.add_task(name, total=size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._progress.remove_task(self._task)

    def call(self, hook_name: str | None = None, **kwargs: object) -> None:
        """Show how far the file is; fsspec calls this after each piece."""
        super().call(hook_name, **kwargs)
        self._progress.update(self._task, total=self.size, completed=self.value)


@contextmanager
def _translated(action: str, url: str) -> Iterator[None]:
    try:
        yield
    except RepositoryError:
        raise
    except Exception as exc:
        kinds = [kind.__name__ for kind in type(exc).__mro__]
        remedy = next((_REMEDIES[kind] for kind in kinds if kind in _REMEDIES), _UNKNOWN)
        raise RemoteFailed(f"cannot {action} {url}: {type(exc).__name__}: {exc}; {remedy}") from exc
