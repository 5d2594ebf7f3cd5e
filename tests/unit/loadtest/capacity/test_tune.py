"""Of what several configurations carry, one is proposed as a diff, and nothing on the disk changes."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from loadtest.capacity.tune import Setting, TunedRow, best, proposal, render_rows
from loadtest.errors import CapacityError
from slipway.capacity import Capacity, Load
from slipway.model_config import render_config
from tests.unit.digits_repository import CPU, DIGITS, publish_text
from tests.unit.loadtest_results import result

PRESENT = Setting(instances=CPU.instances, max_batch_size=DIGITS.max_batch_size)


@pytest.fixture
def repository(tmp_path):
    publish_text(tmp_path, "a model")
    return tmp_path


def carrying(rate_rps, *, instances, max_batch_size, limited_by="server"):
    run, load = result(), Load(requests_per_s=rate_rps, in_flight=4.0, p99_ms=12.0)
    capacity = Capacity(
        target_server=run.target,
        images_per_request=1.0,
        slo={"p99_ms": 50.0},
        limited_by=limited_by,
        replica=load,
        utilisation_margin=0.2,
        target=load,
        machine=run.environment,
        measured=datetime(2030, 5, 17, tzinfo=UTC),
        command="slipway capacity steady --tune",
        probes=(),
    )
    return TunedRow(setting=Setting(instances=instances, max_batch_size=max_batch_size), capacity=capacity)


NOTHING = TunedRow(setting=Setting(instances=1, max_batch_size=1), capacity=None, why="no rate passed twice")


def changed(diff):
    """Lines that go, and lines that come."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return tuple([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")


def test_the_row_that_carries_most_is_best():
    most = carrying(1_000, instances=4, max_batch_size=32)

    assert most is best([NOTHING, carrying(949, instances=1, max_batch_size=8), most])


def test_of_rows_that_carry_about_the_same_the_smallest_is_best():
    rows = [
        carrying(1_000, instances=4, max_batch_size=8),
        carrying(960, instances=2, max_batch_size=32),
        carrying(951, instances=2, max_batch_size=16),
        carrying(500, instances=1, max_batch_size=8),
    ]

    assert Setting(instances=2, max_batch_size=16) == best(rows).setting


def test_where_nothing_carries_anything_there_is_no_best():
    with pytest.raises(CapacityError, match="no combination meets the objectives"):
        best([NOTHING])


def test_another_batch_size_changes_its_line_and_its_warm_up(repository):
    gone, come = changed(proposal(repository, "digits", replace(PRESENT, max_batch_size=32)))

    assert ["max_batch_size: 16", 'name: "batch-16"', "batch_size: 16"] == gone
    assert ["max_batch_size: 32", 'name: "batch-32"', "batch_size: 32"] == come


def test_another_number_of_instances_changes_one_line(repository):
    diff = proposal(repository, "digits", replace(PRESENT, instances=4))

    assert (["count: 2"], ["count: 4"]) == changed(diff)


def test_the_present_setting_needs_no_change(repository):
    assert "" == proposal(repository, "digits", PRESENT)


def test_a_proposal_rewrites_nothing(repository):
    path = repository / "digits" / "config.pbtxt"
    before, when = path.read_bytes(), path.stat().st_mtime_ns
    proposal(repository, "digits", Setting(instances=4, max_batch_size=32))

    assert (before, when) == (path.read_bytes(), path.stat().st_mtime_ns)


@pytest.mark.skipif(shutil.which("patch") is None, reason="no patch: install it")
def test_patch_makes_of_the_present_file_what_would_be_rendered(repository):
    diff = proposal(repository, "digits", Setting(instances=4, max_batch_size=32))
    subprocess.run(["patch", "-p1"], input=diff, text=True, cwd=repository, check=True, capture_output=True)

    wanted = render_config(replace(DIGITS, max_batch_size=32), replace(CPU, instances=4))
    assert wanted == (repository / "digits" / "config.pbtxt").read_text()


def test_the_table_says_what_limited_a_row_and_why_one_is_empty():
    rows = [carrying(1_234, instances=2, max_batch_size=8, limited_by="generator"), NOTHING]
    out = StringIO()
    Console(file=out, width=200).print(render_rows(rows))
    _, first, second = out.getvalue().splitlines()

    assert ["2", "8", "1,234", "12.0", "4.0"] == first.split()[:5]
    assert "at least: the generator was the limit" in first
    assert ["1", "1", "-", "-", "-", "no", "rate", "passed", "twice"] == second.split()
