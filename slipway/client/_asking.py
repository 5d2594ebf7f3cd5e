"""One question, asked until it is answered, within the deadline, the policy and the budget of retries."""

from __future__ import annotations

from typing import TypeVar

from slipway.client._diagnosis import Diagnosis, diagnose, diagnose_model
from slipway.client._errors import Attempt, DeadlineExceeded, ModelNotReady
from slipway.client._faults import Fault, FaultKind
from slipway.client._options import RetryPolicy
from slipway.client._questions import IsServerReady, ListModels, Question, ReadMetadata
from slipway.client._retry import Deadline, RetryBudget, jittered_pause_s
from slipway.client._steps import Answered, Explain, Send, Sleep, Steps, ask
from slipway.printable import printable

__all__ = ["Asker", "Refused", "attempt", "patience_s"]

A = TypeVar("A")

_POLL_TIMEOUT_S = 2.0


class Asker:
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

    def ask(self, question: Question[A], deadline: Deadline) -> Steps[Answered[A]]:
        """Send, and send again what is safe and useful to repeat.

        Raises:
            ClientError: What the last try met; it carries all tries.
        """
        reply = yield from self.try_to_ask(question, deadline)
        if isinstance(reply, Refused):
            raise reply.error
        return reply

    def try_to_ask(self, question: Question[A], deadline: Deadline) -> Steps[Answered[A] | Refused]:
        """As `ask`, with the error as a value."""
        self._budget.deposit()
        attempts: tuple[Attempt, ...] = ()
        diagnosis: Diagnosis | None = None
        while True:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0:
                text = f"{self.subject}: no answer within {deadline.timeout_s:g} s, all tries together"
                return Refused(DeadlineExceeded(text, attempts=attempts), FaultKind.DEADLINE, "")
            reply = yield Send(question, remaining_s)
            if not isinstance(reply, Fault):
                answer: Answered[A] = reply
                return answer
            # Why a model is not served is asked once: its answer changes what is said, not what is done.
            if diagnosis is None or reply.kind is not FaultKind.NOT_READY or len(attempts) + 1 >= self._tries():
                diagnosis = yield from self.diagnose(reply, deadline)
            attempts = (*attempts, attempt(diagnosis, reply, deadline))
            pause_s = max(jittered_pause_s(self._policy, len(attempts)), reply.retry_after_s)
            note = self._why_no_retry(diagnosis, attempts, pause_s, deadline)
            if note is not None:
                diagnosis = yield from self.explain(diagnosis, reply, deadline)
                error = diagnosis.to_error(self.subject, reply, attempts=attempts, note=note)
                return Refused(error, reply.kind, reply.status)
            yield Sleep(pause_s)

    def diagnose(self, fault: Fault, deadline: Deadline) -> Steps[Diagnosis]:
        """Say what a Fault means; where the server knows more of its models, it is asked."""
        if fault.kind not in (FaultKind.NOT_FOUND, FaultKind.NOT_READY):
            return diagnose(fault, timeout_s=deadline.timeout_s)
        states = yield from ask(ListModels(), patience_s(deadline))
        if not isinstance(states, Fault):
            return diagnose_model(self.model, self.version, states.value, fault.text)
        if states.kind in (FaultKind.UNREACHABLE, FaultKind.DRAINING):  # it forgets its models while it shuts down
            return diagnose(states, timeout_s=deadline.timeout_s)
        if fault.kind is FaultKind.NOT_READY:
            told = yield from ask(ReadMetadata(self.model, self.version), patience_s(deadline))
            if isinstance(told, Fault) and told.kind is FaultKind.NOT_FOUND:  # a server may keep its list to itself
                return diagnose(told, timeout_s=deadline.timeout_s)
            ready = yield from ask(IsServerReady(), patience_s(deadline))
            if not isinstance(ready, Fault) and ready.value is False:
                return Diagnosis(error=ModelNotReady, text="the server is up and not ready yet", retry=True)
        return diagnose(fault, timeout_s=deadline.timeout_s)

    def explain(self, diagnosis: Diagnosis, fault: Fault, deadline: Deadline) -> Steps[Diagnosis]:
        """Say of each address why it could not be used, when there is nothing left to try."""
        remaining_s = deadline.remaining_s()
        if fault.kind not in (FaultKind.UNREACHABLE, FaultKind.UNTRUSTED) or remaining_s <= 0:
            return diagnosis
        met: Fault = yield Explain(fault, remaining_s)
        return diagnosis if met is fault else diagnose(met, timeout_s=deadline.timeout_s)

    def _tries(self) -> int:
        return self._policy.max_attempts

    def _why_no_retry(
        self, diagnosis: Diagnosis, attempts: tuple[Attempt, ...], pause_s: float, deadline: Deadline
    ) -> str | None:
        """Return None to retry, else what a reader should know about the tries."""
        tried = f"tried {len(attempts)} times in {deadline.elapsed_s():.1f} s" if len(attempts) > 1 else ""
        if not diagnosis.retry or len(attempts) >= self._tries() or pause_s >= deadline.remaining_s():
            return tried
        if not self._budget.withdraw():
            return f"{tried}{', ' if tried else ''}no retry left: too many calls of this client failed lately"
        return None


class Refused:
    """Why a question has no answer.

    Attributes:
        error: To be raised.
        kind: Of the last fault.
        status: Of the last fault.
    """

    __slots__ = ("error", "kind", "status")

    def __init__(self, error: Exception, kind: FaultKind, status: str) -> None:
        self.error = error
        self.kind = kind
        self.status = status


def attempt(diagnosis: Diagnosis, fault: Fault, deadline: Deadline) -> Attempt:
    """Write one failed try down."""
    return Attempt(error=diagnosis.error.__name__, text=printable(fault.text), after_s=deadline.elapsed_s())


def patience_s(deadline: Deadline) -> float:
    """The time limit of a question that only helps to understand, or that is asked again soon."""
    return min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
