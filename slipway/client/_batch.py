"""Calls that share one request of a `MicroBatcher`: their images are concatenated, the result is split among them."""

from __future__ import annotations

import copy
import threading
from contextlib import suppress

import numpy as np

from slipway.client._classifier import Classifier
from slipway.client._errors import ClientError, DeadlineExceeded
from slipway.client._prediction import Pixels, Prediction
from slipway.client._retry import Deadline

__all__ = ["BatchedCall", "answer_batch"]


class BatchedCall:
    """One caller's images, and the lock on which its thread waits for the result."""

    __slots__ = ("_answered", "deadline", "error", "images", "left", "prediction")

    def __init__(self, images: Pixels, deadline: Deadline) -> None:
        self.images = images
        self.deadline = deadline
        self.prediction: Prediction | None = None
        self.error: BaseException | None = None
        self.left = False  # the caller timed out or was interrupted
        self._answered = threading.Lock()  # the cheapest primitive to wait on
        self._answered.acquire()

    def answer(self) -> None:
        """Wake the caller; `prediction` or `error` is set. Idempotent."""
        with suppress(RuntimeError):  # it was woken before
            self._answered.release()

    def fail(self, error: BaseException) -> None:
        """Wake the caller with an error, unless it has its prediction."""
        if self.prediction is None:
            self.error = self.error or error
        self.answer()

    def wait(self) -> Prediction:
        """Wait for the result until the caller's own deadline."""
        answered = False
        try:
            answered = self._answered.acquire(timeout=max(self.deadline.remaining_s(), 0))
        finally:
            self.left = not answered
        if not answered:
            raise DeadlineExceeded(f"no answer within {self.deadline.timeout_s:g} s in a shared batch")
        if self.prediction is not None:
            return self.prediction
        if isinstance(self.error, ClientError):  # one error, many callers: each raises its own copy
            raise copy.copy(self.error) from self.error
        raise RuntimeError("the shared batch failed") from self.error


def answer_batch(classifier: Classifier, calls: list[BatchedCall]) -> None:
    """Send one batch, and give every caller its rows or the batch's error."""
    if not calls:
        return
    try:
        timeout_s = max(0.001, *(call.deadline.remaining_s() for call in calls))
        batch = np.concatenate([call.images for call in calls])
        whole = classifier.predict(batch, timeout_s=timeout_s)
        start = 0
        for call in calls:
            call.prediction = _rows(whole, start, start + len(call.images))
            start += len(call.images)
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it belongs to the callers that wait for it
        for call in calls:
            call.error = exc
    for call in calls:
        call.answer()


def _rows(whole: Prediction, start: int, end: int) -> Prediction:
    """Slice a prediction from `start` to `end` without a copy."""
    return Prediction(
        labels=whole.labels[start:end],
        indices=whole.indices[start:end],
        probabilities=whole.probabilities[start:end],
        class_names=whole.class_names,
        model_name=whole.model_name,
        model_version=whole.model_version,
    )
