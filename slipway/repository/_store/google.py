"""Options of gcsfs: socket time-outs, and no retries of permanent errors.

gcsfs retries every failed connection six times over half a minute, logs a traceback each time, and has no option for
that. It raises unknown exceptions at once, so connection errors are replaced here by another type, through aiohttp's
tracing hook, and retries are left to the caller.
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
    """The connection to the store failed or broke; a retry may succeed."""


@functools.cache
def google_options() -> dict[str, Any]:
    """Options for `fsspec.filesystem("gs", …)`; the same objects each time, so that fsspec's cache works."""
    for name in ("gcsfs", "google.auth"):  # otherwise their tracebacks go to the terminal
        logging.getLogger(name).addHandler(logging.NullHandler())
    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(_rename)
    return {
        "requests_timeout": aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.CONNECT_S, sock_read=timeouts.READ_S
        ),
        "retry_timeout": timeouts.CONNECT_S,  # for the query of the bucket's kind
        "session_kwargs": {"trace_configs": [trace]},
    }


async def _rename(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
) -> None:
    """Replace exceptions that gcsfs would retry.

    Raises:
        ssl.SSLError: A certificate error, which is permanent.
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
