"""Processes of the rehearsal's control plane, and how their health is told; none of its programs runs."""

import time

import pytest

from rehearsal.cluster.controlplane.process_manager import Component, NotYet, ProcessManager
from rehearsal.errors import ClusterError, NotHealthy, ProgramDied


def shell(name, script, *, healthy=lambda: None, grace_s=3.0):
    return Component(name=name, command=("/bin/sh", "-c", script), healthy=healthy, does="works", grace_s=grace_s)


ASKED = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.02; done"
"""Writes down that it was asked to end."""


def never():
    raise NotYet("expected an answer, got silence")


def unheard(_name, _after_s):
    pass


@pytest.fixture
def processes(tmp_path):
    processes = ProcessManager(tmp_path)
    yield processes
    processes.stop_all()


class TestProcessManager:
    def test_waiting_ends_when_every_program_works(self, processes, tmp_path):
        processes.start(shell("one", "sleep 60", healthy=lambda: (tmp_path / "there").stat() and None))
        processes.start(shell("two", f"touch {tmp_path / 'there'}; sleep 60"))
        told = []

        processes.wait_healthy(processes.names, timeout_s=10, tell=lambda name, _after_s: told.append(name))

        assert ["one", "two"] == sorted(told)
        assert [True, True] == [state.healthy for state in processes.states()]

    def test_a_program_that_ends_is_named_with_its_last_output_and_its_log(self, processes):
        processes.start(shell("etcd", "echo disk is gone; exit 7", healthy=never))

        with pytest.raises(ProgramDied, match=r"(?s)etcd: ended with exit code 7.*disk is gone.*etcd\.log"):
            processes.wait_healthy(["etcd"], timeout_s=10, tell=unheard)

    def test_a_program_that_does_not_work_is_named_with_what_was_expected(self, processes):
        processes.start(shell("kserve", "sleep 60", healthy=never))

        with pytest.raises(NotHealthy, match=r"(?s)kserve: expected an answer, got silence; its log: .*kserve\.log"):
            processes.wait_healthy(["kserve"], timeout_s=0.2, tell=unheard)

    def test_a_stopped_program_is_unhealthy_and_starts_again(self, processes):
        processes.start(shell("prometheus", "sleep 60"))
        before = processes.state("prometheus").pid
        processes.stop("prometheus", kill=True)
        stopped = processes.state("prometheus")
        processes.restart("prometheus")
        after = processes.state("prometheus")

        assert (None, False, "was stopped") == (stopped.pid, stopped.healthy, stopped.said)
        assert after.healthy
        assert before != after.pid

    @pytest.mark.parametrize(("kill", "last_words"), [(True, "killed"), (False, "asked")])
    def test_a_program_that_is_killed_is_not_asked_to_end_first(self, processes, tmp_path, kill, last_words):
        processes.start(shell("prometheus", ASKED))
        while "up" not in (tmp_path / "prometheus.log").read_text():
            time.sleep(0.01)

        processes.stop("prometheus", kill=kill)

        assert last_words == ("asked" if "asked" in (tmp_path / "prometheus.log").read_text() else "killed")

    def test_a_running_program_is_not_started_twice(self, processes):
        processes.start(shell("prometheus", "sleep 60"))

        with pytest.raises(ClusterError, match="runs already, as process"):
            processes.restart("prometheus")

    def test_an_unknown_program_is_told_the_known_ones(self, processes):
        processes.start(shell("prometheus", "sleep 60"))

        with pytest.raises(ClusterError, match="expected one of prometheus, got 'promtheus'"):
            processes.stop("promtheus")

    def test_the_database_ends_last(self, processes, tmp_path):
        # It is killed: whoever ends in order has written down that the database still ran.
        processes.start(shell("etcd", "sleep 60"))
        pid = processes.state("etcd").pid
        script = (
            f"trap 'kill -0 {pid} && touch {tmp_path / 'etcd-ran'}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
        )
        processes.start(shell("kserve", script))
        while "up" not in (tmp_path / "kserve.log").read_text():
            time.sleep(0.01)

        processes.stop_all()

        assert (tmp_path / "etcd-ran").exists()
        assert [None, None] == [state.pid for state in processes.states()]
