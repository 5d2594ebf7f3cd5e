"""What a call decides, step by step, for both protocols and for both flavours of client.

Nothing here does I/O: the generators yield `Send` and `Sleep` and receive answers or Faults (see `_steps`).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from slipway.client._conversion import Conversion
from slipway.client._diagnosis import Diagnosis, diagnose, diagnose_model
from slipway.client._errors import (
    Attempt,
    DeadlineExceeded,
    ModelNotReady,
    ServerError,
    UnsupportedModel,
)
from slipway.client._faults import Fault, FaultKind
from slipway.client._images import ImagesInput, to_batch
from slipway.client._options import RetryPolicy
from slipway.client._prediction import Pixels, Prediction, Probabilities
from slipway.client._questions import (
    Infer,
    Inferred,
    IsModelReady,
    IsServerReady,
    ListModels,
    Question,
    ReadConfig,
)
from slipway.client._retry import Deadline, RetryBudget, jittered_pause_s
from slipway.client._steps import Send, Sleep, Steps, ask
from slipway.contract import ModelContract
from slipway.model_config import ContractUnreadable, read_contract

__all__ = ["Core"]

A = TypeVar("A")

_POLL_TIMEOUT_S = 2.0
_POLL_PAUSE_S = 0.2


class Core:
    """One model on one server, as one process knows it; shared by all threads or tasks of that process."""

    def __init__(self, url: str, *, model: str, version: str, retry: RetryPolicy) -> None:
        self._subject = f"model {model!r}{f' version {version}' if version else ''} at {url}"
        self._model = model
        self._version = version
        self._policy = retry
        self._budget = RetryBudget(retry)
        self._newest: ModelContract | None = None
        self._contracts: dict[str, ModelContract] = {}  # by the model version that answered under it

    def contract(self, *, timeout_s: float) -> Steps[ModelContract]:
        """Return what is known, or learn it."""
        return self._newest or (yield from self._learn(Deadline(timeout_s)))

    def predict(self, images: ImagesInput, conversion: Conversion, *, timeout_s: float) -> Steps[Prediction]:
        """Classify, in requests of at most the model's batch; see `Classifier.predict`."""
        deadline = Deadline(timeout_s)
        known = self._newest or (yield from self._learn(deadline))
        batch, size = to_batch(images, known, conversion), known.max_batch_size
        contract, answer = yield from self._classify(batch[:size], deadline)
        if len(batch) <= size:
            return _prediction(contract, answer.probabilities, answer.model_version)
        parts = [answer.probabilities]
        for start in range(size, len(batch), size):
            now, answer = yield from self._classify(batch[start : start + size], deadline)
            if now.labels != contract.labels:
                raise ServerError(f"{self._subject}: replaced during the call by one with other labels; call again")
            parts.append(answer.probabilities)
        return _prediction(contract, np.concatenate(parts), answer.model_version)

    def wait_ready(self, *, timeout_s: float) -> Steps[None]:
        """Poll until the model answers; see `Classifier.wait_ready`."""
        deadline = Deadline(timeout_s)
        while True:
            patience_s = min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
            reply = yield from ask(IsModelReady(self._model, self._version), patience_s)
            if reply is True:
                return
            fault = reply if isinstance(reply, Fault) else Fault(kind=FaultKind.NOT_READY, text="it is not ready")
            diagnosis = yield from self._diagnose(fault, deadline)
            hopeless = not diagnosis.retry and fault.kind is not FaultKind.DEADLINE
            if hopeless or deadline.remaining_s() <= _POLL_PAUSE_S:
                failed = self._attempt(diagnosis, fault, deadline)
                note = "" if hopeless else f"waited {failed.after_s:.1f} s"
                raise diagnosis.to_error(self._subject, fault, attempts=(failed,), note=note)
            yield Sleep(_POLL_PAUSE_S)

    def _classify(self, images: Pixels, deadline: Deadline) -> Steps[tuple[ModelContract, Inferred]]:
        """Ask once, and read the answer with the labels of the version that gave it."""
        answer = yield from self._ask(Infer(self._model, self._version, images), deadline)
        contract = self._contracts.get(answer.model_version)
        if contract is None:
            # The first version met is the one just learned; any other may have other labels.
            known = None if self._contracts else self._newest
            contract = known or (yield from self._learn(deadline))
            self._contracts[answer.model_version] = contract
        classes = answer.probabilities.shape[1]
        if classes != len(contract.labels):
            self._forget()
            raise ServerError(
                f"{self._subject}: expected {len(contract.labels)} probabilities per image, got {classes}"
            )
        return contract, answer

    def _learn(self, deadline: Deadline) -> Steps[ModelContract]:
        config = yield from self._ask(ReadConfig(self._model, self._version), deadline)
        try:
            self._newest = contract = read_contract(config)
        except ContractUnreadable as exc:
            raise UnsupportedModel(f"{self._subject}: {exc}") from exc
        return contract

    def _forget(self) -> None:
        self._newest = None
        self._contracts.clear()

    def _ask(self, question: Question[A], deadline: Deadline) -> Steps[A]:
        """Send, and send again what is safe and useful to repeat, within the deadline, the policy and the budget."""
        self._budget.deposit()
        attempts: tuple[Attempt, ...] = ()
        while True:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0:
                raise DeadlineExceeded(
                    f"{self._subject}: no answer within {deadline.timeout_s:g} s, all tries together", attempts=attempts
                )
            reply = yield Send(question, remaining_s)
            if not isinstance(reply, Fault):
                answer: A = reply
                return answer
            diagnosis = yield from self._diagnose(reply, deadline)
            attempts = (*attempts, self._attempt(diagnosis, reply, deadline))
            pause_s = max(jittered_pause_s(self._policy, len(attempts)), reply.retry_after_s)
            note = self._why_no_retry(diagnosis, attempts, pause_s, deadline)
            if note is not None:
                raise diagnosis.to_error(self._subject, reply, attempts=attempts, note=note)
            yield Sleep(pause_s)

    def _why_no_retry(
        self, diagnosis: Diagnosis, attempts: tuple[Attempt, ...], pause_s: float, deadline: Deadline
    ) -> str | None:
        """Return None to retry, else what a reader should know about the tries."""
        tried = f"tried {len(attempts)} times in {deadline.elapsed_s():.1f} s" if len(attempts) > 1 else ""
        if not diagnosis.retry or len(attempts) >= self._policy.max_attempts or pause_s >= deadline.remaining_s():
            return tried
        if not self._budget.withdraw():
            return f"{tried}{', ' if tried else ''}no retry left: too many calls of this client failed lately"
        return None

    def _diagnose(self, fault: Fault, deadline: Deadline) -> Steps[Diagnosis]:
        if fault.kind is FaultKind.INVALID:
            self._forget()
        if fault.kind not in (FaultKind.NOT_FOUND, FaultKind.NOT_READY):
            return diagnose(fault, timeout_s=deadline.timeout_s)
        patience_s = min(_POLL_TIMEOUT_S, max(deadline.remaining_s(), 0.001))
        states = yield from ask(ListModels(), patience_s)
        if not isinstance(states, Fault):
            return diagnose_model(self._model, self._version, states, fault.text)
        if states.kind in (FaultKind.UNREACHABLE, FaultKind.DRAINING):  # it forgets its models while it shuts down
            return diagnose(states, timeout_s=deadline.timeout_s)
        if fault.kind is FaultKind.NOT_READY and (yield from ask(IsServerReady(), patience_s)) is False:
            return Diagnosis(error=ModelNotReady, text="the server is up and not ready yet", retry=True)
        return diagnose(fault, timeout_s=deadline.timeout_s)

    @staticmethod
    def _attempt(diagnosis: Diagnosis, fault: Fault, deadline: Deadline) -> Attempt:
        return Attempt(error=diagnosis.error.__name__, text=fault.text, after_s=deadline.elapsed_s())


def _prediction(contract: ModelContract, probabilities: Probabilities, model_version: str) -> Prediction:
    indices = probabilities.argmax(axis=1)
    for array in (indices, probabilities):
        array.flags.writeable = False
    return Prediction(
        labels=tuple([contract.labels[i] for i in indices.tolist()]),
        indices=indices,
        probabilities=probabilities,
        class_names=contract.labels,
        model_name=contract.name,
        model_version=model_version,
    )
