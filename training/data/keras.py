"""MNIST as Keras publishes it.

This fetches the file of `keras.datasets.mnist.load_data()` without that function: importing Keras takes seconds,
its download waits as long as the socket does, and it prints its progress.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from training.data.arrays import ARRAY_NAMES, Arrays, canonical
from training.data.mnist import check_sha256
from training.data.npz import read_npz
from training.errors import DataUnavailable

__all__ = ["KerasDownload"]

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPZ_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
"""Both as in the source of `keras.datasets.mnist.load_data`; a test compares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasDownload:
    """The file behind `keras.datasets.mnist`.

    Attributes:
        url: Where it is.
        sha256: Of the file, in hex.
        timeout_s: Longest silence of the other side, when connecting and between two pieces. Short: there is
            another source.
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
            DataRefused: Something else came than the file that Keras names.
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
