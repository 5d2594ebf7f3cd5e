"""Options of a client: retries, time limits, keepalive.

    RetryPolicy(max_attempts=1)                  # never retry
    KeepAlive(interval_s=60)                     # ping an idle gRPC connection each minute

All are frozen values, validated on creation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

__all__ = ["NO_LIMIT_S", "KeepAlive", "RetryPolicy", "limited", "seconds"]

NO_LIMIT_S = 1e8
"""Three years or more count as no limit: larger values overflow the clocks below."""


def seconds(name: str, value: float | None) -> float:
    """Validate a time limit, in seconds.

    Returns:
        The limit; `math.inf` where there is none.

    Raises:
        ValueError: Not a number above 0, nor None or infinity for no limit; text, booleans and NaN are rejected.
    """
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, Real) or not value > 0:
        raise ValueError(f"{name}: expected seconds > 0, got {value!r}; None or math.inf sets no limit")
    return float(value)


def limited(timeout_s: float) -> float | None:
    """The same limit as most libraries take it: None for no limit."""
    return None if timeout_s >= NO_LIMIT_S else timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How failed attempts are retried. Inference has no side effects on the server, so a retry is always safe.

    The pause before attempt k+1 is uniform from 0 to `min(max_backoff_s, base_backoff_s * 2**(k-1))`: "full jitter"
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A bucket of tokens, shared by all
    calls of one client, keeps retries a small part of the traffic while a server is down or overloaded: a retry takes
    one token, and each call puts `budget_ratio` of a token back.

    Attributes:
        max_attempts: Attempts per request, the first included; 1: no retry.
        base_backoff_s: Longest pause before the second attempt, in seconds.
        max_backoff_s: Longest pause before any attempt, in seconds.
        budget_ratio: Retries per call that the client can sustain.
        budget_burst: Retries in a burst; the size of the bucket.
    """

    max_attempts: int = 4
    base_backoff_s: float = 0.1
    max_backoff_s: float = 1.0
    budget_ratio: float = 0.1
    budget_burst: int = 20

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts: expected >= 1 (1: no retry), got {self.max_attempts}")
        if not 0 <= self.base_backoff_s <= self.max_backoff_s < math.inf:
            raise ValueError(
                "expected 0 <= base_backoff_s <= max_backoff_s (seconds), "
                f"got {self.base_backoff_s} and {self.max_backoff_s}"
            )
        if not (self.budget_ratio >= 0 and self.budget_burst >= 0):
            raise ValueError(
                f"budget_ratio and budget_burst: expected >= 0, got {self.budget_ratio} and {self.budget_burst}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """How gRPC detects a dead connection while a call waits on it.

    A load balancer may drop a connection silently. While calls are in flight and no data arrives, the client sends an
    HTTP/2 ping after `interval_s`; without a reply within `timeout_s` the connection is closed, and the next attempt
    opens another. HTTP needs none: a call that times out closes its connection.

    Attributes:
        interval_s: Idle time before a ping, in seconds, at least 1. A server may close a connection after too many
            pings: Triton accepts two within five minutes without data in between
            (`--grpc-http2-min-recv-ping-interval-without-data`, `--grpc-http2-max-ping-strikes`); calls that complete
            earlier reset the count.
        timeout_s: Limit for the reply, in seconds, at least 1.
    """

    interval_s: float = 20.0
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("interval_s", "timeout_s"):
            value = seconds(name, getattr(self, name))
            if not 1 <= value < NO_LIMIT_S / 100:
                raise ValueError(f"{name}: expected seconds from 1 to 1,000,000, got {value:g}")
