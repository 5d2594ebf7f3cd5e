"""Whose the folders are from which programs are loaded. Other users are looked for where this one is root."""

import os
import re
import stat
from contextlib import contextmanager

import pytest

from slipway.triton import CacheUnsafe
from slipway.triton._own_cache import is_own, make_own, require_own
from slipway.triton._python_backend import PythonBackend, assemble_backends
from slipway.triton._run_folder import RunFolder

NOBODY = 65534


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """One that SLIPWAY_CACHE names, with a folder of programs."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SLIPWAY_CACHE", str(folder))
    make_own(folder / "native")
    return folder


@pytest.fixture
def given_away():
    if os.getuid():
        pytest.skip("only root gives files away")

    def give(path):
        os.chown(path, NOBODY, NOBODY)

    return give


def test_what_a_umask_of_002_makes_is_own(tmp_path):
    with umask(0o002):
        make_own(tmp_path / "cache/slipway/native")
    require_own(tmp_path / "cache/slipway", tmp_path / "cache/slipway/native")

    assert [0o755, 0o755, 0o700] == [
        mode(tmp_path / name) for name in ("cache", "cache/slipway", "cache/slipway/native")
    ]


@pytest.mark.parametrize("open_to_others", [0o777, 0o775, 0o757])
def test_a_cache_that_others_write_is_refused_with_its_mode_and_the_way_out(cache, open_to_others):
    cache.chmod(open_to_others)
    said = rf"{re.escape(str(cache))} .* with mode {open_to_others:04o}: .*set SLIPWAY_CACHE to a folder of your own"
    with pytest.raises(CacheUnsafe, match=said):
        require_own(cache, cache / "native")

    assert open_to_others == mode(cache)


def test_a_sticky_cache_as_tmp_is_none_that_others_replace_files_in(cache):
    cache.chmod(0o1777)
    require_own(cache, cache / "native")

    assert 0o1777 == mode(cache)


def test_the_default_cache_and_folders_in_any_are_closed_to_others(cache, monkeypatch):
    (cache / "native").chmod(0o775)
    require_own(cache, cache / "native")
    monkeypatch.delenv("SLIPWAY_CACHE")
    cache.chmod(0o775)
    require_own(cache)

    assert [0o755, 0o755] == [mode(cache), mode(cache / "native")]


@pytest.mark.parametrize("name", ["", "native"])
def test_a_folder_of_another_user_is_refused_with_its_owner(cache, name, given_away):
    given_away(cache / name)
    with pytest.raises(CacheUnsafe, match=f"it belongs to uid {NOBODY} with mode 07"):
        require_own(cache, cache / "native")

    assert not is_own(cache / name)


def test_a_sticky_cache_of_another_user_is_refused(cache, given_away):
    given_away(cache)
    cache.chmod(0o1777)
    with pytest.raises(CacheUnsafe):
        require_own(cache)


def test_a_cache_that_is_not_there_yet_is_passed_over(tmp_path):
    require_own(tmp_path / "none", tmp_path / "none" / "native")

    assert not (tmp_path / "none").exists()


def test_no_server_is_started_on_a_copy_that_others_can_replace(cache):
    cache.chmod(0o777)
    with pytest.raises(CacheUnsafe):
        RunFolder(cache)


def test_the_python_backend_is_not_loaded_from_a_folder_of_another_user(cache, tmp_path, given_away):
    parts = PythonBackend(folder=tmp_path, stub=tmp_path, library_directories=(), bin_directory=tmp_path)
    with umask(0o002):
        folder = assemble_backends(parts, cache / "backends")
    require_own(cache, cache / "backends", folder, folder / "onnxruntime")
    given_away(folder / "onnxruntime")
    with pytest.raises(CacheUnsafe, match=f"uid {NOBODY}"):
        assemble_backends(parts, cache / "backends")
