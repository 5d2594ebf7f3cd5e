"""Why an operation failed, asked of the server; and the wait until the model is ready.

The first failure says little: "not found" may be a wrong name, a wrong version, or a model that is loading. Each
function here is a flow (see `_flow`) within the deadline of the call that failed.
"""

from __future__ import annotations

from slipway.client._error_mapping import ErrorMapping, map_failure, map_model_states
from slipway.client._errors import Attempt, ModelNotReady
from slipway.client._flow import Explain, Flow, Response, Sleep, send
from slipway.client._operations import IsModelReady, IsServerReady, ListModels, ReadMetadata, Target
from slipway.client._retry import Deadline
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.printable import printable

__all__ = ["ask_for_cause", "explain_addresses", "failed_attempt", "wait_ready"]

_POLL_TIMEOUT_S = 2.0
_POLL_PAUSE_S = 0.2
_MIN_TIME_TO_ASK_S = 0.1  # with less, the previous reason says more than a timeout
_POLLS_PER_CAUSE = 10  # why a model is not ready is asked first, every tenth poll, and last


def wait_ready(target: Target, *, timeout_s: float) -> Flow[None]:
    """Poll until the model is ready; see `Classifier.wait_ready`."""
    deadline = Deadline(timeout_s)
    operation = IsModelReady(target.model, target.version)
    polls = 0
    failure: TransportFailure | None = None
    mapping: ErrorMapping | None = None
    while True:
        allowed_s = _probe_timeout_s(deadline)
        reply = yield from send(operation, allowed_s)
        if not isinstance(reply, TransportFailure) and reply.value:
            return
        failure = _poll_failure(reply, allowed_s, previous=failure)
        last = deadline.remaining_s() <= _POLL_PAUSE_S
        due = last or polls % _POLLS_PER_CAUSE == 0
        time_to_ask = deadline.remaining_s() > _MIN_TIME_TO_ASK_S
        if mapping is None or (due and time_to_ask) or failure.kind is not FailureKind.NOT_READY:
            cause = yield from ask_for_cause(target, failure, deadline)
            cut_short = failure.kind is FailureKind.NOT_READY and deadline.remaining_s() <= 0
            mapping = cause if mapping is None or not cut_short else mapping
        hopeless = not mapping.retry and failure.kind is not FailureKind.DEADLINE
        if hopeless or last:
            mapping = yield from explain_addresses(mapping, failure, deadline)
            attempt = failed_attempt(mapping, failure, deadline)
            note = "" if hopeless else f"waited {attempt.after_s:.1f} s"
            raise mapping.to_error(target.subject, failure, attempts=(attempt,), note=note)
        polls += 1
        yield Sleep(_POLL_PAUSE_S)


def _poll_failure(
    reply: Response[bool] | TransportFailure, allowed_s: float, *, previous: TransportFailure | None
) -> TransportFailure:
    """Why a poll did not find the model ready; the previous reason if there was too little time for a reply."""
    if not isinstance(reply, TransportFailure):
        return TransportFailure(kind=FailureKind.NOT_READY, text="it is not ready")
    if previous is not None and reply.kind is FailureKind.DEADLINE and allowed_s < _MIN_TIME_TO_ASK_S:
        return previous
    return reply


def ask_for_cause(target: Target, failure: TransportFailure, deadline: Deadline) -> Flow[ErrorMapping]:
    """Map a failure to an error; for a missing model, ask the server for its list of models."""
    if failure.kind not in (FailureKind.NOT_FOUND, FailureKind.NOT_READY):
        return map_failure(failure, timeout_s=deadline.timeout_s)
    states = yield from send(ListModels(), _probe_timeout_s(deadline))
    if not isinstance(states, TransportFailure):
        return map_model_states(target.model, target.version, states.value, failure.text)
    if states.kind in (FailureKind.UNREACHABLE, FailureKind.DRAINING):  # its list is empty while it shuts down
        return map_failure(states, timeout_s=deadline.timeout_s)
    if failure.kind is FailureKind.NOT_READY:
        metadata = yield from send(ReadMetadata(target.model, target.version), _probe_timeout_s(deadline))
        # The list may be restricted where the metadata is not.
        if isinstance(metadata, TransportFailure) and metadata.kind is FailureKind.NOT_FOUND:
            return map_failure(metadata, timeout_s=deadline.timeout_s)
        ready = yield from send(IsServerReady(), _probe_timeout_s(deadline))
        if not isinstance(ready, TransportFailure) and ready.value is False:
            return ErrorMapping(error=ModelNotReady, text="the server is running and not ready yet", retry=True)
    return map_failure(failure, timeout_s=deadline.timeout_s)


def explain_addresses(mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Flow[ErrorMapping]:
    """Add the reason for each address of the host, once there is no retry left."""
    remaining_s = deadline.remaining_s()
    if failure.kind not in (FailureKind.UNREACHABLE, FailureKind.UNTRUSTED) or remaining_s <= 0:
        return mapping
    explained: TransportFailure = yield Explain(failure, remaining_s)
    return mapping if explained is failure else map_failure(explained, timeout_s=deadline.timeout_s)


def failed_attempt(mapping: ErrorMapping, failure: TransportFailure, deadline: Deadline) -> Attempt:
    """Record one failed attempt."""
    return Attempt(error=mapping.error.__name__, text=printable(failure.text), after_s=deadline.elapsed_s())


def _probe_timeout_s(deadline: Deadline) -> float:
    """The time limit of an operation that only improves a message, or that is repeated soon."""
    return min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
