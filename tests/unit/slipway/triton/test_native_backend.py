"""The native backend's build, with small scripts in place of compilers."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import slipway.triton._native_backend as native
from slipway.triton import CacheUnsafe, NativeUnavailable
from slipway.triton._native_backend import native_backends, onnxruntime_library, prebuild
from tests.unit.compilers import COMPILE, MARKS_AND_WAITS, runs, script
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("package")
LIBRARY = Path("onnxruntime", "libtriton_onnxruntime.so")


def test_it_is_compiled_once_and_kept(cc, cache):
    folder = native_backends(cache)

    assert folder == native_backends(cache)
    assert 1 == runs(cc)
    assert b"\x7fELF" == (folder / LIBRARY).read_bytes()[:4]
    assert 0 == subprocess.run(["sha256sum", "--quiet", "-c", "sha256"], cwd=folder, check=False).returncode
    assert {folder, cache / "lock"} == set(cache.iterdir())


@pytest.mark.parametrize("name", ["a.c", "a.h"])
def test_other_sources_and_another_compiler_have_folders_of_their_own(cc, cache, package, name):
    before = native_backends(cache)
    (package / "native" / name).write_text("int b;")
    of_other_sources = native_backends(cache)
    script(cc, f"# a new version\n{COMPILE}")

    assert 3 == len({before, of_other_sources, native_backends(cache)})
    assert 3 == runs(cc)


@pytest.mark.parametrize("damage", ["truncated", "without its digest", "gone"])
def test_a_damaged_library_is_compiled_again(cc, cache, damage):
    folder = native_backends(cache)
    whole = (folder / LIBRARY).read_bytes()
    if damage == "truncated":
        (folder / LIBRARY).write_bytes(whole[:100])
    else:
        (folder / (LIBRARY if damage == "gone" else "sha256")).unlink()

    assert folder == native_backends(cache)
    assert whole == (folder / LIBRARY).read_bytes()
    assert 2 == runs(cc)
    assert {folder, cache / "lock"} == set(cache.iterdir())


def test_two_that_build_at_once_compile_once(cc, cache):
    script(cc, MARKS_AND_WAITS + COMPILE)
    with ThreadPoolExecutor(2) as pool:
        folders = [pool.submit(native_backends, cache) for _ in range(2)]
        eventually(Path(f"{cc}.started").exists)
        Path(f"{cc}.go").touch()

    assert 1 == len({folder.result() for folder in folders})
    assert 1 == runs(cc)


@pytest.mark.usefixtures("cc")
def test_one_that_waits_for_another_goes_on_alone_after_a_while(cache, monkeypatch):
    monkeypatch.setattr(native, "_OTHERS_BUILD_S", 0.1)
    cache.mkdir(parents=True)
    with native.FileLock(cache / "lock") as lock:
        lock.acquire()
        folder = native_backends(cache)

    assert (folder / LIBRARY).is_file()


def test_a_build_that_is_killed_leaves_nothing_that_is_used(cc, cache, package):
    script(cc, f'echo $$ > "$0.pid"\n{COMPILE}{MARKS_AND_WAITS}')
    code = (
        "import sys, pathlib, slipway.triton._native_backend as native\n"
        "native._PACKAGE = pathlib.Path(sys.argv[1]); native.PREBUILT = native._PACKAGE / 'prebuilt'\n"
        "native.native_backends(pathlib.Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, package, cache], env={**os.environ, "CC": str(cc)}) as builder:
        eventually(Path(f"{cc}.started").exists)
        builder.send_signal(signal.SIGKILL)
    eventually(lambda: not Path("/proc", Path(f"{cc}.pid").read_text().strip()).exists())
    left = [path for path in cache.iterdir() if not path.name.startswith(".new-")]
    script(cc, COMPILE)
    folder = native_backends(cache)

    assert [cache / "lock"] == left
    assert 2 == runs(cc)
    assert (folder / LIBRARY).is_file()


@pytest.mark.usefixtures("cc")
def test_what_a_killed_build_left_is_removed_an_hour_later(cache):
    old, young = cache / ".new-1", cache / ".new-2"
    for folder in (old, young):
        (folder / "whole").mkdir(parents=True)
    os.utime(old, (0, 0))
    native_backends(cache)

    assert (False, True) == (old.exists(), young.exists())


@pytest.mark.usefixtures("cc")
def test_a_cache_that_cannot_be_written_names_the_way_out(cache):
    cache.parent.mkdir()
    cache.touch()
    with pytest.raises(NativeUnavailable, match=rf"cannot be kept in {cache}: .*SLIPWAY_CACHE"):
        native_backends(cache)


@pytest.mark.usefixtures("cc")
def test_no_library_is_loaded_from_a_cache_that_others_can_write(cache, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(cache.parent))
    native_backends(cache)
    cache.parent.chmod(0o777)
    with pytest.raises(CacheUnsafe, match=rf"expected {cache.parent} .*mode 0777.*set SLIPWAY_CACHE to a folder of"):
        native_backends(cache)


@pytest.mark.parametrize("part", ["", "onnxruntime", "onnxruntime/libtriton_onnxruntime.so"])
def test_a_library_that_others_could_write_is_compiled_again(cc, cache, part):
    folder = native_backends(cache)
    (folder / part).chmod(0o775)

    assert folder == native_backends(cache)
    assert 2 == runs(cc)


def test_what_is_compiled_under_a_umask_of_002_is_trusted(cc, cache):
    before = os.umask(0o002)
    try:
        native_backends(cache)
        native_backends(cache)
    finally:
        os.umask(before)

    assert 1 == runs(cc)


@pytest.mark.usefixtures("cc")
def test_a_full_disk_leaves_nothing_that_is_used(cache, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(native, "fsync", full)
    with pytest.raises(NativeUnavailable, match=r"No space left on device; name a writable folder in SLIPWAY_CACHE"):
        native_backends(cache)

    assert [cache / "lock"] == list(cache.iterdir())


@pytest.mark.usefixtures("cc")
def test_a_cache_on_a_file_system_without_programs_is_refused(cache, monkeypatch):
    monkeypatch.setattr("os.statvfs", lambda _: type("State", (), {"f_flag": os.ST_NOEXEC}))
    with pytest.raises(NativeUnavailable, match=r"mounted noexec; set SLIPWAY_CACHE to another folder"):
        native_backends(cache)


def test_a_prebuilt_library_needs_no_compiler_and_is_everybodys(cc, cache, package):
    folder = prebuild(native.PREBUILT)
    cc.unlink()

    assert folder == native_backends(cache)
    assert [folder] == list((package / "prebuilt").iterdir())
    assert {package.stat().st_mode} == {path.stat().st_mode for path in package.rglob("*") if path.is_dir()}


@pytest.mark.parametrize("fault", ["other sources", "damaged"])
def test_a_prebuilt_library_that_does_not_fit_is_not_used(cc, cache, package, fault):
    folder = prebuild(native.PREBUILT)
    if fault == "damaged":
        (folder / LIBRARY).write_bytes(b"")
    else:
        (package / "native" / "a.c").write_text("int b;")

    assert native_backends(cache).is_relative_to(cache)
    assert 2 == runs(cc)


@pytest.mark.usefixtures("cc")
def test_a_package_that_lost_its_sources_says_so(cache, package):
    for path in (package / "native").iterdir():
        path.unlink()
    with pytest.raises(NativeUnavailable, match=r"native has no C sources: install Slipway again"):
        native_backends(cache)


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The folder of ONNX Runtime's libraries, as its wheel lays it out."""
    folder = tmp_path / "onnxruntime" / "capi"
    folder.mkdir(parents=True)
    found = type("Spec", (), {"submodule_search_locations": [str(folder.parent)]})
    monkeypatch.setattr("importlib.util.find_spec", {"onnxruntime": found}.get)
    monkeypatch.delenv("SLIPWAY_ONNXRUNTIME_LIBRARY", raising=False)
    return folder


