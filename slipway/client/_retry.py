"""Limits of retries: the deadline of a call, the client's retry budget, the backoff."""

from __future__ import annotations

import random
import threading
import time

from slipway.client._options import NO_LIMIT_S, RetryPolicy

__all__ = ["Deadline", "RetryBudget", "jittered_pause_s"]


class Deadline:
    """The deadline of one call; from `NO_LIMIT_S` on there is none."""

    __slots__ = ("_end_ns", "_start_ns", "timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._start_ns = time.monotonic_ns()
        self._end_ns = None if timeout_s >= NO_LIMIT_S else self._start_ns + int(timeout_s * 1e9)

    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return (time.monotonic_ns() - self._start_ns) / 1e9

    def remaining_s(self) -> float:
        """Seconds left; 0 or less once it has passed, `NO_LIMIT_S` where there is no limit."""
        return NO_LIMIT_S if self._end_ns is None else (self._end_ns - time.monotonic_ns()) / 1e9


class RetryBudget:
    """A bucket of retry tokens that all calls of one client share; thread-safe.

    The scheme of Finagle's RetryBudget and of gRPC's retry throttling (gRFC A6).
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._ratio = policy.budget_ratio
        self._capacity = float(policy.budget_burst)
        self._tokens = self._capacity
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Count one call."""
        if self._tokens >= self._capacity:  # full: no recent retries
            return
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + self._ratio)

    def withdraw(self) -> bool:
        """Take one retry token, if there is one."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def jittered_pause_s(policy: RetryPolicy, failures: int) -> float:
    """Draw the pause after so many failures, in seconds; see `RetryPolicy` for the formula and its source."""
    return random.uniform(0, min(policy.max_backoff_s, policy.base_backoff_s * 2 ** (failures - 1)))
