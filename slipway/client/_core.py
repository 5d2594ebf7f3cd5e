"""The logic of a call, without I/O: the same for gRPC and HTTP, blocking and asyncio.

The generators yield `Send`, `Explain`, `Sleep` and `Wait`, and receive responses or transport failures (see `_flow`).
One `Deadline` bounds a call: reading the contract, every batch, all retries and the pauses between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from slipway.client._contract_cache import CachedContract, ContractCache
from slipway.client._conversion import Conversion
from slipway.client._error_mapping import ErrorMapping
from slipway.client._errors import Attempt, DeadlineExceeded, ServerError
from slipway.client._flow import FailedRequest, Flow, Response, Send, Sleep
from slipway.client._operations import Infer, Operation, Target
from slipway.client._options import RetryPolicy
from slipway.client._prediction import Pixels, Prediction, Probabilities
from slipway.client._readiness import ask_for_cause, explain_addresses, failed_attempt
from slipway.client._retry import Deadline, RetryBudget, jittered_pause_s
from slipway.client._tensors import ImagesInput, InferResult, to_batch
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.contract import ModelContract
from slipway.printable import printable

__all__ = ["Core"]

A = TypeVar("A")

_MAX_MODEL_CHANGES = 3


class Core:
    """One model on one server; shared by all threads or tasks of a process.

    Args:
        url: The server, for messages.
        model: Its name.
        version: The requested version; empty: the server's choice.
        retry: The retry policy.
        event: `threading.Event` or `asyncio.Event`.
        max_age_s: An older contract is read again.
        max_batch_size: For a server that reports none.

    Attributes:
        target: The model.
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
        subject = f"model {printable(repr(model))}{f' version {version}' if version else ''} at {url}"
        self.target = Target(model=model, version=version, subject=subject)
        self._policy = retry
        self._budget = RetryBudget(retry)
        self._contract_cache = ContractCache(
            self.target, self._request, event=event, max_age_s=max_age_s, max_batch_size=max_batch_size
        )

    def contract(self, *, timeout_s: float) -> Flow[ModelContract]:
        """Return the cached contract, or read it."""
        cached = yield from self._contract_cache.current(Deadline(timeout_s))
        return cached.contract

    def predict(self, images: ImagesInput, conversion: Conversion, *, timeout_s: float) -> Flow[Prediction]:
        """Classify, in requests of at most the model's batch; see `Classifier.predict`."""
        deadline = Deadline(timeout_s)
        cached = yield from self._contract_cache.current(deadline)
        batch = to_batch(images, cached.contract, conversion)
        for _ in range(_MAX_MODEL_CHANGES):
            size = cached.most_images
            now, answer = yield from self._classify(batch[:size], cached, deadline)
            if answer is not None:
                break
            if now.contract.image_shape != cached.contract.image_shape:
                batch = to_batch(images, now.contract, conversion)
            cached = now
        else:
            raise self._model_replaced()
        contract = now.contract
        parts = [answer.probabilities]
        for start in range(size, len(batch), size):
            now, following = yield from self._classify(batch[start : start + size], now, deadline)
            if following is None or now.contract.labels != contract.labels:
                raise self._model_replaced()
            answer = following
            parts.append(answer.probabilities)
        return _prediction(contract, np.concatenate(parts) if len(parts) > 1 else parts[0], answer.model_version)

    def _classify(
        self, images: Pixels, cached: CachedContract, deadline: Deadline
    ) -> Flow[tuple[CachedContract, InferResult | None]]:
        """Send one batch, and read the response with the labels of the version that answered.

        Returns:
            The contract of the version that answered, and the result; None where that contract differs from `cached`,
            with which the images were validated.
        """
        target, sent_ns = self.target, time.monotonic_ns()
        operation = Infer(target.model, target.version, images, len(cached.contract.labels))
        reply = yield from self._request(operation, deadline)
        if isinstance(reply, FailedRequest):
            if reply.kind is FailureKind.INVALID:
                self._contract_cache.invalidate()
            raise reply.error
        answer = reply.value
        now = yield from self._contract_cache.of_response(answer.model_version, reply.connected_ns, deadline)
        same_signature = (
            now is cached
            or now.contract == cached.contract
            or (now.read_ns <= sent_ns and now.contract.image_shape == cached.contract.image_shape)
        )
        if not same_signature:
            return now, None
        classes = answer.probabilities.shape[1]
        if classes != len(now.contract.labels):
            self._contract_cache.invalidate()
            expected = len(now.contract.labels)
            raise ServerError(f"{target.subject}: expected {expected} probabilities per image, got {classes}")
        flaw = answer.flaw()
        if flaw:
            raise ServerError(f"{target.subject}: {flaw}")
        return now, answer

    def _request(self, operation: Operation[A], deadline: Deadline) -> Flow[Response[A] | FailedRequest]:
        """Send an operation, and retry where that is safe and useful; a failure is returned, not raised."""
        self._budget.deposit()
        attempts: tuple[Attempt, ...] = ()
        mapping: ErrorMapping | None = None
        while True:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0:
                text = f"{self.target.subject}: no answer within {deadline.timeout_s:g} s, retries included"
                return FailedRequest(DeadlineExceeded(text, attempts=attempts), FailureKind.DEADLINE, "")
            reply = yield Send(operation, remaining_s)
            if not isinstance(reply, TransportFailure):
                answer: Response[A] = reply
                return answer
            # Why a model is not ready is asked once: it changes the message, not the retry.
            last = len(attempts) + 1 >= self._policy.max_attempts
            if mapping is None or reply.kind is not FailureKind.NOT_READY or last:
                mapping = yield from ask_for_cause(self.target, reply, deadline)
            attempts = (*attempts, failed_attempt(mapping, reply, deadline))
            pause_s = max(jittered_pause_s(self._policy, len(attempts)), reply.retry_after_s)
            note = self._why_no_retry(mapping, attempts, pause_s, deadline)
            if note is not None:
                mapping = yield from explain_addresses(mapping, reply, deadline)
                error = mapping.to_error(self.target.subject, reply, attempts=attempts, note=note)
                return FailedRequest(error, reply.kind, reply.status)
            yield Sleep(pause_s)

    def _why_no_retry(
        self, mapping: ErrorMapping, attempts: tuple[Attempt, ...], pause_s: float, deadline: Deadline
    ) -> str | None:
        """Return None to retry, else a note about the attempts."""
        tried = f"tried {len(attempts)} times in {deadline.elapsed_s():.1f} s" if len(attempts) > 1 else ""
        if not mapping.retry or len(attempts) >= self._policy.max_attempts or pause_s >= deadline.remaining_s():
            return tried
        if not self._budget.withdraw():
            return (
                f"{tried}{', ' if tried else ''}retry budget exhausted: too many calls of this client failed recently"
            )
        return None

    def _model_replaced(self) -> ServerError:
        return ServerError(f"{self.target.subject}: replaced during the call by a model with other labels; call again")


def _prediction(contract: ModelContract, probabilities: Probabilities, model_version: str) -> Prediction:
    """Name the most probable class of each image; the arrays become read-only."""
    indices = probabilities.argmax(axis=1)
    indices.flags.writeable = probabilities.flags.writeable = False
    return Prediction(
        labels=tuple([contract.labels[i] for i in indices.tolist()]),
        indices=indices,
        probabilities=probabilities,
        class_names=contract.labels,
        model_name=contract.name,
        model_version=model_version,
    )