def test_onnx_runtimes_library_is_found_in_its_wheel(wheel):
    for name in ("libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so"):
        (wheel / name).touch()

    assert wheel / "libonnxruntime.so.1.32.0" == onnxruntime_library()


def test_a_library_that_is_named_comes_before_the_wheels(wheel, tmp_path, monkeypatch):
    (wheel / "libonnxruntime.so.1.32.0").touch()
    (tmp_path / "own.so").touch()
    monkeypatch.setenv("SLIPWAY_ONNXRUNTIME_LIBRARY", str(tmp_path / "own.so"))

    assert tmp_path / "own.so" == onnxruntime_library()


def test_an_onnx_runtime_without_its_library_or_an_old_one_is_refused(wheel, tmp_path, monkeypatch):
    with pytest.raises(NativeUnavailable, match=rf"onnxruntime 1\.24 or later, expected in {wheel}, got none: pip"):
        onnxruntime_library()
    (wheel / "libonnxruntime.so.1.23.2").touch()
    with pytest.raises(
        NativeUnavailable, match=r"onnxruntime 1\.24 or later, .*, got libonnxruntime\.so\.1\.23\.2: pip"
    ):
        onnxruntime_library()
    monkeypatch.setenv("SLIPWAY_ONNXRUNTIME_LIBRARY", str(tmp_path / "none.so"))
    with pytest.raises(NativeUnavailable, match=r"^SLIPWAY_ONNXRUNTIME_LIBRARY: expected .*/none\.so is no file"):
        onnxruntime_library()
