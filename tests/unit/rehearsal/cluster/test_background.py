import asyncio
import os
import signal
import sys

import pytest

from rehearsal.cluster.background import mark_ready, run_background
from rehearsal.cluster.connection import write_connection
from rehearsal.errors import ProgramDied
from tests.unit import clusters

MODULE = "rehearsal.cluster.gateway"


@pytest.fixture
def connection(tmp_path, monkeypatch):
    """A cluster in a folder that the command line names."""
    monkeypatch.setattr(sys, "argv", [MODULE, "--cluster", str(tmp_path)])
    found = clusters.connection(tmp_path)
    write_connection(found)
    return found


def test_the_program_gets_the_cluster_that_the_command_line_names(connection):
    got = []

    async def run(found, _):
        got.append(found)

    run_background(MODULE, run)

    assert [connection] == got


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("connection", "ctrl_c_heeded")
def test_a_signal_ends_it_in_order(number):
    ended = []

    async def run(_, __):
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            ended.append("in order")

    run_background(MODULE, run)

    assert ["in order"] == ended


@pytest.mark.usefixtures("connection")
def test_an_error_in_one_of_its_tasks_is_said_and_is_the_exit_status(capsys):
    async def fail():
        raise ProgramDied("Envoy ended")

    async def run(_, __):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    with pytest.raises(SystemExit) as ended:
        run_background(MODULE, run)

    assert 3 == ended.value.code
    assert "error: Envoy ended\n" == capsys.readouterr().err


def test_without_a_cluster_it_says_how_to_get_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [MODULE, "--cluster", str(tmp_path)])

    async def run(_, __): ...

    with pytest.raises(SystemExit) as ended:
        run_background(MODULE, run)

    assert 2 == ended.value.code
    assert "slipway cluster up" in capsys.readouterr().err


def test_it_is_ready_when_it_says_so_and_not_by_a_run_before(connection):
    file = connection.folder / "gateway.ready"
    file.touch()
    there = []

    async def run(found, _):
        there.append(file.exists())
        mark_ready(found, MODULE)
        there.append(file.exists())

    run_background(MODULE, run)

    assert [False, True] == there
