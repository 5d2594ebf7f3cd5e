"""The headers of every request: the bearer token, and those for a gateway.

    RequestHeaders(token=lambda: os.environ["TOKEN"], headers={"X-Team": "vision"}).headers()

No value appears in a message, a log or a traceback. A server may echo one in its response, so `conceal` redacts it.
"""

from __future__ import annotations

import re
import traceback
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

from slipway.client._transport_failures import FailureKind, TransportFailure

__all__ = [
    "RequestHeaders",
    "Token",
    "TokenUnusable",
    "checked_authority",
    "checked_headers",
    "checked_token",
    "conceal",
]

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or a function that returns it, called before each attempt (keep it fast: cache inside)."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,8000}[\x21-\x7e])?")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16000}")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_REMEMBERED = 8  # tokens that a response may still echo
_HIDDEN = "***"
_SHORTEST_SECRET = 4
"""Shorter secrets are not redacted; a truncated text may end with a prefix of one."""
_RESERVED = {
    "accept-encoding": "the client requests uncompressed responses",
    "authorization": "use token=",
    "connection": "it belongs to the transport",
    "content-encoding": "it belongs to the transport",
    "content-length": "it belongs to the transport",
    "content-type": "it belongs to the protocol",
    "expect": "it belongs to the transport",
    "host": "use authority=",
    "inference-header-content-length": "it belongs to the protocol",
    "keep-alive": "it belongs to the transport",
    "proxy-authorization": "write user and password into the proxy's variable",
    "te": "it belongs to the transport",
    "trailer": "it belongs to the transport",
    "transfer-encoding": "it belongs to the transport",
    "upgrade": "it belongs to the transport",
}


class TokenUnusable(Exception):
    """The token cannot be sent, or its function failed; the message never shows it."""

    def failure(self) -> TransportFailure:
        """The failure of an operation that was not sent."""
        return TransportFailure(kind=FailureKind.NO_TOKEN, text=str(self), cause=self.__cause__)


class RequestHeaders:
    """Writes the headers of each request.

    Args:
        token: See `Token`.
        headers: Further headers, as `checked_headers` returned them.
    """

    def __init__(self, *, token: Token | None, headers: Mapping[str, str]) -> None:
        self._token = token
        self._headers = dict(headers)
        self._tokens: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def secrets(self) -> frozenset[str]:
        """Values that no text may show: of all headers, and the last tokens."""
        return frozenset({*self._headers.values(), *self._tokens})

    def __repr__(self) -> str:
        return "RequestHeaders()"

    def headers(self) -> dict[str, str]:
        """Names in lower case, as HTTP/2 requires, and values.

        Raises:
            TokenUnusable: Nothing was sent.
        """
        if self._token is None:
            return self._headers
        token = _current(self._token)
        if token not in self._tokens:
            self._tokens.append(token)
        return {**self._headers, "authorization": f"Bearer {token}"}


def checked_token(token: Token | None) -> Token | None:
    """Validate a token before the first call.

    Raises:
        ValueError: The token is not a valid header value; the message never shows it.
        TypeError: Neither text nor a function.
    """
    if token is None or callable(token):
        return token
    if not isinstance(token, str):
        raise TypeError(f"token: expected text or a function that returns it, got {type(token).__name__}")
    flaw = _flaw(token)
    if flaw:
        raise ValueError(f"token: {flaw}")
    return token


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Validate further headers.

    Raises:
        ValueError: A name or a value that cannot be sent, or a name that is set by the client itself.
        TypeError: Not a mapping.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers: expected a mapping of names to values, got {type(headers).__name__}")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"headers: expected names of letters, digits and '-', got {name!r:.100}")
        small = name.lower()
        if small in _RESERVED or small.startswith("grpc-") or small.endswith("-bin"):
            raise ValueError(f"headers: {name} cannot be set here: {_RESERVED.get(small, 'it is reserved by gRPC')}")
        if small in checked:
            raise ValueError(f"headers: expected each name once, got {name} twice")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ValueError(f"headers: expected printable ASCII without blanks at its ends as value of {name}")
        checked[small] = value
    return checked


def checked_authority(authority: str | None) -> str | None:
    """Validate an authority.

    Raises:
        ValueError: Not `host` or `host:port`.
    """
    if authority is not None and not (isinstance(authority, str) and _AUTHORITY.fullmatch(authority)):
        raise ValueError(f"authority: expected host or host:port, got {authority!r:.100}")
    return authority


def _current(token: Token) -> str:
    if isinstance(token, str):
        return token.strip()
    try:
        current = token()
    except Exception as exc:
        raise TokenUnusable(f"the function given as token failed with {type(exc).__name__}") from exc
    if not isinstance(current, str):
        raise TokenUnusable(f"expected text from the function given as token, got {type(current).__name__}")
    flaw = _flaw(current)
    if flaw:
        raise TokenUnusable(flaw)
    return current.strip()


def _flaw(token: str) -> str:
    """Why a token cannot be sent, or ""; the trailing newline of a token file is allowed."""
    if not token.strip():
        return "expected a token, got an empty text"
    return "" if _TOKEN.fullmatch(token.strip()) else "expected printable ASCII without blanks, got other characters"


def conceal(failure: TransportFailure, secrets: Collection[str]) -> TransportFailure:
    """Redact tokens and header values in a failure's text, and drop a cause whose traceback shows one.

    Args:
        failure: The failure of an operation.
        secrets: The values sent; those shorter than four characters are ignored.
    """
    long_enough = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
    if not long_enough:
        return failure
    cause = failure.cause
    if cause is not None and _shows(cause, long_enough):
        cause = None
    return replace(failure, text=_hidden(failure.text, long_enough), cause=cause)


def _hidden(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    body = text.rstrip("…'\" )")
    for secret in secrets:
        for length in range(len(secret) - 1, _SHORTEST_SECRET - 1, -1):
            if body.endswith(secret[:length]):
                return body[:-length] + _HIDDEN + text[len(body) :]
    return text


def _shows(exc: BaseException, secrets: list[str]) -> bool:
    text = "".join(traceback.format_exception(exc))
    return any(secret in text for secret in secrets)
