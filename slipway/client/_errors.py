"""Everything that can go wrong with a prediction, each by its own name.

* ClientError
  - InvalidAddress        also ValueError; the URL is not one of grpc://, grpcs://, http://, https://
  - InvalidImage          also ValueError; refused before anything is sent
  - UnsupportedModel      the model on the server is not an image classifier of Slipway's kind
  - InvalidRequest        the server refused the request itself; never retried
  - Unauthenticated       missing or invalid token; never retried
  - ModelNotFound         the server knows no model, or no version, of that name; never retried
  - ModelNotReady         the server knows the model, and does not serve it now; retried
    - ModelLoadFailed     the server tried to load it and could not; carries the reason; never retried
  - ServerUnavailable     connection failed; retried
    - ServerDraining      somebody answered and ended the call: shutting down, or gone; retried
  - ServerOverloaded      the server's queue is full, or the request waited there too long; retried with care
  - ServerError           the server failed, or its answer breaks the contract; never retried
  - DeadlineExceeded      also TimeoutError; no answer within `timeout_s`
  - QueueFull             MicroBatcher: no room in its queue within `timeout_s`
  - ClientClosed          the client was closed, or belongs to another process or event loop
"""

from __future__ import annotations

from dataclasses import dataclass

from slipway.errors import SlipwayError

__all__ = [
    "Attempt",
    "ClientClosed",
    "ClientError",
    "DeadlineExceeded",
    "InvalidAddress",
    "InvalidImage",
    "InvalidRequest",
    "ModelLoadFailed",
    "ModelNotFound",
    "ModelNotReady",
    "QueueFull",
    "ServerDraining",
    "ServerError",
    "ServerOverloaded",
    "ServerUnavailable",
    "Unauthenticated",
    "UnsupportedModel",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One failed try of a call.

    Attributes:
        error: Name of the error class that this try alone would have raised.
        text: The server's or the transport's own words.
        after_s: Seconds from the start of the call to the failure of this try.
    """

    error: str
    text: str
    after_s: float


class ClientError(SlipwayError):
    """A prediction, or an operation to the server, failed.

    Attributes:
        status: The server's status, such as "UNAVAILABLE" (gRPC) or "503" (HTTP); empty where none came.
        attempts: Every failed try of the call, in order; empty where nothing was sent.
    """

    def __init__(self, message: str, *, status: str = "", attempts: tuple[Attempt, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.attempts = attempts


class InvalidAddress(ClientError, ValueError):
    """The URL names no protocol of ours, or no host."""

    exit_status = 2


class InvalidImage(ClientError, ValueError):
    """What was given is not an image, or not one that the model takes; nothing was sent."""

    exit_status = 2


class UnsupportedModel(ClientError):
    """The model's tensors are not those of an image classifier; says expected and got."""


class InvalidRequest(ClientError):
    """The server refused the request. The next call learns the contract anew, in case the model was replaced."""


class Unauthenticated(ClientError):
    """The token is missing, wrong or expired, or the server restricts this operation."""


class ModelNotFound(ClientError):
    """The server has no model, or no version of it, by this name."""


class ModelNotReady(ClientError):
    """The server has the model and does not serve it now: loading, unloading, or not loaded."""


class ModelLoadFailed(ModelNotReady):
    """The server could not load the model; the message carries the server's reason."""


class ServerUnavailable(ClientError):
    """Nobody answers at the address: refused, unknown host, or no trust between the two (TLS)."""


class ServerDraining(ServerUnavailable):
    """A server answered and then ended the call: it shuts down, or it died."""


class ServerOverloaded(ClientError):
    """The server's queue is full, or the request waited in it for too long."""


class ServerError(ClientError):
    """The server failed while it answered, or its answer breaks the contract."""


class DeadlineExceeded(ClientError, TimeoutError):
    """The whole call, with its chunks, retries and pauses, had no answer within `timeout_s`."""


class QueueFull(ClientError):
    """A MicroBatcher's queue had no room within `timeout_s`: more calls come than the server answers."""


class ClientClosed(ClientError):
    """The client was closed, or it belongs to another process or event loop."""
