"""Options of gcsfs: the time limits of a socket, and no trying again where it cannot help.

gcsfs tries six times, half a minute long, whatever a connection failed of, and writes a traceback each time; it has no
option for that. What it does not know it lets through at once, so failed connections are given other names here, by
aiohttp's own hook, and trying again stays with who asks.
"""

from __future__ import annotations

import functools
import logging
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp

from slipway.repository._store import timeouts


class ConnectionFailed(Exception):
    """No connection to the store, or it broke; another one may succeed."""


@functools.cache
def google_options() -> dict[str, Any]:
    """For `fsspec.filesystem("gs", …)`; one and the same each time, as fsspec's cache wants it."""
    for name in ("gcsfs", "google.auth"):  # else their tracebacks and guesses go to the terminal
        logging.getLogger(name).addHandler(logging.NullHandler())
    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(_rename)
    return {
        "requests_timeout": aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.CONNECT_S, sock_read=timeouts.READ_S
        ),
        "retry_timeout": timeouts.CONNECT_S,  # of the question which kind of bucket it is
        "session_kwargs": {"trace_configs": [trace]},
    }


async def _rename(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
) -> None:
    """Replace what gcsfs would try again.

    Raises:
        ssl.SSLError: A certificate is refused: it is refused again.
        TimeoutError: The store took longer than it may.
        ConnectionFailed: Any other failure of a connection.
    """
    exc = failed.exception
    if isinstance(exc, aiohttp.ClientSSLError):
        raise ssl.SSLError(str(exc)) from exc
    if isinstance(exc, TimeoutError):
        raise TimeoutError(str(exc)) from exc
    if isinstance(exc, aiohttp.ClientConnectionError):
        raise ConnectionFailed(str(exc)) from exc
