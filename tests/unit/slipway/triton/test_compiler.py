"""The choice of a compiler and what it may do wrong, with small scripts in place of compilers."""

from pathlib import Path

import pytest

import slipway.triton._compiler as compiler
from slipway.triton import NativeUnavailable
from slipway.triton._compiler import find_compilers
from slipway.triton._native_backend import native_backends
from tests.unit.compilers import COMPILE, runs, script
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("package")


def test_a_compiler_that_fails_is_followed_by_the_next(tmp_path, cc, cache):
    script(cc, "echo 'a.h:3:1: fatal error: stdint.h: No such file or directory' >&2; exit 1")
    gcc = script(tmp_path / "bin" / "gcc", COMPILE)
    native_backends(cache)

    assert 1 == runs(gcc)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("In file included from a.c:1:\na.h:3:1: fatal error: x.h: No such file\na.c:2: error: y", "a.h:3:1: fatal"),
        ("/usr/bin/ld: cannot find -ldl\ncollect2: error: ld returned 1 exit status", "/usr/bin/ld: cannot find -ldl"),
        ("ld.lld: error: undefined symbol: x\nclang: error: linker command failed", "ld.lld: error: undefined symbol"),
        ("", "it gave no reason"),
        ("a.c:1: error: \x1b[31mred", r"a.c:1: error: \x1b[31mred"),
    ],
    ids=["compiler", "linker", "lld", "silent", "colours"],
)
def test_the_first_error_of_a_compiler_is_the_reason(cc, cache, said, reason):
    Path(f"{cc}.said").write_text(said)
    script(cc, 'cat "$0.said" >&2; exit 3')
    with pytest.raises(NativeUnavailable) as caught:
        native_backends(cache)

    assert f"cannot be compiled: {cc} ended with code 3: {reason}" in str(caught.value)
    assert 'pip install "slipway-serving[native]"' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [cache / "lock"] == list(cache.iterdir())


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("exit 0", "wrote no shared library for"),
        (COMPILE.replace("head -c 4096 /proc/self/exe", "echo text"), "wrote no shared library for"),
        (COMPILE.replace("/proc/self/exe", "/proc/self/exe | tr '\\002' '\\001'"), "wrote no shared library for"),
        ("kill -9 $$", "was killed by SIGKILL: it gave no reason"),
    ],
    ids=["nothing", "no library", "a library of 32 bits", "killed"],
)
def test_what_is_no_library_of_this_machine_is_never_kept(cc, cache, does, reason):
    script(cc, does)
    with pytest.raises(NativeUnavailable, match=reason):
        native_backends(cache)

    assert [cache / "lock"] == list(cache.iterdir())


def test_a_compiler_that_does_not_end_is_ended(cc, cache, monkeypatch):
    monkeypatch.setattr(compiler, "_TIMEOUT_S", 0.5)
    script(cc, 'echo $$ > "$0.pid"; sleep 600')
    with pytest.raises(NativeUnavailable, match=r"did not end within 0\.5 s"):
        native_backends(cache)

    eventually(lambda: not Path("/proc", Path(f"{cc}.pid").read_text().strip()).exists())


def test_a_compiler_that_cc_names_is_the_only_one_and_gets_its_arguments(cc, cache, tmp_path, monkeypatch):
    own = script(tmp_path / "own compiler" / "mine", f'echo "$1" > "$0.first"\n{COMPILE}')
    monkeypatch.setenv("CC", f"'{own}' --fast")
    native_backends(cache)

    assert (0, 1) == (runs(cc), runs(own))
    assert "--fast\n" == Path(f"{own}.first").read_text()


@pytest.mark.usefixtures("cc")
@pytest.mark.parametrize("words", ["/no/such/cc", "nothing-of-that-name -m64", "'open", " "])
def test_cc_that_names_no_program_is_refused(cache, monkeypatch, words):
    monkeypatch.setenv("CC", words)
    with pytest.raises(NativeUnavailable, match=r"^CC: expected a C compiler, got "):
        native_backends(cache)


def test_without_a_compiler_the_wheel_that_brings_one_is_named(cache):
    with pytest.raises(
        NativeUnavailable, match=r'no cc, gcc or clang on PATH: `pip install "slipway-serving\[native\]"'
    ):
        native_backends(cache)

    assert not cache.exists()


def test_the_wheel_ziglang_is_the_last_choice(cc, tmp_path, monkeypatch):
    script(tmp_path / "ziglang" / "zig", COMPILE)
    found = type("Spec", (), {"submodule_search_locations": [str(tmp_path / "ziglang")]})
    monkeypatch.setattr("importlib.util.find_spec", {"ziglang": found}.get)
    first, last = find_compilers()

    assert (str(cc),) == first.command
    assert (str(tmp_path / "ziglang" / "zig"), "cc", "-target") == last.command[:3]
    assert last.command[3].endswith("-linux-gnu.2.17")
