"""Many small calls from many threads share the requests of one client.

    with Classifier("grpc://localhost:8001", model="mnist") as classifier, MicroBatcher(classifier) as batcher:
        batcher.predict(image).labels       # from any number of threads

A request costs about the same with 1 image or 16, on both sides, so a crowd of callers gets several times the
throughput. A single caller gains nothing: it waits for company that never comes.
"""

from __future__ import annotations

import copy
import inspect
import os
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np

from slipway.client._classifier import Classifier
from slipway.client._conversion import Fit, conversion_of
from slipway.client._errors import ClientClosed, ClientError, DeadlineExceeded, QueueFull
from slipway.client._images import ImagesInput, to_batch
from slipway.client._options import seconds
from slipway.client._prediction import Pixels, Prediction, rows_of
from slipway.client._retry import Deadline

__all__ = ["MicroBatcher"]


_LONGEST_DELAY_US = 3_600_000_000
_GRACE_S = 1.0
"""How long after the last deadline a request may still be coming back, before `close` leaves it behind."""


class _Call:
    """One caller's images, and where its thread waits for the answer."""

    __slots__ = ("_answered", "deadline", "error", "images", "left", "prediction")

    def __init__(self, images: Pixels, deadline: Deadline) -> None:
        self.images = images
        self.deadline = deadline
        self.prediction: Prediction | None = None
        self.error: BaseException | None = None
        self.left = False  # nobody waits any more: it ran out of time, or was interrupted
        self._answered = threading.Lock()  # the lightest thing a thread can wait for
        self._answered.acquire()

    def answer(self) -> None:
        """Wake the caller; `prediction` or `error` is set. May be repeated."""
        with suppress(RuntimeError):  # it has been woken before
            self._answered.release()

    def fail(self, error: BaseException) -> None:
        """Wake the caller with an error, unless it has its prediction."""
        if self.prediction is None:
            self.error = self.error or error
        self.answer()

    def wait(self) -> Prediction:
        """Wait for the answer until the caller's own deadline."""
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


class MicroBatcher:
    """Collects the calls of many threads into batches for one `Classifier`. Thread-safe; not for use across a fork.

    Args:
        classifier: Answers the batches; stays open when this closes.
        max_batch_size: Most images in one request; None: the model's own limit.
        max_delay_us: Longest time that a call waits for others while a request could be sent, in microseconds; an
            hour at most. 0 sends what is there; while all requests are under way, calls collect by themselves.
        max_queue: Most images that wait; a call that finds no room waits for some until its deadline.
        max_in_flight: Requests under way at once, each with a thread; more than the server has instances, so that the
            next batch is there when one is free.

    Raises:
        TypeError: The classifier is an `AsyncClassifier`, whose calls belong to its event loop.
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
        if not isinstance(classifier, Classifier):
            way_out = "; in asyncio, give several images to one call of it" if _is_async(classifier) else ""
            raise TypeError(f"classifier: expected a Classifier, got {type(classifier).__name__}{way_out}")
        if max_batch_size is not None and max_batch_size < 1:
            raise ValueError(f"max_batch_size: expected >= 1, or None for the model's limit, got {max_batch_size}")
        if not 0 <= max_delay_us <= _LONGEST_DELAY_US or max_queue < 1 or max_in_flight < 1:
            raise ValueError(
                "expected max_delay_us from 0 to an hour, max_queue >= 1 and max_in_flight >= 1, "
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
        self._why_closed: BaseException | None = None  # what ended it, where it was not `close`
        self._carried: set[_Call] = set()  # in requests under way
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
        conversion = conversion_of(invert=invert, fit=fit, frame=frame)
        deadline = Deadline(self._classifier.timeout_s if timeout_s is None else seconds("timeout_s", timeout_s))
        contract = self._classifier.contract(timeout_s=deadline.timeout_s)
        call = _Call(to_batch(images, contract, conversion), deadline)
        self._enqueue(call, limit=self._max_batch_size or contract.max_batch_size)
        return call.wait()

    def close(self, timeout_s: float | None = None) -> None:
        """Refuse new calls, answer those that wait, and end the threads. May be repeated.

        Args:
            timeout_s: Longest wait for these answers; None: until the last deadline among them. Whoever still waits
                then gets ClientClosed.
        """
        if timeout_s is not None and not timeout_s >= 0:
            raise ValueError(f"timeout_s: expected seconds from 0, got {timeout_s}")
        if self._pid != os.getpid():
            return
        with self._more:
            self._closed = True
            waiting = [*self._calls, *self._carried]
            self._more.notify_all()
            self._room.notify_all()
        longest_s = max((call.deadline.remaining_s() for call in waiting), default=0.0) + _GRACE_S
        patience = Deadline(longest_s if timeout_s is None else min(timeout_s, longest_s))
        for thread in self._threads:
            thread.join(timeout=max(patience.remaining_s(), 0))
        self._end_calls(ClientClosed("this MicroBatcher was closed before the answer came; close it later"))

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
                raise ClientClosed("this MicroBatcher was closed; make a new one") from self._why_closed
            self._limit = limit
            self._calls.append(call)
            self._queued_images += count
            # Only the first call and the one that fills a batch change anything for the thread that collects; to
            # wake it for each of those between costs more than all else here.
            if len(self._calls) == 1 or self._is_worth_sending():
                self._more.notify()

    def _work(self) -> None:
        try:
            while True:
                with self._turn:  # one thread collects, the others carry their batches
                    calls = self._next_batch()
                if not calls:
                    return
                self._answer([call for call in calls if not call.left and call.deadline.remaining_s() > 0])
                with self._lock:
                    self._carried.difference_update(calls)
        except BaseException as exc:  # noqa: BLE001 - a thread that ends in silence would leave its callers waiting
            self._break(exc)

    def _break(self, error: BaseException) -> None:
        """End for good: refuse new calls, and give every waiting caller the error."""
        with self._more:
            self._closed, self._why_closed = True, error
            self._more.notify_all()
            self._room.notify_all()
        self._end_calls(error)

    def _end_calls(self, error: BaseException) -> None:
        with self._lock:
            ended = [*self._calls, *self._carried]
            self._calls.clear()
            self._queued_images = 0
        for call in ended:
            call.fail(error)

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
            self._carried.update(taken)
            self._room.notify_all()
            return taken

    def _is_worth_sending(self) -> bool:
        return self._closed or self._queued_images >= self._limit

    def _answer(self, calls: list[_Call]) -> None:
        """Send one batch, and give every caller its rows, or the batch's error."""
        if not calls:
            return
        try:
            probe_timeout_s = max(0.001, *(call.deadline.remaining_s() for call in calls))
            batch = np.concatenate([call.images for call in calls])
            whole = self._classifier.predict(batch, timeout_s=probe_timeout_s)
            start = 0
            for call in calls:
                call.prediction = rows_of(whole, start, start + len(call.images))
                start += len(call.images)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it belongs to the callers that wait for it
            for call in calls:
                call.error = exc
        for call in calls:
            call.answer()


def _is_async(classifier: object) -> bool:
    return inspect.iscoroutinefunction(getattr(classifier, "predict", None))
