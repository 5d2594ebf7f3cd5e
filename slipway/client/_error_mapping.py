"""From a TransportFailure to the error that a person reads: what was asked of whom, what happened, what to do now."""

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
    """What a TransportFailure means.

    Attributes:
        error: The class to raise.
        text: What happened and the way out, one sentence or two.
        retry: Whether the same operation may get an answer a little later.
    """

    error: type[ClientError]
    text: str
    retry: bool = False

    def to_error(
        self, subject: str, failure: TransportFailure, *, attempts: tuple[Attempt, ...], note: str
    ) -> ClientError:
        """Build the exception, caused by the foreign one.

        Args:
            subject: Who was asked, in front of the message.
            failure: The last try's.
            attempts: All failed tries of the call, the last included.
            note: How long it was tried, behind the message in parentheses; may be empty.
        """
        text = f"{subject}: {self.text}{f' ({note})' if note else ''}"
        error = self.error(text, status=failure.status, attempts=attempts)
        error.__cause__ = failure.cause
        return error


_SERVER_DOWN = "is the server running? (`slipway serve` starts one here)"
_NOT_GRPC = "is this Triton's gRPC port? (8001, HTTP is 8000)"
_NOT_HTTP = "is this Triton's HTTP port? (8000, gRPC is 8001)"
_HINTS = (
    ("Socket closed", f"{_NOT_GRPC} Over grpcs:// a server that wants a certificate of this client ends so too"),
    ("Failed parsing HTTP/2", _NOT_GRPC),
    ("Trying to connect an http1.x server", _NOT_GRPC),
    ("illegal request line", _NOT_HTTP),
    ("illegal status line", _NOT_HTTP),
    ("certificate has expired", "its certificate has expired: renew it there (or is this machine's clock wrong?)"),
    ("certificate is not yet valid", "its certificate is not valid yet: is this machine's clock wrong?"),
    ("is not valid for", _OTHER_NAME := "its certificate is for another name: use that in the URL, or as authority="),
    ("mismatch", _OTHER_NAME),
    ("Hostname Verification", _OTHER_NAME),
    ("not in peer certificate", _OTHER_NAME),
    ("WRONG_VERSION_NUMBER", "the server speaks no TLS there: write grpc:// or http://, or name its TLS port"),
    ("ALERT", "it wants another certificate of this client: Tls(certificate_file=..., key_file=...)"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted: name its authority with Tls(ca_file=...)"),
    ("Connection refused", _SERVER_DOWN),  # last: of several addresses, one that answers tells more
)

_MAPPINGS = {
    FailureKind.UNREACHABLE: ErrorMapping(error=ServerUnavailable, text="connection failed: {said}{hint}", retry=True),
    FailureKind.UNTRUSTED: ErrorMapping(error=ServerUnavailable, text="connection failed: {said}{hint}"),
    FailureKind.DRAINING: ErrorMapping(
        error=ServerDraining, text="the server ended the call, it shuts down or died: {said}{hint}", retry=True
    ),
    FailureKind.OVERLOADED: ErrorMapping(
        error=ServerOverloaded, text="the server has more requests than it can answer: {said}", retry=True
    ),
    FailureKind.NOT_FOUND: ErrorMapping(error=ModelNotFound, text="the server knows no such model: {said}"),
    FailureKind.NOT_READY: ErrorMapping(error=ModelNotReady, text="the model is not served now: {said}", retry=True),
    FailureKind.INVALID: ErrorMapping(error=InvalidRequest, text="the server refused the request: {said}"),
    FailureKind.UNAUTHENTICATED: ErrorMapping(
        error=Unauthenticated, text="the server does not let this client ask, give a valid `token`: {said}"
    ),
    FailureKind.NO_TOKEN: ErrorMapping(
        error=Unauthenticated, text="nothing was sent, there is no usable token: {said}"
    ),
    FailureKind.NOT_V2: ErrorMapping(
        error=ServerError,
        text="what answers there is no server of models: {said}{hint}",
    ),
    FailureKind.DEADLINE: ErrorMapping(error=DeadlineExceeded, text="no answer within {timeout_s:g} s ({said})"),
    FailureKind.FAILED: ErrorMapping(error=ServerError, text="the server failed: {said}"),
    FailureKind.CLOSED: ErrorMapping(error=ClientClosed, text="the client was closed during the call"),
}


def map_failure(failure: TransportFailure, *, timeout_s: float) -> ErrorMapping:
    """Map a failure of a call of `timeout_s`; `map_model_states` is more precise for NOT_FOUND and NOT_READY."""
    template = _MAPPINGS[failure.kind]
    text = template.text.format(said=printable(failure.text), hint=_hint(failure), timeout_s=timeout_s)
    return replace(template, text=text)


def map_model_states(model: str, version: str, states: tuple[ModelState, ...], said: str) -> ErrorMapping:
    """Say why a model does not answer, from the server's list of models.

    Args:
        model: Its name.
        version: The version that was asked for, or "".
        states: The server's list.
        said: The server's words when it was asked for the model.
    """
    lines = [state for state in states if state.name == model]
    if not lines:
        known = _names(sorted({state.name for state in states}))
        return ErrorMapping(error=ModelNotFound, text=f"the server has no model of this name, it has: {known}")
    versions = [state for state in lines if state.version]
    if version and versions and version not in {state.version for state in versions}:
        known = _names([state.version for state in versions])
        return ErrorMapping(error=ModelNotFound, text=f"the model has no version {version} there, it has: {known}")
    chosen = [state for state in versions if not version or state.version == version]
    if any(state.state in ("LOADING", "UNLOADING") for state in chosen):
        words = "loading" if any(state.state == "LOADING" for state in chosen) else "unloading"
        return ErrorMapping(error=ModelNotReady, text=f"the server is {words} the model", retry=True)
    failed = [state for state in chosen if state.state == "UNAVAILABLE" and state.reason not in ("", "unloaded")]
    if failed and not any(state.state == "READY" for state in chosen):
        reason = printable((failed[-1].reason.strip().splitlines() or ["no reason given"])[0])
        version = printable(failed[-1].version, limit=20)
        text = f"the server could not load version {version}: {reason}; its log has the rest"
        return ErrorMapping(error=ModelLoadFailed, text=text)
    if any(state.state == "READY" for state in chosen):
        return ErrorMapping(
            error=ModelNotReady, text=f"the model was not served a moment ago: {printable(said)}", retry=True
        )
    return ErrorMapping(
        error=ModelNotReady, text="the server has the model in its repository and has not loaded it", retry=True
    )


def _hint(failure: TransportFailure) -> str:
    hint = next((hint for words, hint in _HINTS if words in failure.text), "")
    if failure.kind is FailureKind.NOT_V2 and not hint:
        hint = "are host, port and path of the URL right?"
    return f"; {hint}" if hint else ""


def _names(names: list[str]) -> str:
    """Names from outside, as many as a line takes."""
    return printable(", ".join(names[:20]) + (", …" if len(names) > 20 else "")) or "none at all"
