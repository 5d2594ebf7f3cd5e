"""Load MNIST from the first available source: the local cache, otherwise a download, which is then cached.

Every source must deliver the same arrays, and every downloaded file is compared with its pinned checksum. Keras' file
is fetched without `keras.datasets.mnist.load_data()`: importing Keras takes seconds, its download waits as long as the
socket does, and it prints its progress.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import numpy as np
from rich.console import Console

from training.data.arrays import ARRAY_NAMES, Arrays, canonical
from training.data.npz import read_npz, write_npz
from training.errors import DataError, DataRefused, DataUnavailable

__all__ = ["MNIST_LABELS", "MNIST_SHA256", "Cache", "KerasDownload", "Source", "check_sha256", "first_good"]

log = logging.getLogger(__name__)

MNIST_LABELS = tuple("0123456789")

MNIST_SHA256 = "902d2f6960b6b3d90998fcc6223893154c5e9dfbc8124bdddf043940af682d12"
"""`Arrays.digest()` of the 60,000 + 10,000 images. Written as IDX files, the arrays with this digest have the
MD5 sums of the four original files (`train-images-idx3-ubyte`: 6bbc9ace…); a test compares all four."""

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPZ_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
"""URL and checksum from the source of `keras.datasets.mnist.load_data`; a test compares them."""


class Source(Protocol):
    """A source of the arrays."""

    @property
    def name(self) -> str:
        """For messages."""

    def fetch(self) -> Arrays:
        """Get the arrays.

        Raises:
            DataError: They are unavailable or damaged.
            OSError: A disk or network failed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A file of four arrays.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def name(self) -> str:
        """For messages."""
        home = Path.home()
        shown = Path("~", self.path.relative_to(home)) if self.path.is_relative_to(home) else self.path
        return f"cache {shown}"

    def fetch(self) -> Arrays:
        """Read the arrays.

        Raises:
            DataUnavailable: There is no file.
            DataRefused: The file is damaged.
        """
        try:
            raw = read_npz(self.path, required=ARRAY_NAMES)
        except FileNotFoundError as exc:
            raise DataUnavailable("no file yet") from exc
        return canonical(raw)

    def store(self, arrays: Arrays) -> None:
        """Cache the arrays. An unwritable folder is only a warning, since the data is loaded."""
        narrow = {
            "x_train": arrays.x_train.squeeze(-1),
            "y_train": arrays.y_train.astype(np.uint8),
            "x_test": arrays.x_test.squeeze(-1),
            "y_test": arrays.y_test.astype(np.uint8),
        }
        try:
            write_npz(self.path, narrow)
        except OSError as exc:
            log.warning("%s: not written (%s); the data set will be downloaded again next time", self.name, exc)

    def discard(self) -> None:
        """Remove an invalid file."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as exc:
            log.warning("%s: cannot be removed (%s); remove it by hand", self.name, exc)


def first_good(cache: Cache, downloads: Sequence[Source], *, digest: str = MNIST_SHA256) -> tuple[Arrays, str]:
    """Try the cache, then each download; cache a download.

    Args:
        cache: Tried first. A file that does not hold the expected arrays is removed.
        downloads: Tried in order.
        digest: Digest of the expected arrays.

    Returns:
        The arrays and the name of their source.

    Raises:
        DataUnavailable: No source delivered the expected arrays; the text says why, for each.
    """
    tried = []
    for source in (cache, *downloads):
        try:
            with Console(stderr=True).status(f"MNIST: trying {source.name}"):
                arrays = source.fetch()
            _check_digest(arrays, digest)
        except (DataError, OSError) as exc:
            tried.append(f"{source.name}: {exc}")
            if source is cache and isinstance(exc, DataRefused):
                log.warning("%s; removing it, trying the next source", tried[-1])
                cache.discard()
            continue
        if source is not cache:
            cache.store(arrays)
        return arrays, source.name
    raise DataUnavailable(
        "MNIST: no source has it.\n"
        + "".join(f"  - {reason}\n" for reason in tried)
        + f"Put Keras' mnist.npz at {cache.path}, or give your own arrays with --data PATH.npz"
    )


def _check_digest(arrays: Arrays, expected: str) -> None:
    got = arrays.digest()
    if got != expected:
        raise DataRefused(
            f"these are not the arrays of MNIST: expected digest {expected}, got {got} "
            f"(x_train {arrays.x_train.shape}, x_test {arrays.x_test.shape})"
        )


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file of other bytes.

    Args:
        path: The file.
        expected: SHA-256 in hex, lower case.

    Raises:
        DataRefused: The file is cut short, damaged, or another one.
    """
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise DataRefused(f"{path.name} ({path.stat().st_size:,} bytes): expected sha256 {expected}, got {got}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasDownload:
    """The file behind `keras.datasets.mnist`.

    Attributes:
        url: URL of the file.
        sha256: SHA-256 of the file, in hex.
        timeout_s: Time-out to connect and between two reads. Short, since there is another source.
    """

    url: str = URL
    sha256: str = NPZ_SHA256
    timeout_s: float = 5.0

    @property
    def name(self) -> str:
        """For messages."""
        return "Keras' download"

    def fetch(self) -> Arrays:
        """Download the file and read the arrays.

        Raises:
            DataUnavailable: The download failed.
            DataRefused: The file differs from the one that Keras names.
        """
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            path = Path(folder) / "mnist.npz"
            self._download(path)
            check_sha256(path, self.sha256)
            return canonical(read_npz(path, required=ARRAY_NAMES))

    def _download(self, path: Path) -> None:
        try:
            with httpx.stream("GET", self.url, timeout=self.timeout_s) as response, path.open("wb") as file:
                response.raise_for_status()
                for piece in response.iter_bytes():
                    file.write(piece)
        except httpx.HTTPError as exc:
            raise DataUnavailable(f"{self.url}: {str(exc) or type(exc).__name__}") from exc
