"""What a caller may tell a client: how to retry, how long to wait, how to keep a connection alive.

    RetryPolicy(max_attempts=1)                  # never retry
    KeepAlive(interval_s=60)                     # ask a silent gRPC server each minute whether it is there

All of them are values: frozen, and checked when they are made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

__all__ = ["NO_LIMIT_S", "KeepAlive", "RetryPolicy", "limited", "seconds"]

NO_LIMIT_S = 1e8
"""From three years on, a time is no limit: what waits would otherwise overflow the clocks below."""


def seconds(name: str, value: float | None) -> float:
    """Check a time limit, in seconds.

    Returns:
        The limit; `math.inf` where there is none.

    Raises:
        ValueError: Not a number above 0, nor None or infinity for no limit; text, booleans and NaN are no numbers here.
    """
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, Real) or not value > 0:
        raise ValueError(f"{name}: expected seconds > 0, got {value!r}; None or math.inf sets no limit")
    return float(value)


def limited(timeout_s: float) -> float | None:
    """The same time as most libraries want it: None for no limit."""
    return None if timeout_s >= NO_LIMIT_S else timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a failed try is repeated. Inference changes nothing on the server, so a repeat is always safe.

    The pause before try k+1 is drawn evenly from 0 to `min(max_backoff_s, base_backoff_s * 2**(k-1))`: "full jitter"
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A bucket of tokens, shared by all
    calls of one client, keeps retries a small part of the traffic while a server is down or overloaded: a retry takes
    one token, and each call puts `budget_ratio` of a token back.

    Attributes:
        max_attempts: Tries of one request, the first included; 1: no retry.
        base_backoff_s: Longest pause before the second try, in seconds.
        max_backoff_s: Longest pause before any try, in seconds.
        budget_ratio: Retries per call that the client can sustain.
        budget_burst: Retries that a rested client may make at once; the size of the bucket.
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
    """How gRPC finds out that a connection is dead while a call waits on it.

    A load balancer that forgets a connection says so to nobody. While calls are under way and nothing comes, the client
    asks the server (an HTTP/2 ping) after `interval_s`; no answer within `timeout_s` ends the connection, and the next
    try opens another. HTTP needs none: a call that times out takes its connection with it.

    Attributes:
        interval_s: Silence before the operation, in seconds, at least 1. A server may count operations that come too
            often and end the connection: Triton takes two that come within five minutes without any data between them
            (`--grpc-http2-min-recv-ping-interval-without-data`, `--grpc-http2-max-ping-strikes`), and calls that
            answer sooner reset its count.
        timeout_s: Longest wait for the answer, in seconds, at least 1.
    """

    interval_s: float = 20.0
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("interval_s", "timeout_s"):
            value = seconds(name, getattr(self, name))
            if not 1 <= value < NO_LIMIT_S / 100:
                raise ValueError(f"{name}: expected seconds from 1 to 1,000,000, got {value:g}")
