"""Free ports can be taken, several are different ones, and what is taken is known."""

import errno
import socket
from contextlib import ExitStack

import pytest

from slipway.platform.ports import bound, free_port


def test_a_free_port_can_be_taken():
    port = free_port("127.64.0.1")

    with socket.create_server(("127.64.0.1", port)) as server:
        assert port == server.getsockname()[1]


def test_ports_that_are_held_at_once_are_different_ones():
    with ExitStack() as held:
        ports = [held.enter_context(bound("127.0.0.1")) for _ in range(50)]

    assert 50 == len(set(ports))


@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_somebody_listens_on_is_not_bound(listener):
    with socket.create_server((listener, 0)) as server, pytest.raises(OSError, match="in use") as failure:
        bound("127.0.0.1", server.getsockname()[1]).__enter__()

    assert errno.EADDRINUSE == failure.value.errno
