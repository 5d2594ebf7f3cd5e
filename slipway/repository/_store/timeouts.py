"""How long a store may take: every answer has a bound, whether the store is silent or trickles.

bounded(lambda: system.find(root), limit_s=ANSWER_S)

The back ends have time limits of their own for one read of a socket. They start anew with every byte, and some retry
for minutes; this one does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

CONNECT_S = 10.0
"""For one connection."""
READ_S = 30.0
"""Between two pieces of an answer, where the back end can be told."""
ANSWER_S = 120.0
"""For a listing page, a small file, a yes or no: everything but the bytes of a large file."""
SLOWEST_BYTES_PER_S = 50_000
"""A transfer that is slower on the whole is given up."""


class NoAnswer(Exception):
    """A store took longer than it may."""


def transfer_limit_s(size_bytes: int | None) -> float:
    """How long a file may take; where the store does not say its size, a gigabyte is taken for it."""
    return ANSWER_S + (2**30 if size_bytes is None else size_bytes) / SLOWEST_BYTES_PER_S


def bounded(action: Callable[[], T], *, limit_s: float) -> T:
    """Run something that may never end, and stop waiting for it.

    It runs in a thread that does not keep the process alive: a call that hangs in the kernel cannot be taken back.

    Raises:
        NoAnswer: It took longer.
        Exception: Whatever it raises.
    """
    outcome: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as exc:  # noqa: BLE001 - raised again where it is waited for
            raised.append(exc)

    thread = threading.Thread(target=run, daemon=True, name="remote-store")
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not outcome:
        raise NoAnswer(f"no complete answer within {limit_s:.0f} s")
    return outcome[0]
