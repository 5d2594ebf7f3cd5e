"""What a call decides, step by step, for both protocols and for both flavours of client.

Nothing here does I/O: the generators yield `Send`, `Explain`, `Sleep` and `Wait`, and receive answers or Faults (see
`_steps`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from slipway.client._asking import Asker, Refused, attempt, patience_s
from slipway.client._contracts import Contracts, Known
from slipway.client._conversion import Conversion
from slipway.client._diagnosis import Diagnosis
from slipway.client._errors import ServerError
from slipway.client._faults import Fault, FaultKind
from slipway.client._images import ImagesInput, to_batch
from slipway.client._options import RetryPolicy
from slipway.client._prediction import Pixels, Prediction, prediction_of
from slipway.client._questions import Infer, Inferred, IsModelReady
from slipway.client._retry import Deadline
from slipway.client._steps import Sleep, Steps, ask
from slipway.contract import ModelContract

__all__ = ["Core"]

_POLL_PAUSE_S = 0.2
_TIME_TO_ASK_S = 0.1  # with less, what was found out before says more than no answer
_POLLS_PER_DIAGNOSIS = 10  # why a model is not ready is asked at first, now and then, and at last
_TRIES_OF_A_CHANGED_MODEL = 3


class Core:
    """One model on one server, as one process knows it; shared by all threads or tasks of that process.

    Args:
        url: Where, for messages.
        model: Its name.
        version: The wanted version; empty: the server's choice.
        retry: How failed tries are repeated.
        event: `threading.Event` or `asyncio.Event`.
        max_age_s: After so long the contract is read again.
        max_batch_size: Of a server that tells none.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        version: str,
        retry: RetryPolicy,
        event: Callable[[], Any],
        max_age_s: float,
        max_batch_size: int,
    ) -> None:
        self._asker = Asker(url, model=model, version=version, retry=retry)
        self._contracts = Contracts(self._asker, event=event, max_age_s=max_age_s, max_batch_size=max_batch_size)

    def contract(self, *, timeout_s: float) -> Steps[ModelContract]:
        """Return what is known, or learn it."""
        known = yield from self._contracts.current(Deadline(timeout_s))
        return known.contract

    def predict(self, images: ImagesInput, conversion: Conversion, *, timeout_s: float) -> Steps[Prediction]:
        """Classify, in requests of at most the model's batch; see `Classifier.predict`."""
        deadline = Deadline(timeout_s)
        known = yield from self._contracts.current(deadline)
        batch = to_batch(images, known.contract, conversion)
        for _ in range(_TRIES_OF_A_CHANGED_MODEL):
            size = known.most_images
            now, answer = yield from self._classify(batch[:size], known, deadline)
            if answer is not None:
                break
            if now.contract.image_shape != known.contract.image_shape:
                batch = to_batch(images, now.contract, conversion)
            known = now
        else:
            raise self._replaced()
        contract = now.contract
        parts = [answer.probabilities]
        for start in range(size, len(batch), size):
            now, following = yield from self._classify(batch[start : start + size], now, deadline)
            if following is None or now.contract.labels != contract.labels:
                raise self._replaced()
            answer = following
            parts.append(answer.probabilities)
        return prediction_of(contract, np.concatenate(parts) if len(parts) > 1 else parts[0], answer.model_version)

    def wait_ready(self, *, timeout_s: float) -> Steps[None]:
        """Poll until the model answers; see `Classifier.wait_ready`."""
        deadline = Deadline(timeout_s)
        question = IsModelReady(self._asker.model, self._asker.version)
        polls = 0
        diagnosis: Diagnosis | None = None
        while True:
            reply = yield from ask(question, patience_s(deadline))
            if not isinstance(reply, Fault) and reply.value:
                return
            fault = reply if isinstance(reply, Fault) else Fault(kind=FaultKind.NOT_READY, text="it is not ready")
            last = deadline.remaining_s() <= _POLL_PAUSE_S
            time_to_ask = last and deadline.remaining_s() > _TIME_TO_ASK_S
            if (
                diagnosis is None
                or time_to_ask
                or fault.kind is not FaultKind.NOT_READY
                or polls % _POLLS_PER_DIAGNOSIS == 0
            ):
                diagnosis = yield from self._asker.diagnose(fault, deadline)
            hopeless = not diagnosis.retry and fault.kind is not FaultKind.DEADLINE
            if hopeless or last:
                diagnosis = yield from self._asker.explain(diagnosis, fault, deadline)
                failed = attempt(diagnosis, fault, deadline)
                note = "" if hopeless else f"waited {failed.after_s:.1f} s"
                raise diagnosis.to_error(self._asker.subject, fault, attempts=(failed,), note=note)
            polls += 1
            yield Sleep(_POLL_PAUSE_S)

    def _classify(self, images: Pixels, known: Known, deadline: Deadline) -> Steps[tuple[Known, Inferred | None]]:
        """Ask once, and read the answer with the labels of the version that gave it.

        Returns:
            The contract of whoever answered, and the answer; None where the contract turned out to be another one than
            `known`, under which the images were checked and which was read before they were sent.
        """
        asker, sent_ns = self._asker, time.monotonic_ns()
        question = Infer(asker.model, asker.version, images, len(known.contract.labels))
        reply = yield from asker.try_to_ask(question, deadline)
        if isinstance(reply, Refused):
            if reply.kind is FaultKind.INVALID:
                self._contracts.forget()
            raise reply.error
        answer = reply.value
        now = yield from self._contracts.of_answer(answer.model_version, reply.connected_ns, deadline)
        same_door = (
            now is known
            or now.contract == known.contract
            or (now.read_ns <= sent_ns and now.contract.image_shape == known.contract.image_shape)
        )
        if not same_door:
            return now, None
        classes = answer.probabilities.shape[1]
        if classes != len(now.contract.labels):
            self._contracts.forget()
            expected = len(now.contract.labels)
            raise ServerError(f"{asker.subject}: expected {expected} probabilities per image, got {classes}")
        flaw = answer.flaw()
        if flaw:
            raise ServerError(f"{asker.subject}: {flaw}")
        return now, answer

    def _replaced(self) -> ServerError:
        return ServerError(f"{self._asker.subject}: replaced during the call by one with other labels; call again")
