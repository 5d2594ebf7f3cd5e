"""The cache of a model's contracts, shared by many calls and validated per connection.

A new connection to the same address may reach another server, with the same model name, version and shapes but other
labels. So a response is read with a contract that is no older than the connection that carried it, and no contract is
used for longer than `max_age_s`.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from slipway.client._errors import ClientError, DeadlineExceeded, UnsupportedModel
from slipway.client._flow import FailedRequest, Flow, Response, Wait
from slipway.client._metadata_contract import contract_from_metadata
from slipway.client._operations import Operation, ReadConfig, ReadMetadata, Target
from slipway.client._options import NO_LIMIT_S
from slipway.client._retry import Deadline
from slipway.client._transport_failures import FailureKind
from slipway.contract import ModelContract
from slipway.model_config import ContractUnreadable, read_contract

__all__ = ["CachedContract", "ContractCache"]

A = TypeVar("A")

_MOST_VERSIONS = 64
_MOST_ANSWER_BYTES = 32 << 20
_MOST_REQUEST_BYTES = 256 << 20
_NO_CONFIGURATION = ("UNIMPLEMENTED", "404", "405", "501")


@dataclass(frozen=True, slots=True)
class CachedContract:
    """A contract, with what is computed from it once.

    Attributes:
        contract: The model's input signature and labels.
        read_ns: It was read at this time or later (`time.monotonic_ns()`).
        most_images: Per request: the model's limit, and the size limit of messages in both directions.
    """

    contract: ModelContract
    read_ns: int
    most_images: int


class _Request(Protocol):
    """Sends one operation, with retries; see `Core`."""

    def __call__(self, operation: Operation[A], deadline: Deadline) -> Flow[Response[A] | FailedRequest]: ...


class _PendingRead:
    """A read in progress, for which other calls wait."""

    __slots__ = ("done", "error")

    def __init__(self, done: Any) -> None:  # noqa: ANN401 - a threading.Event or an asyncio.Event
        self.done = done
        self.error: ClientError | None = None


class ContractCache:
    """The contracts of one model by version, shared by all calls of a client.

    Args:
        target: The model.
        request: Sends the operations that read them.
        event: Makes the event for which a call waits while another reads: `threading.Event` or `asyncio.Event`.
        max_age_s: An older contract is read again, in seconds.
        max_batch_size: For a server that reports none.
    """

    def __init__(
        self,
        target: Target,
        request: _Request,
        *,
        event: Callable[[], Any],
        max_age_s: float,
        max_batch_size: int,
    ) -> None:
        self._target = target
        self._request = request
        self._event = event
        self._max_age_ns = int(min(max_age_s, NO_LIMIT_S) * 1e9)
        self._max_batch_size = max_batch_size
        self._lock = threading.Lock()
        self._chosen: CachedContract | None = None  # the requested version, or the server's choice
        self._chosen_version: str | None = None  # its number, once a response has told it
        self._others: dict[str, CachedContract] = {}
        self._readings: dict[str, _PendingRead] = {}

    def current(self, deadline: Deadline) -> Flow[CachedContract]:
        """Return the cached contract, or read it."""
        cached = self._chosen
        if cached is not None and self._is_young(cached):
            return cached
        return (yield from self._refresh(self._target.version, time.monotonic_ns() - self._max_age_ns, deadline))

    def of_response(self, model_version: str, connected_ns: int, deadline: Deadline) -> Flow[CachedContract]:
        """Return the contract of a response.

        Args:
            model_version: The version that the response names.
            connected_ns: When the connection of the response was opened, or later.
            deadline: Deadline of the call.
        """
        with self._lock:
            if self._chosen_version is None and self._chosen is not None:
                self._chosen_version = model_version  # the first version met is the one whose contract was read
            is_chosen = model_version == self._chosen_version
            cached = self._chosen if is_chosen else self._others.get(model_version)
        if cached is not None and cached.read_ns >= connected_ns and self._is_young(cached):
            return cached
        since_ns = max(connected_ns, time.monotonic_ns() - self._max_age_ns)
        return (yield from self._refresh(self._target.version if is_chosen else model_version, since_ns, deadline))

    def invalidate(self) -> None:
        """Read again with the next call."""
        with self._lock:
            self._chosen = self._chosen_version = None
            self._others.clear()

    def _is_young(self, cached: CachedContract) -> bool:
        return time.monotonic_ns() - cached.read_ns <= self._max_age_ns

    def _refresh(self, version: str, since_ns: int, deadline: Deadline) -> Flow[CachedContract]:
        """Read a contract, or wait for the call that does; the result was read at `since_ns` or later."""
        while True:
            with self._lock:
                reading = self._readings.get(version)
                if reading is None:
                    mine = self._readings[version] = _PendingRead(self._event())
            if reading is None:
                return (yield from self._read(version, mine, deadline))
            if deadline.remaining_s() <= 0:
                raise DeadlineExceeded(f"{self._target.subject}: no answer within {deadline.timeout_s:g} s")
            yield Wait(reading.done, deadline.remaining_s())
            if reading.error is not None and not isinstance(reading.error, DeadlineExceeded):
                raise copy.copy(reading.error) from reading.error.__cause__
            cached = self._chosen if version == self._target.version else self._others.get(version)
            if cached is not None and cached.read_ns >= since_ns:
                return cached

    def _read(self, version: str, reading: _PendingRead, deadline: Deadline) -> Flow[CachedContract]:
        try:
            answered = yield from self._fetch(version, deadline)
            cached = CachedContract(answered.value, answered.valid_ns, _most_images(answered.value))
            self._store(version, cached)
        except ClientError as exc:
            reading.error = exc
            raise
        finally:
            with self._lock:
                self._readings.pop(version, None)
            reading.done.set()
        return cached

    def _store(self, version: str, cached: CachedContract) -> None:
        with self._lock:
            if version == self._target.version:
                if self._chosen is not None and self._chosen.contract != cached.contract:
                    self._chosen_version = None
                    self._others.clear()
                self._chosen = cached
            else:
                if len(self._others) >= _MOST_VERSIONS:
                    self._others.clear()
                self._others[version] = cached

    def _fetch(self, version: str, deadline: Deadline) -> Flow[Response[ModelContract]]:
        target = self._target
        reply = yield from self._request(ReadConfig(target.model, version), deadline)
        if isinstance(reply, FailedRequest) and version != target.version and reply.kind in _ABSENT:
            # A load balancer sent the operation to a server that has only the other version.
            version = target.version
            reply = yield from self._request(ReadConfig(target.model, version), deadline)
        try:
            if not isinstance(reply, FailedRequest):
                return Response(read_contract(reply.value), reply.connected_ns, reply.valid_ns)
            if reply.status in _NO_CONFIGURATION and (reply.kind in _UNKNOWN_OPERATION):
                metadata = yield from self._request(ReadMetadata(target.model, version), deadline)
                if not isinstance(metadata, FailedRequest):
                    contract = contract_from_metadata(
                        target.model, *metadata.value, max_batch_size=self._max_batch_size
                    )
                    return Response(contract, metadata.connected_ns, metadata.valid_ns)
        except ContractUnreadable as exc:
            raise UnsupportedModel(f"{target.subject}: {exc}") from exc
        raise reply.error


def _most_images(contract: ModelContract) -> int:
    image_bytes = math.prod(contract.image_shape)
    fitting = min(_MOST_ANSWER_BYTES // (4 * len(contract.labels)), _MOST_REQUEST_BYTES // image_bytes)
    return max(1, min(contract.max_batch_size, fitting))


_ABSENT = (FailureKind.NOT_FOUND, FailureKind.NOT_READY)
_UNKNOWN_OPERATION = (FailureKind.NOT_FOUND, FailureKind.NOT_V2, FailureKind.FAILED)
