from ipaddress import IPv4Address

import pytest

from slipway.triton import addresses_from_outside


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", ()), ("127.0.1.7", ()), ("192.0.2.7", ("192.0.2.7",))])
def test_one_address_is_reached_at_itself_unless_it_is_loopback(address, expected):
    assert expected == addresses_from_outside(address)


def test_every_interface_is_reached_at_addresses_of_this_machine_without_a_lookup(monkeypatch):
    monkeypatch.delattr("socket.getaddrinfo")
    monkeypatch.delattr("socket.gethostbyname")
    addresses = addresses_from_outside("0.0.0.0")

    assert not any(IPv4Address(address).is_loopback for address in addresses)
    assert "0.0.0.0" not in addresses
