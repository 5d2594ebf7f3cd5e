"""Batches small calls from many threads into shared requests of one client.

    with Classifier("grpc://localhost:8001", model="mnist") as classifier, MicroBatcher(classifier) as batcher:
        batcher.predict(image).labels       # from any number of threads

A request costs about the same with 1 or 16 images, on both sides, so many concurrent callers get several times the
throughput. A single caller gains nothing.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from typing import Self

from slipway.client._batch import BatchedCall, answer_batch
from slipway.client._classifier import Classifier
from slipway.client._conversion import Fit, conversion_of
from slipway.client._errors import ClientClosed, QueueFull
from slipway.client._options import seconds
from slipway.client._prediction import Prediction
from slipway.client._retry import Deadline
from slipway.client._tensors import ImagesInput, to_batch

__all__ = ["MicroBatcher"]


_LONGEST_DELAY_US = 3_600_000_000
_GRACE_S = 1.0
"""How long `close` waits for a request after the last deadline."""


class MicroBatcher:
    """Collects the calls of many threads into batches for one `Classifier`. Thread-safe; not for use across a fork.

    Args:
        classifier: Sends the batches; not closed with the batcher.
        max_batch_size: Maximum images per request; None: the model's limit.
        max_delay_us: How long a call waits for others while a request could be sent, in microseconds; at most an
            hour. 0 sends immediately; while all requests are in flight, calls accumulate anyway.
        max_queue: Maximum images in the queue; a call waits for room until its deadline.
        max_in_flight: Concurrent requests, each with a thread; use more than the server has instances, so that a batch
            is waiting when one becomes free.

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
            hint = "; in asyncio, give several images to one call of it" if _is_async(classifier) else ""
            raise TypeError(f"classifier: expected a Classifier, got {type(classifier).__name__}{hint}")
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
        self._calls: deque[BatchedCall] = deque()
        self._queued_images = 0
        self._limit = 1  # images per request; set by the first call
        self._closed = False
        self._why_closed: BaseException | None = None  # the error that ended it, if `close` did not
        self._in_flight: set[BatchedCall] = set()  # in requests in flight
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)  # calls arrived, or closed
        self._room = threading.Condition(self._lock)  # calls left the queue, or closed
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
            QueueFull: No room for these images within the timeout.
            DeadlineExceeded: No answer within the timeout.
            ClientError: The failure of the shared request; every caller in it gets the same.
        """
        conversion = conversion_of(invert=invert, fit=fit, frame=frame)
        deadline = Deadline(self._classifier.timeout_s if timeout_s is None else seconds("timeout_s", timeout_s))
        contract = self._classifier.contract(timeout_s=deadline.timeout_s)
        call = BatchedCall(to_batch(images, contract, conversion), deadline)
        self._enqueue(call, limit=self._max_batch_size or contract.max_batch_size)
        return call.wait()

    def close(self, timeout_s: float | None = None) -> None:
        """Reject new calls, answer the waiting ones, and end the threads. Idempotent.

        Args:
            timeout_s: Limit for the waiting calls; None: the last deadline among them. Calls that still wait then
                raise ClientClosed.
        """
        if timeout_s is not None and not timeout_s >= 0:
            raise ValueError(f"timeout_s: expected seconds from 0, got {timeout_s}")
        if self._pid != os.getpid():
            return
        with self._arrived:
            self._closed = True
            waiting = [*self._calls, *self._in_flight]
            self._arrived.notify_all()
            self._room.notify_all()
        longest_s = max((call.deadline.remaining_s() for call in waiting), default=0.0) + _GRACE_S
        limit = Deadline(longest_s if timeout_s is None else min(timeout_s, longest_s))
        for thread in self._threads:
            thread.join(timeout=max(limit.remaining_s(), 0))
        self._end_calls(ClientClosed("this MicroBatcher was closed before the call was answered; close it later"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, call: BatchedCall, *, limit: int) -> None:
        if self._pid != os.getpid():
            raise ClientClosed("this MicroBatcher belongs to the parent process; make a new one after a fork")
        count = len(call.images)
        with self._lock:
            # A call larger than the whole queue may enter an empty one.
            while not self._closed and self._calls and self._queued_images + count > self._max_queue:
                if not self._room.wait(timeout=max(call.deadline.remaining_s(), 0)):
                    raise QueueFull(
                        f"no room for {count} images within {call.deadline.timeout_s:g} s, "
                        f"{self._queued_images} of {self._max_queue} in the queue: call less often, or add capacity"
                    )
            if self._closed:
                raise ClientClosed("this MicroBatcher was closed; make a new one") from self._why_closed
            self._limit = limit
            self._calls.append(call)
            self._queued_images += count
            # Only the first call and the one that fills a batch matter to the collecting thread; waking it for each
            # call in between would dominate the cost.
            if len(self._calls) == 1 or self._batch_is_ready():
                self._arrived.notify()

    def _work(self) -> None:
        try:
            while True:
                with self._turn:  # one thread collects, the others send
                    calls = self._next_batch()
                if not calls:
                    return
                answer_batch(
                    self._classifier, [call for call in calls if not call.left and call.deadline.remaining_s() > 0]
                )
                with self._lock:
                    self._in_flight.difference_update(calls)
        except BaseException as exc:  # noqa: BLE001 - a thread that ends in silence would leave its callers waiting
            self._break(exc)

    def _break(self, error: BaseException) -> None:
        """Close permanently: reject new calls, and give every waiting caller the error."""
        with self._arrived:
            self._closed, self._why_closed = True, error
            self._arrived.notify_all()
            self._room.notify_all()
        self._end_calls(error)

    def _end_calls(self, error: BaseException) -> None:
        with self._lock:
            ended = [*self._calls, *self._in_flight]
            self._calls.clear()
            self._queued_images = 0
        for call in ended:
            call.fail(error)

    def _next_batch(self) -> list[BatchedCall]:
        """Wait for calls and take those that fit one request; empty once closed."""
        with self._arrived:
            while not self._calls:
                if self._closed:
                    return []
                self._arrived.wait()
            if self._max_delay_s:
                self._arrived.wait_for(self._batch_is_ready, timeout=self._max_delay_s)
            taken = [self._calls.popleft()]
            images = len(taken[0].images)
            while self._calls and images + len(self._calls[0].images) <= self._limit:
                taken.append(self._calls.popleft())
                images += len(taken[-1].images)
            self._queued_images -= images
            self._in_flight.update(taken)
            self._room.notify_all()
            return taken

    def _batch_is_ready(self) -> bool:
        return self._closed or self._queued_images >= self._limit


def _is_async(classifier: object) -> bool:
    return inspect.iscoroutinefunction(getattr(classifier, "predict", None))
