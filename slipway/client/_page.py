"""Read a text page of a server, such as its metrics, within a time and a size limit: a broken one may be endless.

read_page(parse_address("http://localhost:8002/metrics"), timeout_s=5.0)
"""

from __future__ import annotations

from slipway.client._address import Address
from slipway.client._retry import Deadline
from slipway.client._tls import Tls
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.http_connection import Connection, connection_maker
from slipway.client._transports.http_failures import TRANSPORT_ERRORS, describe_response, failure_of
from slipway.client._transports.http_messages import (
    BodyUnreadable,
    HttpRequest,
    HttpResponse,
    RequestWriter,
    decompressed,
)
from slipway.printable import printable

__all__ = ["PageUnreadable", "read_page"]

_LONGEST_PAGE_BYTES = 16 << 20


class PageUnreadable(Exception):
    """The page cannot be read; says what was received."""


def read_page(address: Address, *, timeout_s: float, tls: Tls | None = None) -> str:
    """Read one page.

    Args:
        address: Its http:// or https:// address, with its path.
        timeout_s: Limit for the whole exchange, in seconds.
        tls: Certificates; None: the public certificate authorities.

    Raises:
        PageUnreadable: No answer in time, another status than 200, or more than 16 MiB.
        InvalidAddress: The environment names a proxy that cannot be used.
    """
    settings = ConnectionSettings(tls=tls if address.secure else None)
    deadline = Deadline(timeout_s)
    request = RequestWriter(address, settings).write(HttpRequest(method="GET", path=""), deadline)
    connection = connection_maker(address, settings, Connection)()
    try:
        response = connection.exchange(request, limit=_LONGEST_PAGE_BYTES)
    except TRANSPORT_ERRORS as exc:
        failure = failure_of(exc)
        text = f"no answer within {timeout_s:g} s" if failure.kind is FailureKind.DEADLINE else failure.text
        raise PageUnreadable(printable(text)) from exc
    finally:
        connection.close()
    return _text(response)


def _text(response: HttpResponse | TransportFailure) -> str:
    if isinstance(response, TransportFailure):
        raise PageUnreadable(response.text)
    if response.status != 200:
        raise PageUnreadable(describe_response(response.status, response.headers, response.body))
    try:
        return decompressed(response.headers, response.body, limit=_LONGEST_PAGE_BYTES).decode(errors="replace")
    except BodyUnreadable as exc:
        raise PageUnreadable(str(exc)) from exc
