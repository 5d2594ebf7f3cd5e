"""Many small calls from many threads share the requests of one client.

    with Classifier("grpc://localhost:8001", model="mnist") as classifier, MicroBatcher(classifier) as batcher:
        batcher.predict(image).labels       # from any number of threads

A request costs about the same with 1 image or 16, on both sides, so a crowd of callers gets several times the
throughput. A single caller gains nothing: it waits for company that never comes.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import deque
from types import TracebackType
from typing import Self

import numpy as np

from slipway.client._classifier import Classifier
from slipway.client._conversion import Conversion, Fit
from slipway.client._errors import ClientClosed, ClientError, DeadlineExceeded, QueueFull
from slipway.client._images import ImagesInput, to_batch
from slipway.client._prediction import Pixels, Prediction
from slipway.client._retry import Deadline

__all__ = ["MicroBatcher"]


class _Call:
    """One caller's images, and where its thread waits for the answer."""

    __slots__ = ("_answered", "deadline", "error", "images", "prediction")

    def __init__(self, images: Pixels, deadline: Deadline) -> None:
        self.images = images
        self.deadline = deadline
        self.prediction: Prediction | None = None
        self.error: BaseException | None = None
        self._answered = threading.Lock()  # the lightest thing a thread can wait for
        self._answered.acquire()

    def answer(self) -> None:
        """Wake the caller; `prediction` or `error` is set."""
        self._answered.release()

    def wait(self) -> Prediction:
        """Wait for the answer until the caller's own deadline."""
        if not self._answered.acquire(timeout=max(self.deadline.remaining_s(), 0)):
            raise DeadlineExceeded(f"no answer within {self.deadline.timeout_s:g} s in a shared batch")
        if self.prediction is not None:
            return self.prediction
        if isinstance(self.error, ClientError):  # one error, many callers: each raises its own copy
            raise copy.copy(self.error) from self.error
        raise RuntimeError("the shared batch failed") from self.error


class MicroBatcher:
    """Collects the calls of many threads into batches for one `Classifier`. Thread-safe; not for use across a fork.

    Args:
        classifier: Answers the batches; stays open when this closes.
        max_batch_size: Most images in one request; None: the model's own limit.
        max_delay_us: Longest time that a call waits for others while a request could be sent, in microseconds. 0
            sends what is there; while all requests are under way, calls collect by themselves.
        max_queue: Most images that wait; a call that finds no room waits for some until its deadline.
        max_in_flight: Requests under way at once, each with a thread; more than the server has instances, so that the
            next batch is there when one is free.

    Raises:
        ValueError: An option is out of its range.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        max_batch_size: int | None = None,
        max_delay_us: int = 200,
        max_queue: int = 1024,
        max_in_flight: int = 4,
    ) -> None:
        if max_batch_size is not None and max_batch_size < 1:
            raise ValueError(f"max_batch_size: expected >= 1, or None for the model's limit, got {max_batch_size}")
        if max_delay_us < 0 or max_queue < 1 or max_in_flight < 1:
            raise ValueError(
                "expected max_delay_us >= 0, max_queue >= 1 and max_in_flight >= 1, "
                f"got {max_delay_us}, {max_queue} and {max_in_flight}"
            )
        self._classifier = classifier
        self._max_batch_size = max_batch_size
        self._max_delay_s = max_delay_us / 1e6
        self._max_queue = max_queue
        self._pid = os.getpid()
        self._calls: deque[_Call] = deque()
        self._queued_images = 0
        self._limit = 1  # images in one request; known with the first call
        self._closed = False
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)  # calls came, or the end
        self._room = threading.Condition(self._lock)  # calls left the queue, or the end
        self._turn = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"slipway-batch-{i}", daemon=True) for i in range(max_in_flight)
        ]
        for thread in self._threads:
            thread.start()

    def predict(
        self,
        images: ImagesInput,
        *,
        invert: bool = False,
        fit: Fit | None = None,
        frame: int | None = None,
        timeout_s: float | None = None,
    ) -> Prediction:
        """Classify, in a request shared with other callers; see `Classifier.predict`.

        Images are checked here, in the caller's thread: one caller's bad image never fails another's batch.

        Raises:
            QueueFull: No room for these images within the time.
            DeadlineExceeded: No answer within the time.
            ClientError: Whatever the shared request met; every caller of it gets the same.
        """
        conversion = Conversion(invert=invert, fit=fit, frame=frame)
        deadline = Deadline(self._classifier.timeout_s if timeout_s is None else timeout_s)
        contract = self._classifier.contract(timeout_s=deadline.timeout_s)
        call = _Call(to_batch(images, contract, conversion), deadline)
        self._enqueue(call, limit=self._max_batch_size or contract.max_batch_size)
        return call.wait()

    def close(self) -> None:
        """Refuse new calls, answer those that wait, and end the threads. May be repeated."""
        if self._pid != os.getpid():
            return
        with self._more:
            self._closed = True
            self._more.notify_all()
            self._room.notify_all()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _enqueue(self, call: _Call, *, limit: int) -> None:
        if self._pid != os.getpid():
            raise ClientClosed("this MicroBatcher belongs to the parent process; make a new one after a fork")
        count = len(call.images)
        with self._lock:
            # A call larger than the whole queue may enter an empty one.
            while not self._closed and self._calls and self._queued_images + count > self._max_queue:
                if not self._room.wait(timeout=max(call.deadline.remaining_s(), 0)):
                    raise QueueFull(
                        f"no room for {count} images within {call.deadline.timeout_s:g} s, "
                        f"{self._queued_images} of {self._max_queue} wait: call less often, or serve faster"
                    )
            if self._closed:
                raise ClientClosed("this MicroBatcher was closed; make a new one")
            self._limit = limit
            self._calls.append(call)
            self._queued_images += count
            # Only the first call and the one that fills a batch change anything for the thread that collects; to
            # wake it for each of those between costs more than all else here.
            if len(self._calls) == 1 or self._is_worth_sending():
                self._more.notify()

    def _work(self) -> None:
        while True:
            with self._turn:  # one thread collects, the others carry their batches
                calls = self._next_batch()
            if not calls:
                return
            self._answer([call for call in calls if call.deadline.remaining_s() > 0])

    def _next_batch(self) -> list[_Call]:
        """Wait for calls and take those that fit one request; empty only at the end."""
        with self._more:
            while not self._calls:
                if self._closed:
                    return []
                self._more.wait()
            if self._max_delay_s:
                self._more.wait_for(self._is_worth_sending, timeout=self._max_delay_s)
            taken = [self._calls.popleft()]
            images = len(taken[0].images)
            while self._calls and images + len(self._calls[0].images) <= self._limit:
                taken.append(self._calls.popleft())
                images += len(taken[-1].images)
            self._queued_images -= images
            self._room.notify_all()
            return taken

    def _is_worth_sending(self) -> bool:
        return self._closed or self._queued_images >= self._limit

    def _answer(self, calls: list[_Call]) -> None:
        """Send one batch, and give every caller its rows, or the batch's error."""
        if not calls:
            return
        try:
            patience_s = max(0.001, *(call.deadline.remaining_s() for call in calls))
            batch = np.concatenate([call.images for call in calls])
            whole = self._classifier.predict(batch, timeout_s=patience_s)
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
    return Prediction(
        labels=whole.labels[start:end],
        indices=whole.indices[start:end],
        probabilities=whole.probabilities[start:end],
        class_names=whole.class_names,
        model_name=whole.model_name,
        model_version=whole.model_version,
    )
