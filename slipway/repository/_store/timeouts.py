"""How long a store may take: every answer has a bound, whether the store is silent or trickles.

    bounded(lambda: system.find(root), limit_s=ANSWER_S, name=THREAD)

The back ends have time limits of their own for one read of a socket. They start anew with every byte, and some retry
for minutes; this one does not.
"""

from __future__ import annotations

THREAD = "remote-store"
"""Name of the threads in which back ends run."""
CONNECT_S = 10.0
"""For one connection."""
READ_S = 30.0
"""Between two pieces of an answer, where the back end can be told."""
ANSWER_S = 120.0
"""For a listing page, a small file, a yes or no: everything but the bytes of a large file."""
SLOWEST_BYTES_PER_S = 50_000
"""A transfer that is slower on the whole is given up."""


def transfer_limit_s(size_bytes: int | None) -> float:
    """How long a file may take; where the store does not say its size, a gigabyte is taken for it."""
    return ANSWER_S + (2**30 if size_bytes is None else size_bytes) / SLOWEST_BYTES_PER_S
