"""The errors of the client.

* ClientError
  - InvalidAddress        also ValueError; the URL is not one of grpc://, grpcs://, http://, https://
  - InvalidImage          also ValueError; rejected before anything is sent
  - UnsupportedModel      the model on the server is not a supported image classifier
  - InvalidRequest        the server rejected the request; never retried
  - Unauthenticated       missing or invalid token; never retried
  - ModelNotFound         the server has no such model or version; never retried
  - ModelNotReady         the server has the model but does not serve it now; retried
    - ModelLoadFailed     the server failed to load it; carries the reason; never retried
  - ServerUnavailable     connection failed; retried
    - ServerDraining      the server closed the connection: shutting down, or died; retried
  - ServerOverloaded      the server's queue is full, or the request timed out in it; retried within the budget
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
    """One failed attempt of a call.

    Attributes:
        error: Name of the error class for this attempt alone.
        text: The server's or the transport's message.
        after_s: Seconds from the start of the call to this failure.
    """

    error: str
    text: str
    after_s: float


class ClientError(SlipwayError):
    """A prediction, or another request to the server, failed.

    Attributes:
        status: The server's status, such as "UNAVAILABLE" (gRPC) or "503" (HTTP); empty where none was received.
        attempts: Every failed attempt of the call, in order; empty where nothing was sent.
    """

    def __init__(self, message: str, *, status: str = "", attempts: tuple[Attempt, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.attempts = attempts


class InvalidAddress(ClientError, ValueError):
    """The URL has no supported protocol, or no host."""

    exit_status = 2


class InvalidImage(ClientError, ValueError):
    """The input is not an image, or not one that the model accepts; nothing was sent."""

    exit_status = 2


class UnsupportedModel(ClientError):
    """The model's tensors are not those of an image classifier; says expected and got."""


class InvalidRequest(ClientError):
    """The server rejected the request. The next call reads the contract again, in case the model was replaced."""


class Unauthenticated(ClientError):
    """The token is missing, wrong or expired, or the server restricts this operation."""


class ModelNotFound(ClientError):
    """The server has no model, or no version of it, by this name."""


class ModelNotReady(ClientError):
    """The server has the model and does not serve it now: loading, unloading, or not loaded."""


class ModelLoadFailed(ModelNotReady):
    """The server could not load the model; the message carries the server's reason."""


class ServerUnavailable(ClientError):
    """The connection failed: refused, unknown host, or a TLS certificate error."""


class ServerDraining(ServerUnavailable):
    """The server closed the connection during the call: it is shutting down, or it died."""


class ServerOverloaded(ClientError):
    """The server's queue is full, or the request timed out in it."""


class ServerError(ClientError):
    """The server failed while it answered, or its answer breaks the contract."""


class DeadlineExceeded(ClientError, TimeoutError):
    """The whole call, with its chunks, retries and pauses, had no answer within `timeout_s`."""


class QueueFull(ClientError):
    """A MicroBatcher's queue had no room within `timeout_s`: calls arrive faster than the server answers."""


class ClientClosed(ClientError):
    """The client was closed, or it belongs to another process or event loop."""
