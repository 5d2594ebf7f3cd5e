"""MNIST, from the first source that has it; every source must deliver the same arrays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from training.data.arrays import Arrays
from training.data.cache import Cache
from training.errors import DataError, DataRefused, DataUnavailable

__all__ = ["MNIST_LABELS", "MNIST_SHA256", "Source", "first_good"]

log = logging.getLogger(__name__)

MNIST_LABELS = tuple("0123456789")

MNIST_SHA256 = "902d2f6960b6b3d90998fcc6223893154c5e9dfbc8124bdddf043940af682d12"
"""`Arrays.digest()` of the 60,000 + 10,000 images. Written as IDX files, the arrays with this digest have the
MD5 sums of the four original files (`train-images-idx3-ubyte`: 6bbc9ace…); a test compares all four."""


class Source(Protocol):
    """A place to get the arrays from."""

    @property
    def name(self) -> str:
        """For messages."""

    def fetch(self) -> Arrays:
        """Get the arrays.

        Raises:
            DataError: They cannot be had, or are damaged.
            OSError: A disk or network failed.
        """


def first_good(cache: Cache, downloads: Sequence[Source], *, digest: str = MNIST_SHA256) -> tuple[Arrays, str]:
    """Try the cache, then each download; keep what was downloaded.

    Args:
        cache: Tried first. A file that does not hold the expected arrays is removed.
        downloads: Tried in order.
        digest: Of the expected arrays.

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
