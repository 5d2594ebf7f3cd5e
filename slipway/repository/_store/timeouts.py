"""Time limits for a store's responses, whether it is silent or sends slowly.

    bounded(lambda: system.find(root), limit_s=ANSWER_S, name=THREAD)

The back ends' own time-outs apply to one read of a socket: they restart with every byte, and some retry for minutes.
These limits apply to the whole operation.
"""

from __future__ import annotations

THREAD = "remote-store"
"""Name of the threads in which back ends run."""
CONNECT_S = 10.0
"""Time limit to connect."""
READ_S = 30.0
"""Between two reads, for back ends that have such an option."""
ANSWER_S = 120.0
"""For every operation but the transfer of a large file."""
SLOWEST_BYTES_PER_S = 50_000
"""A transfer with a lower average rate is aborted."""


def transfer_limit_s(size_bytes: int | None) -> float:
    """Time limit for a file's transfer; a file of unknown size counts as one gigabyte."""
    return ANSWER_S + (2**30 if size_bytes is None else size_bytes) / SLOWEST_BYTES_PER_S
