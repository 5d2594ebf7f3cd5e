"""Read a text page of a server, such as its metrics, within a time and a size: a broken one may be endless.

read_page(parse_address("http://localhost:8002/metrics"), timeout_s=5.0)
"""

from __future__ import annotations

from slipway.client._address import Address
from slipway.client._faults import Fault, FaultKind
from slipway.client._retry import Deadline
from slipway.client._transports.http_codec import HttpRequest, HttpResponse
from slipway.client._transports.http_connection import Connection, Words, connection_maker
from slipway.client._transports.http_content import NotReadable, readable, what_came
from slipway.client._transports.http_faults import FOREIGN, fault_of
from slipway.client._transports.wiring import Wiring
from slipway.client._trust import Tls
from slipway.printable import printable

__all__ = ["PageUnreadable", "read_page"]

_LONGEST_PAGE_BYTES = 16 << 20


class PageUnreadable(Exception):
    """There is no such page; says what came instead."""


def read_page(address: Address, *, timeout_s: float, tls: Tls | None = None) -> str:
    """Read one page.

    Args:
        address: Its http:// or https:// address, with its path.
        timeout_s: Longest time for all of it, in seconds.
        tls: Certificates; None: the public authorities.

    Raises:
        PageUnreadable: No answer in time, another status than 200, or more than 16 MiB.
        InvalidAddress: The environment names a proxy that cannot be used.
    """
    wiring = Wiring(tls=tls if address.secure else None)
    deadline = Deadline(timeout_s)
    request = Words(address, wiring).write(HttpRequest(method="GET", path=""), deadline)
    connection = connection_maker(address, wiring, Connection)()
    try:
        response = connection.exchange(request, limit=_LONGEST_PAGE_BYTES)
    except FOREIGN as exc:
        fault = fault_of(exc)
        text = f"no answer within {timeout_s:g} s" if fault.kind is FaultKind.DEADLINE else fault.text
        raise PageUnreadable(printable(text)) from exc
    finally:
        connection.close()
    return _text(response)


def _text(response: HttpResponse | Fault) -> str:
    if isinstance(response, Fault):
        raise PageUnreadable(response.text)
    if response.status != 200:
        raise PageUnreadable(what_came(response.status, response.headers, response.body))
    try:
        return readable(response.headers, response.body, limit=_LONGEST_PAGE_BYTES).decode(errors="replace")
    except NotReadable as exc:
        raise PageUnreadable(str(exc)) from exc
