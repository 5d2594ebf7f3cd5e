"""Map a transport failure to a client error with a message: the model, the cause, the remedy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from slipway.client._errors import (
    Attempt,
    ClientClosed,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    ServerDraining,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    Unauthenticated,
)
from slipway.client._operations import ModelState
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.printable import printable

__all__ = ["ErrorMapping", "map_failure", "map_model_states"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMapping:
    """The error for a transport failure.

    Attributes:
        error: The class to raise.
        text: The cause and the remedy, in one or two sentences.
        retry: Whether the same operation may succeed later.
    """

    error: type[ClientError]
    text: str
    retry: bool = False

    def to_error(
        self, subject: str, failure: TransportFailure, *, attempts: tuple[Attempt, ...], note: str
    ) -> ClientError:
        """Build the exception, with the library's exception as its cause.

        Args:
            subject: Model and URL, the prefix of the message.
            failure: The last attempt's.
            attempts: All failed attempts of the call.
            note: Appended to the message in parentheses; may be empty.
        """
        text = f"{subject}: {self.text}{f' ({note})' if note else ''}"
        error = self.error(text, status=failure.status, attempts=attempts)
        error.__cause__ = failure.cause
        return error


_SERVER_DOWN = "is the server running? (`slipway serve` starts one here)"
_NOT_GRPC = "is this Triton's gRPC port? (8001, HTTP is 8000)"
_NOT_HTTP = "is this Triton's HTTP port? (8000, gRPC is 8001)"
_HINTS = (
    ("Socket closed", f"{_NOT_GRPC} Over grpcs://, a server that requires a client certificate fails in the same way"),
    ("Failed parsing HTTP/2", _NOT_GRPC),
    ("Trying to connect an http1.x server", _NOT_GRPC),
    ("illegal request line", _NOT_HTTP),
    ("illegal status line", _NOT_HTTP),
    ("certificate has expired", "its certificate has expired: renew it there (or is this machine's clock wrong?)"),
    ("certificate is not yet valid", "its certificate is not valid yet: is this machine's clock wrong?"),
    (
        "is not valid for",
        _OTHER_NAME := "its certificate is for another name: use that name in the URL, or as authority=",
    ),
    ("mismatch", _OTHER_NAME),
    ("Hostname Verification", _OTHER_NAME),
    ("not in peer certificate", _OTHER_NAME),
    ("WRONG_VERSION_NUMBER", "the server does not use TLS on this port: use grpc:// or http://, or its TLS port"),
    ("ALERT", "the server rejected this client's certificate: Tls(certificate_file=..., key_file=...)"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted: name its authority with Tls(ca_file=...)"),
    ("Connection refused", _SERVER_DOWN),  # last: an address that responds is more specific
)

_MAPPINGS = {
    FailureKind.UNREACHABLE: ErrorMapping(error=ServerUnavailable, text="connection failed: {text}{hint}", retry=True),
    FailureKind.UNTRUSTED: ErrorMapping(error=ServerUnavailable, text="connection failed: {text}{hint}"),
    FailureKind.DRAINING: ErrorMapping(
        error=ServerDraining,
        text="the server closed the connection, it is shutting down or died: {text}{hint}",
        retry=True,
    ),
    FailureKind.OVERLOADED: ErrorMapping(error=ServerOverloaded, text="the server is overloaded: {text}", retry=True),
    FailureKind.NOT_FOUND: ErrorMapping(error=ModelNotFound, text="model not found: {text}"),
    FailureKind.NOT_READY: ErrorMapping(error=ModelNotReady, text="the model is not ready: {text}", retry=True),
    FailureKind.INVALID: ErrorMapping(error=InvalidRequest, text="the server rejected the request: {text}"),
    FailureKind.UNAUTHENTICATED: ErrorMapping(
        error=Unauthenticated, text="missing or invalid token, pass a valid one as `token`: {text}"
    ),
    FailureKind.NO_TOKEN: ErrorMapping(error=Unauthenticated, text="no usable token, nothing was sent: {text}"),
    FailureKind.NOT_V2: ErrorMapping(
        error=ServerError,
        text="not a V2 inference server: {text}{hint}",
    ),
    FailureKind.DEADLINE: ErrorMapping(error=DeadlineExceeded, text="no answer within {timeout_s:g} s ({text})"),
    FailureKind.FAILED: ErrorMapping(error=ServerError, text="the server failed: {text}"),
    FailureKind.CLOSED: ErrorMapping(error=ClientClosed, text="the client was closed during the call"),
}


def map_failure(failure: TransportFailure, *, timeout_s: float) -> ErrorMapping:
    """Map a failure of a call of `timeout_s`; `map_model_states` is more precise for NOT_FOUND and NOT_READY."""
    template = _MAPPINGS[failure.kind]
    text = template.text.format(text=printable(failure.text), hint=_hint(failure), timeout_s=timeout_s)
    return replace(template, text=text)


def map_model_states(model: str, version: str, states: tuple[ModelState, ...], text: str) -> ErrorMapping:
    """Map a model that is missing or not ready, from the server's list of models.

    Args:
        model: Its name.
        version: The requested version, or "".
        states: The server's list.
        text: The server's message about the model.
    """
    own = [state for state in states if state.name == model]
    if not own:
        known = _names(sorted({state.name for state in states}))
        return ErrorMapping(error=ModelNotFound, text=f"the server has no model of this name, it has: {known}")
    versions = [state for state in own if state.version]
    if version and versions and version not in {state.version for state in versions}:
        known = _names([state.version for state in versions])
        return ErrorMapping(error=ModelNotFound, text=f"the model has no version {version} there, it has: {known}")
    chosen = [state for state in versions if not version or state.version == version]
    if any(state.state in ("LOADING", "UNLOADING") for state in chosen):
        state = "loading" if any(state.state == "LOADING" for state in chosen) else "unloading"
        return ErrorMapping(error=ModelNotReady, text=f"the server is {state} the model", retry=True)
    failed = [state for state in chosen if state.state == "UNAVAILABLE" and state.reason not in ("", "unloaded")]
    if failed and not any(state.state == "READY" for state in chosen):
        reason = printable((failed[-1].reason.strip().splitlines() or ["no reason given"])[0])
        version = printable(failed[-1].version, limit=20)
        text = f"the server could not load version {version}: {reason}; its log has the rest"
        return ErrorMapping(error=ModelLoadFailed, text=text)
    if any(state.state == "READY" for state in chosen):
        return ErrorMapping(
            error=ModelNotReady, text=f"the model was not ready when the request arrived: {printable(text)}", retry=True
        )
    return ErrorMapping(
        error=ModelNotReady, text="the server has the model in its repository but has not loaded it", retry=True
    )


def _hint(failure: TransportFailure) -> str:
    hint = next((hint for pattern, hint in _HINTS if pattern in failure.text), "")
    if failure.kind is FailureKind.NOT_V2 and not hint:
        hint = "are host, port and path of the URL right?"
    return f"; {hint}" if hint else ""


def _names(names: list[str]) -> str:
    """Names from the server, at most 20."""
    return printable(", ".join(names[:20]) + (", …" if len(names) > 20 else "")) or "none at all"
