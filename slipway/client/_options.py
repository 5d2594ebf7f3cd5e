"""What a caller may tell a client: how to retry, whom to trust, and who it is.

    RetryPolicy(max_attempts=1)                  # never retry
    Tls(ca_file=Path("ca.pem"))                  # trust this authority instead of the system's

All of them are values: frozen, and checked when they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["RetryPolicy", "Tls", "Token", "bearer"]

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or a function that is asked for the current one before each try (keep it fast: cache inside)."""


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
        if not 0 <= self.base_backoff_s <= self.max_backoff_s:
            raise ValueError(
                "expected 0 <= base_backoff_s <= max_backoff_s (seconds), "
                f"got {self.base_backoff_s} and {self.max_backoff_s}"
            )
        if self.budget_ratio < 0 or self.budget_burst < 0:
            raise ValueError(
                f"budget_ratio and budget_burst: expected >= 0, got {self.budget_ratio} and {self.budget_burst}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificates for grpcs:// and https://, all PEM files.

    Attributes:
        ca_file: Authorities to trust instead of the system's.
        certificate_file: This client's own certificate (mutual TLS), with `key_file`.
        key_file: The private key of `certificate_file`.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file: expected both or none")
        for name in ("ca_file", "certificate_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise ValueError(f"{name}: expected a PEM file, got {path}")


def bearer(token: Token) -> str:
    """Write the value of the authorization header; a token file's last newline does no harm."""
    return f"Bearer {(token if isinstance(token, str) else token()).strip()}"
