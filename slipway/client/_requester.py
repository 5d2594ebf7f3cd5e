"""One operation, asked until it is answered, within the deadline, the policy and the budget of retries."""

from __future__ import annotations

from typing import TypeVar

from slipway.client._error_mapping import ErrorMapping, map_failure, map_model_states
from slipway.client._errors import Attempt, DeadlineExceeded, ModelNotReady
from slipway.client._flow import Explain, Flow, Response, Send, Sleep, ask
from slipway.client._operations import IsServerReady, ListModels, Operation, ReadMetadata
from slipway.client._options import RetryPolicy
from slipway.client._retry import Deadline, RetryBudget, jittered_pause_s
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.printable import printable

__all__ = ["FailedRequest", "Requester", "attempt", "probe_timeout_s"]

A = TypeVar("A")

_POLL_TIMEOUT_S = 2.0


class Requester:
    """Asks one server about one model; shared by all calls of a client.

    Attributes:
        subject: Who is asked, in front of every message.
        model: The model's name.
        version: The version that is wanted; empty: the server's choice.
    """

    def __init__(self, url: str, *, model: str, version: str, retry: RetryPolicy) -> None:
        self.subject = f"model {printable(repr(model))}{f' version {version}' if version else ''} at {url}"
        self.model = model
        self.version = version
        self._policy = retry
        self._budget = RetryBudget(retry)

    def ask(self, operation: Operation[A], deadline: Deadline) -> Flow[Response[A]]:
        """Send, and send again what is safe and useful to repeat.

        Raises:
            ClientError: What the last try met; it carries all tries.
        """
        reply = yield from self.try_request(operation, deadline)
        if isinstance(reply, FailedRequest):
            raise reply.error
        return reply

    def try_request(self, operation: Operation[A], deadline: Deadline) -> Flow[Response[A] | FailedRequest]:
        """As `ask`, with the error as a value."""
        self._budget.deposit()
        attempts: tuple[Attempt, ...] = ()
        mapping: ErrorMapping | None = None
        while True:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0:
                text = f"{self.subject}: no answer within {deadline.timeout_s:g} s, all tries together"
                return FailedRequest(DeadlineExceeded(text, attempts=attempts), FailureKind.DEADLINE, "")
            reply = yield Send(operation, remaining_s)
            if not isinstance(reply, TransportFailure):
                answer: Response[A] = reply
                return answer
            # Why a model is not served is asked once: its answer changes what is said, not what is done.
            if mapping is None or reply.kind is not FailureKind.NOT_READY or len(attempts) + 1 >= self._tries():
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
        """Say what a TransportFailure means; where the server knows more of its models, it is asked."""
        if failure.kind not in (FailureKind.NOT_FOUND, FailureKind.NOT_READY):
            return map_failure(failure, timeout_s=deadline.timeout_s)
        states = yield from ask(ListModels(), probe_timeout_s(deadline))
        if not isinstance(states, TransportFailure):
            return map_model_states(self.model, self.version, states.value, failure.text)
        if states.kind in (FailureKind.UNREACHABLE, FailureKind.DRAINING):  # it forgets its models while it shuts down
            return map_failure(states, timeout_s=deadline.timeout_s)
        if failure.kind is FailureKind.NOT_READY:
            told = yield from ask(ReadMetadata(self.model, self.version), probe_timeout_s(deadline))
            if (
                isinstance(told, TransportFailure) and told.kind is FailureKind.NOT_FOUND
            ):  # a server may keep its list to itself
                return map_failure(told, timeout_s=deadline.timeout_s)
            ready = yield from ask(IsServerReady(), probe_timeout_s(deadline))
            if not isinstance(ready, TransportFailure) and ready.value is False:
                return ErrorMapping(error=ModelNotReady, text="the server is up and not ready yet", retry=True)
        return map_failure(failure, timeout_s=deadline.timeout_s)

    def explain(self, mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Flow[ErrorMapping]:
        """Say of each address why it could not be used, when there is nothing left to try."""
        remaining_s = deadline.remaining_s()
        if failure.kind not in (FailureKind.UNREACHABLE, FailureKind.UNTRUSTED) or remaining_s <= 0:
            return mapping
        met: TransportFailure = yield Explain(failure, remaining_s)
        return mapping if met is failure else map_failure(met, timeout_s=deadline.timeout_s)

    def _tries(self) -> int:
        return self._policy.max_attempts

    def _why_no_retry(
        self, mapping: ErrorMapping, attempts: tuple[Attempt, ...], pause_s: float, deadline: Deadline
    ) -> str | None:
        """Return None to retry, else what a reader should know about the tries."""
        tried = f"tried {len(attempts)} times in {deadline.elapsed_s():.1f} s" if len(attempts) > 1 else ""
        if not mapping.retry or len(attempts) >= self._tries() or pause_s >= deadline.remaining_s():
            return tried
        if not self._budget.withdraw():
            return f"{tried}{', ' if tried else ''}no retry left: too many calls of this client failed lately"
        return None


class FailedRequest:
    """Why an operation has no answer.

    Attributes:
        error: To be raised.
        kind: Of the last failure.
        status: Of the last failure.
    """

    __slots__ = ("error", "kind", "status")

    def __init__(self, error: Exception, kind: FailureKind, status: str) -> None:
        self.error = error
        self.kind = kind
        self.status = status


def attempt(mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Attempt:
    """Write one failed try down."""
    return Attempt(error=mapping.error.__name__, text=printable(failure.text), after_s=deadline.elapsed_s())


def probe_timeout_s(deadline: Deadline) -> float:
    """The time limit of an operation that only helps to understand, or that is asked again soon."""
    return min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
