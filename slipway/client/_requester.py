"""One operation on a model, with retries within the deadline, the retry policy and the retry budget."""

from __future__ import annotations

from typing import TypeVar

from slipway.client._error_mapping import ErrorMapping, map_failure, map_model_states
from slipway.client._errors import Attempt, DeadlineExceeded, ModelNotReady
from slipway.client._flow import Explain, Flow, Response, Send, Sleep, send
from slipway.client._operations import IsServerReady, ListModels, Operation, ReadMetadata
from slipway.client._options import RetryPolicy
from slipway.client._retry import Deadline, RetryBudget, jittered_pause_s
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.printable import printable

__all__ = ["FailedRequest", "Requester", "attempt", "probe_timeout_s"]

A = TypeVar("A")

_POLL_TIMEOUT_S = 2.0


class Requester:
    """Sends operations on one model to one server; shared by all calls of a client.

    Attributes:
        subject: Model and URL, the prefix of every message.
        model: The model's name.
        version: The requested version; empty: the server's choice.
    """

    def __init__(self, url: str, *, model: str, version: str, retry: RetryPolicy) -> None:
        self.subject = f"model {printable(repr(model))}{f' version {version}' if version else ''} at {url}"
        self.model = model
        self.version = version
        self._policy = retry
        self._budget = RetryBudget(retry)

    def request(self, operation: Operation[A], deadline: Deadline) -> Flow[Response[A] | FailedRequest]:
        """Send an operation, and retry where that is safe and useful; a failure is returned, not raised."""
        self._budget.deposit()
        attempts: tuple[Attempt, ...] = ()
        mapping: ErrorMapping | None = None
        while True:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0:
                text = f"{self.subject}: no answer within {deadline.timeout_s:g} s, retries included"
                return FailedRequest(DeadlineExceeded(text, attempts=attempts), FailureKind.DEADLINE, "")
            reply = yield Send(operation, remaining_s)
            if not isinstance(reply, TransportFailure):
                answer: Response[A] = reply
                return answer
            # Why a model is not ready is asked once: it changes the message, not the retry.
            if mapping is None or reply.kind is not FailureKind.NOT_READY or len(attempts) + 1 >= self._max_attempts():
                mapping = yield from self.map_failure(reply, deadline)
            attempts = (*attempts, attempt(mapping, reply, deadline))
            pause_s = max(jittered_pause_s(self._policy, len(attempts)), reply.retry_after_s)
            note = self._why_no_retry(mapping, attempts, pause_s, deadline)
            if note is not None:
                mapping = yield from self.explain(mapping, reply, deadline)
                error = mapping.to_error(self.subject, reply, attempts=attempts, note=note)
                return FailedRequest(error, reply.kind, reply.status)
            yield Sleep(pause_s)

    def map_failure(self, failure: TransportFailure, deadline: Deadline) -> Flow[ErrorMapping]:
        """Map a failure to an error; for a missing model, ask the server for its list of models."""
        if failure.kind not in (FailureKind.NOT_FOUND, FailureKind.NOT_READY):
            return map_failure(failure, timeout_s=deadline.timeout_s)
        states = yield from send(ListModels(), probe_timeout_s(deadline))
        if not isinstance(states, TransportFailure):
            return map_model_states(self.model, self.version, states.value, failure.text)
        if states.kind in (FailureKind.UNREACHABLE, FailureKind.DRAINING):  # its list is empty while it shuts down
            return map_failure(states, timeout_s=deadline.timeout_s)
        if failure.kind is FailureKind.NOT_READY:
            metadata = yield from send(ReadMetadata(self.model, self.version), probe_timeout_s(deadline))
            if (
                isinstance(metadata, TransportFailure) and metadata.kind is FailureKind.NOT_FOUND
            ):  # the list may be restricted
                return map_failure(metadata, timeout_s=deadline.timeout_s)
            ready = yield from send(IsServerReady(), probe_timeout_s(deadline))
            if not isinstance(ready, TransportFailure) and ready.value is False:
                return ErrorMapping(error=ModelNotReady, text="the server is running and not ready yet", retry=True)
        return map_failure(failure, timeout_s=deadline.timeout_s)

    def explain(self, mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Flow[ErrorMapping]:
        """Add the reason for each address of the host, once there is no retry left."""
        remaining_s = deadline.remaining_s()
        if failure.kind not in (FailureKind.UNREACHABLE, FailureKind.UNTRUSTED) or remaining_s <= 0:
            return mapping
        explained: TransportFailure = yield Explain(failure, remaining_s)
        return mapping if explained is failure else map_failure(explained, timeout_s=deadline.timeout_s)

    def _max_attempts(self) -> int:
        return self._policy.max_attempts

    def _why_no_retry(
        self, mapping: ErrorMapping, attempts: tuple[Attempt, ...], pause_s: float, deadline: Deadline
    ) -> str | None:
        """Return None to retry, else a note about the attempts."""
        tried = f"tried {len(attempts)} times in {deadline.elapsed_s():.1f} s" if len(attempts) > 1 else ""
        if not mapping.retry or len(attempts) >= self._max_attempts() or pause_s >= deadline.remaining_s():
            return tried
        if not self._budget.withdraw():
            return (
                f"{tried}{', ' if tried else ''}retry budget exhausted: too many calls of this client failed recently"
            )
        return None


class FailedRequest:
    """An operation that failed.

    Attributes:
        error: The exception to raise.
        kind: The last failure's.
        status: The last failure's.
    """

    __slots__ = ("error", "kind", "status")

    def __init__(self, error: Exception, kind: FailureKind, status: str) -> None:
        self.error = error
        self.kind = kind
        self.status = status


def attempt(mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Attempt:
    """Record one failed attempt."""
    return Attempt(error=mapping.error.__name__, text=printable(failure.text), after_s=deadline.elapsed_s())


def probe_timeout_s(deadline: Deadline) -> float:
    """The time limit of an operation that only improves a message, or that is repeated soon."""
    return min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
