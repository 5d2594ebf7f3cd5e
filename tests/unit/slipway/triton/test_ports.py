import socket
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from slipway.platform.ports import free_port
from slipway.triton import PortTaken, ServeError, ServerSettings, addresses_from_outside
from slipway.triton._ports import choose_ports


def settings(**ports):
    return ServerSettings(repository=Path("/repository"), **ports)


def test_free_ports_are_three_different_ones():
    for _ in range(20):
        ports = choose_ports(settings())

        assert 3 == len({ports.http, ports.grpc, ports.metrics})
        assert all(1024 <= port <= 65535 for port in (ports.http, ports.grpc, ports.metrics))


def test_a_given_port_is_kept():
    port = free_port()

    assert port == choose_ports(settings(metrics_port=port)).metrics


def test_a_taken_port_is_named_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"^grpc port {port} on 127\.0\.0\.1 is taken: .*0 for a free one"
        ) as caught:
            choose_ports(settings(grpc_port=port))

    assert port == caught.value.port


def test_a_port_whose_last_user_has_just_left_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # closes first: the port stays in TIME_WAIT

    assert port == choose_ports(settings(http_port=port)).http


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ServeError, match=r"^http: cannot listen on 192\.0\.2\.1:"):
        choose_ports(settings(address="192.0.2.1"))


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", ()), ("127.0.1.7", ()), ("192.0.2.7", ("192.0.2.7",))])
def test_one_address_is_reached_at_itself_unless_it_is_loopback(address, expected):
    assert expected == addresses_from_outside(address)


def test_every_interface_is_reached_at_addresses_of_this_machine_without_a_lookup(monkeypatch):
    monkeypatch.delattr("socket.getaddrinfo")
    monkeypatch.delattr("socket.gethostbyname")
    addresses = addresses_from_outside("0.0.0.0")

    assert not any(IPv4Address(address).is_loopback for address in addresses)
    assert "0.0.0.0" not in addresses
