"""Error mapping of a store's back ends: action, reason and remedy; never a key or a password.

with translated("list", url, secrets):
    system.find(root)

Every back end has its own exceptions. They are recognised by class name, so that none has to be imported.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from slipway.distribution import install_hint
from slipway.errors import SlipwayError
from slipway.printable import printable
from slipway.repository._errors import RemoteFailed, StoreUnreachable
from slipway.repository._store.redaction import Secrets

EXPECTED_URL = "expected a URL such as s3://bucket/models or gs://bucket/models"
DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})

_GIVE_KEYS = "give credentials: environment variables, a profile, or a service account with a role"
_WRONG_KEYS = "the store rejects these credentials: renew them, or name others"
_NOT_ALLOWED = "permission denied: these credentials need to list, read, write and delete below the URL"
_NO_TLS = (
    "its certificate is refused: name its authority with AWS_CA_BUNDLE (s3) or SSL_CERT_FILE, or use the host name "
    "that the certificate is for"
)
_SILENT = "the store accepted the connection but did not answer in time: check its health and the network; try again"
_UNREACHABLE = "no connection: check the endpoint, the host name, the network and its proxy"
_NOT_THERE = "not found: check that the bucket exists, and its name"
_NO_STORE = "the response is not from such a store: check the endpoint"
_NOT_AS_LISTED = (
    "it is larger than the store says, or than the free disk space, and was cut off: check it in the store; if it was "
    "written just now, pull again"
)
_UNKNOWN = "check the network, the endpoint and the credentials, and run the command again: it resumes"

_BY_KIND = {
    "ImportError": f"install what this kind of URL needs: {install_hint('remote')}",
    "NoCredentialsError": _GIVE_KEYS,
    "PartialCredentialsError": _GIVE_KEYS,
    "DefaultCredentialsError": _GIVE_KEYS,
    "RefreshError": _WRONG_KEYS,
    "SSLError": _NO_TLS,
    "SSLCertVerificationError": _NO_TLS,
    "ClientSSLError": _NO_TLS,
    "ReadTimeoutError": _SILENT,
    "ServerTimeoutError": _SILENT,
    "TimeoutError": _SILENT,
    "ConnectTimeoutError": _UNREACHABLE,
    "EndpointConnectionError": _UNREACHABLE,
    "ClientConnectorError": _UNREACHABLE,
    "ConnectionFailed": _UNREACHABLE,
    "ConnectionRefusedError": _UNREACHABLE,
    "gaierror": _UNREACHABLE,
    "LargerThanAnnounced": _NOT_AS_LISTED,
    "ResponseParserError": _NO_STORE,
    "FileNotFoundError": _NOT_THERE,
    "PermissionError": _NOT_ALLOWED,
}
_BY_CODE = {
    "AuthFailure": _WRONG_KEYS,
    "ExpiredToken": _WRONG_KEYS,
    "InvalidAccessKeyId": _WRONG_KEYS,
    "InvalidToken": _WRONG_KEYS,
    "SignatureDoesNotMatch": _WRONG_KEYS,
    "401": _WRONG_KEYS,
    "403": _NOT_ALLOWED,
    "404": _NOT_THERE,
}
_ENDS_EVERY_QUESTION = {_GIVE_KEYS, _WRONG_KEYS, _NO_TLS, _SILENT, _UNREACHABLE, _NO_STORE}
_TRANSIENT = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ClientConnectorError",
    "ConnectionFailed",
    "ServerDisconnectedError",
    "ClientPayloadError",
}
_TRANSIENT_ERRNOS = {errno.EBUSY, errno.EREMOTEIO}  # what s3fs makes of 503, 500 and 409


@contextmanager
def translated(action: str, shown: str, secrets: Secrets) -> Iterator[None]:
    """Translate a back end's exceptions into `RemoteFailed`.

    A full local disk stays an OSError: the store did not fail.

    Args:
        action: Attempted action, as a verb.
        shown: URL without secrets.
        secrets: Texts to hide.
    """
    try:
        yield
    except SlipwayError:
        raise
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno in DISK_ERRNOS and action == "read":
            raise
        reason = printable(secrets.scrubbed(f"{type(exc).__name__}: {exc}"))
        remedy = _remedy(exc)
        kind = StoreUnreachable if remedy in _ENDS_EVERY_QUESTION else RemoteFailed
        failed = kind(f"cannot {action} {printable(shown)}: {reason}; {remedy}")
        raise failed from (exc if secrets.shows_none(exc) else None)


def error_code(exc: BaseException) -> str:
    """The code in a store's response, such as `PreconditionFailed` or `404`; empty if there is none."""
    for one in (exc, exc.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        code = getattr(one, "status", None) or getattr(one, "code", None)
        if isinstance(code, int | str):
            return str(code)
    return ""


def is_transient(exc: BaseException) -> bool:
    """Whether a retry may succeed; a certificate error is permanent."""
    kinds = _kinds(exc)
    if any(_BY_KIND.get(kind) is _NO_TLS for kind in kinds):
        return False
    return not _TRANSIENT.isdisjoint(kinds) or (
        isinstance(exc, OSError) and exc.errno in _TRANSIENT_ERRNOS and exc.__cause__ is not None
    )


def _remedy(exc: BaseException) -> str:
    if isinstance(exc, OSError) and exc.errno in DISK_ERRNOS:
        return "the remote disk is full, or its quota is used up: free some space there"
    if isinstance(exc, ValueError) and "rotocol not known" in str(exc):
        return EXPECTED_URL
    by_code = _BY_CODE.get(error_code(exc))
    return by_code or next((_BY_KIND[kind] for kind in _kinds(exc) if kind in _BY_KIND), _UNKNOWN)


def _kinds(exc: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(exc).__mro__]
