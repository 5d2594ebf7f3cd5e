"""Where a NetworkPolicy lets its pods go, as Kubernetes reads it; peers that are no address are left out."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any


def reaches(policy: Mapping[str, Any], address: str, port: int) -> bool:
    """Whether a rule lets pods out to this address; a rule without peers or ports names all of them.

    Args:
        policy: A NetworkPolicy's `spec`.
        address: IPv4 or IPv6.
        port: TCP.
    """
    return any(
        _names(rule.get("to"), address)
        for rule in policy["egress"]
        if not rule.get("ports") or port in {named["port"] for named in rule["ports"]}
    )


def _names(peers: list[Mapping[str, Any]] | None, address: str) -> bool:
    blocks = [peer["ipBlock"] for peer in peers or () if "ipBlock" in peer]
    return not peers or any(
        _within(address, block["cidr"]) and not any(_within(address, out) for out in block.get("except") or ())
        for block in blocks
    )


def _within(address: str, cidr: str) -> bool:
    return ip_address(address) in ip_network(cidr)
