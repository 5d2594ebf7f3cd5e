"""The logic of a call, without I/O: the same for gRPC and HTTP, blocking and asyncio.

The generators yield `Send`, `Explain`, `Sleep` and `Wait`, and receive responses or transport failures (see `_flow`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from slipway.client._contract_cache import CachedContract, ContractCache
from slipway.client._conversion import Conversion
from slipway.client._error_mapping import ErrorMapping
from slipway.client._errors import ServerError
from slipway.client._flow import Flow, Sleep, send
from slipway.client._operations import Infer, IsModelReady
from slipway.client._options import RetryPolicy
from slipway.client._prediction import Pixels, Prediction, Probabilities
from slipway.client._requester import FailedRequest, Requester, attempt, probe_timeout_s
from slipway.client._retry import Deadline
from slipway.client._tensors import ImagesInput, InferResult, to_batch
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.contract import ModelContract

__all__ = ["Core"]

_POLL_PAUSE_S = 0.2
_MIN_TIME_TO_ASK_S = 0.1  # with less, the previous reason says more than a timeout
_POLLS_PER_MAPPING = 10  # why a model is not ready is asked first, every tenth poll, and last
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
        self._requester = Requester(url, model=model, version=version, retry=retry)
        self._contract_cache = ContractCache(
            self._requester, event=event, max_age_s=max_age_s, max_batch_size=max_batch_size
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

    def wait_ready(self, *, timeout_s: float) -> Flow[None]:
        """Poll until the model is ready; see `Classifier.wait_ready`."""
        deadline = Deadline(timeout_s)
        operation = IsModelReady(self._requester.model, self._requester.version)
        polls = 0
        mapping: ErrorMapping | None = None
        while True:
            reply = yield from send(operation, probe_timeout_s(deadline))
            if not isinstance(reply, TransportFailure) and reply.value:
                return
            failure = (
                reply
                if isinstance(reply, TransportFailure)
                else TransportFailure(kind=FailureKind.NOT_READY, text="it is not ready")
            )
            last = deadline.remaining_s() <= _POLL_PAUSE_S
            time_to_ask = last and deadline.remaining_s() > _MIN_TIME_TO_ASK_S
            if (
                mapping is None
                or time_to_ask
                or failure.kind is not FailureKind.NOT_READY
                or polls % _POLLS_PER_MAPPING == 0
            ):
                mapping = yield from self._requester.map_failure(failure, deadline)
            hopeless = not mapping.retry and failure.kind is not FailureKind.DEADLINE
            if hopeless or last:
                mapping = yield from self._requester.explain(mapping, failure, deadline)
                failed = attempt(mapping, failure, deadline)
                note = "" if hopeless else f"waited {failed.after_s:.1f} s"
                raise mapping.to_error(self._requester.subject, failure, attempts=(failed,), note=note)
            polls += 1
            yield Sleep(_POLL_PAUSE_S)

    def _classify(
        self, images: Pixels, cached: CachedContract, deadline: Deadline
    ) -> Flow[tuple[CachedContract, InferResult | None]]:
        """Send one batch, and read the response with the labels of the version that answered.

        Returns:
            The contract of the version that answered, and the result; None where that contract differs from `cached`,
            with which the images were validated.
        """
        requester, sent_ns = self._requester, time.monotonic_ns()
        operation = Infer(requester.model, requester.version, images, len(cached.contract.labels))
        reply = yield from requester.request(operation, deadline)
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
            raise ServerError(f"{requester.subject}: expected {expected} probabilities per image, got {classes}")
        flaw = answer.flaw()
        if flaw:
            raise ServerError(f"{requester.subject}: {flaw}")
        return now, answer

    def _model_replaced(self) -> ServerError:
        return ServerError(
            f"{self._requester.subject}: replaced during the call by a model with other labels; call again"
        )


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
