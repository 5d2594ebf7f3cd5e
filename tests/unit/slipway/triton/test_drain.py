import os
import socket
from contextlib import contextmanager, suppress

import pytest

from slipway.triton import ServeError
from slipway.triton._drain import Activity, _is_sending, _is_unloaded, drain


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        self.now_s += 1
        return self.now_s


def watched(monkeypatch, tmp_path):
    monkeypatch.setattr("slipway.triton._drain.time", Clock())
    return Activity(tmp_path)


def count(tmp_path, **counters):
    for name, value in counters.items():
        (tmp_path / name).write_bytes(value.to_bytes(8, "little"))


def test_even_counters_that_stand_still_are_quiet(monkeypatch, tmp_path):
    count(tmp_path, a=0, b=256)
    activity = watched(monkeypatch, tmp_path)
    quiet_s = [activity.quiet_s() for _ in range(3)]

    assert [0, 1, 2] == quiet_s


def test_a_request_in_hand_and_one_that_came_and_went_are_not_quiet(monkeypatch, tmp_path):
    count(tmp_path, a=3, b=4)
    activity = watched(monkeypatch, tmp_path)
    busy = [activity.quiet_s() for _ in range(3)]
    count(tmp_path, a=4)
    answered = [activity.quiet_s() for _ in range(2)]
    count(tmp_path, a=6)

    assert [0, 0, 0] == busy
    assert [0, 1] == answered
    assert 0 == activity.quiet_s()


def test_a_backend_that_does_not_count_is_never_quiet(monkeypatch, tmp_path):
    activity = watched(monkeypatch, tmp_path / "none")

    assert [0, 0, 0] == [activity.quiet_s() for _ in range(3)]


def test_an_instance_that_cannot_count_is_never_quiet_whatever_the_others_say(monkeypatch, tmp_path):
    count(tmp_path, a=2)
    (tmp_path / "b").touch()
    activity = watched(monkeypatch, tmp_path)

    assert [0, 0, 0] == [activity.quiet_s() for _ in range(3)]


BEGUN = """I1128 09:55:21.012171 29587 server.cc:336] "All models are stopped, unloading models"
I1128 09:55:21.012177 29587 server.cc:345] "Timeout 30: Found 2 live models and 0 in-flight non-inference requests"
"""


def unloaded(name):
    return f"I1128 09:55:21.012413 29587 model_lifecycle.cc:624] \"successfully unloaded '{name}' version 1\"\n"


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (False, ""),
        (False, unloaded("a") + unloaded("b")),
        (False, unloaded("a") + BEGUN + unloaded("b")),
        (False, BEGUN + unloaded("a") + unloaded("a")),
        (True, BEGUN + unloaded("a") + unloaded("b")),
        (True, BEGUN.replace("2 live", "0 live")),
    ],
    ids=["still draining", "before the end", "one of two", "twice the same", "both", "none was loaded"],
)
def test_models_are_unloaded_when_each_of_them_says_so_after_the_end_began(expected, text):
    assert expected == _is_unloaded(text)


@contextmanager
def answer_not_taken(family, address):
    """A server's port, and a client that does not read what the server has sent."""
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0] as connection:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    connection.send(bytes(1 << 20))
            yield port, client


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")], ids=["http", "grpc"]
)
def test_an_answer_that_the_client_has_not_taken_is_still_being_sent(family, address):
    with answer_not_taken(family, address) as (port, client):
        busy = _is_sending(os.getpid(), (1, port))
        others = _is_sending(os.getpid(), (1,))
        client.close()

        assert (True, False, False) == (busy, others, _is_sending(os.getpid(), (port,)))


def test_a_process_whose_connections_cannot_be_read_sends_nothing():
    assert not _is_sending(2**22 + 1, (1,))


class IdleServer:
    """As the kernel and its log show a tritonserver that waits for a connection; it ends when it is killed."""

    def __init__(self, *, at_each_look):
        self.pid, self.looks, self.killed = os.getpid(), 0, False
        self.at_each_look = at_each_look

    def terminate(self):
        pass

    def kill(self):
        self.killed = True

    def wait(self, _):
        return -9 if self.killed else None

    def text(self):
        self.looks += 1
        self.at_each_look(self.looks)
        return "Found 1 HTTP service connections"

    def quiet_s(self):
        return 2.0


def test_a_server_that_is_idle_stays_until_its_last_answer_is_taken():
    looks_before_it_is_taken = 5
    with answer_not_taken(socket.AF_INET6, "::ffff:127.0.0.1") as (port, client):

        def take(looks):
            if looks == looks_before_it_is_taken:
                client.close()

        server = IdleServer(at_each_look=take)
        exit_code = drain(
            server, server, server, exit_timeout_s=60, backend_is_dead=False, unloads_at_once=False, ports=(port,)
        )

    assert 0 == exit_code
    assert looks_before_it_is_taken <= server.looks


class StuckServer(IdleServer):
    """One that no signal ends."""

    def wait(self, timeout_s):
        assert timeout_s is not None, "a wait without a bound"


@pytest.mark.parametrize("exit_timeout_s", [60, -60], ids=["idle", "late"])
def test_a_server_that_is_stuck_in_the_kernel_is_not_waited_for(exit_timeout_s):
    server = StuckServer(at_each_look=lambda _: None)
    with pytest.raises(ServeError, match=r"did not end within 10 s of SIGKILL: it is stuck in the kernel"):
        drain(
            server,
            server,
            server,
            exit_timeout_s=exit_timeout_s,
            backend_is_dead=False,
            unloads_at_once=False,
            ports=(1,),
        )

    assert server.killed
