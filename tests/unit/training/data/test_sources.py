"""The cache and the order of the sources: what is tried, kept, removed and said.

The arrays are small stand-ins with their own digest; the real ones are in the integration tier.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from training.data.arrays import Arrays, canonical
from training.data.mnist import Cache, first_good
from training.errors import DataUnavailable


def digits(seed=0):
    rng = np.random.default_rng(seed)
    return canonical(
        {
            "x_train": rng.integers(0, 256, (60, 28, 28), dtype=np.uint8),
            "y_train": rng.integers(0, 10, 60),
            "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
            "y_test": rng.integers(0, 10, 10),
        }
    )


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A source that sells what it is given."""

    name: str
    fetch: Callable[[], Arrays]


def closed() -> Arrays:
    raise DataUnavailable("closed on Sundays")


def unused() -> Arrays:
    raise AssertionError("an earlier source was good enough")


@pytest.fixture
def cache(tmp_path):
    return Cache(path=tmp_path / "below" / "mnist.npz")


def load(cache, *shops):
    return first_good(cache, shops, digest=digits().digest())


def test_what_a_download_delivers_is_kept_for_the_next_time(cache):
    first = load(cache, Shop(name="closed shop", fetch=closed), Shop(name="good shop", fetch=digits))
    second = load(cache, Shop(name="unused shop", fetch=unused))

    assert "good shop" == first[1]
    assert f"cache {cache.path}" == second[1]
    assert digits().digest() == second[0].digest()


def test_the_cache_is_one_file_that_others_can_read(cache, tmp_path):
    load(cache, Shop(name="good shop", fetch=digits))
    (tmp_path / "plain").touch()

    assert ["mnist.npz"] == [path.name for path in cache.path.parent.iterdir()]
    assert (tmp_path / "plain").stat().st_mode == cache.path.stat().st_mode


@pytest.mark.parametrize("kept", [0, 100, -1], ids=["empty", "cut in an array", "one byte short"])
def test_a_damaged_cache_is_named_replaced_and_the_data_still_come(cache, caplog, kept):
    cache.store(digits())
    cache.path.write_bytes(cache.path.read_bytes()[:kept])

    _, source = load(cache, Shop(name="good shop", fetch=digits))

    assert "good shop" == source
    assert f"cache {cache.path}: not a whole npz file" in caplog.text
    assert digits().digest() == cache.fetch().digest()


def test_a_cache_with_other_arrays_is_removed_even_if_nothing_replaces_it(cache, caplog):
    cache.store(digits(seed=1))

    with pytest.raises(DataUnavailable):
        load(cache, Shop(name="closed shop", fetch=closed))
    assert not cache.path.exists()
    assert "these are not the arrays of MNIST: expected digest" in caplog.text


def test_a_source_with_other_arrays_is_passed_over_and_never_cached(cache):
    with pytest.raises(DataUnavailable, match=r"forged shop: these are not the arrays of MNIST"):
        load(cache, Shop(name="forged shop", fetch=lambda: digits(seed=1)))
    assert not cache.path.exists()


def test_when_all_sources_fail_each_is_named_with_its_reason_and_a_way_out(cache):
    with pytest.raises(DataUnavailable) as unavailable:
        load(cache, Shop(name="closed shop", fetch=closed), Shop(name="forged shop", fetch=lambda: digits(seed=1)))

    header, *reasons, way_out = str(unavailable.value).splitlines()
    assert "MNIST: no source has it." == header
    assert [f"  - cache {cache.path}: no file yet", "  - closed shop: closed on Sundays"] == reasons[:2]
    assert reasons[2].startswith("  - forged shop: these are not the arrays of MNIST")
    assert f"Put Keras' mnist.npz at {cache.path}, or give your own arrays with --data PATH.npz" == way_out


@contextmanager
def disk_with(size_bytes):
    """Writing a file beyond that size fails, as on a full disk. Python ignores the signal that comes with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_warning_and_leaves_nothing_half_written(cache, caplog):
    with disk_with(2000):
        arrays, source = load(cache, Shop(name="good shop", fetch=digits))

    assert (digits().digest(), "good shop") == (arrays.digest(), source)
    assert [] == list(cache.path.parent.iterdir())
    assert "not written" in caplog.text
    assert "File too large" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path, caplog):
    (tmp_path / "file").touch()

    _, source = load(Cache(path=tmp_path / "file" / "mnist.npz"), Shop(name="good shop", fetch=digits))

    assert "good shop" == source
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert "the data set will be downloaded again next time" in caplog.text


def test_a_cache_is_whole_at_any_moment_while_many_write_it(cache):
    def write_and_read(_):
        cache.store(digits())
        return cache.fetch().digest()

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(write_and_read, range(64)))

    assert {digits().digest()} == seen
    assert ["mnist.npz"] == [path.name for path in cache.path.parent.iterdir()]
