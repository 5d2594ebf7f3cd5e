"""Bytes that a server sent and nobody asked for: the next question on the connection would take them for its answer.

    if has_leftover(pool.connections):
        pool.close()

A server or a gateway that answers twice, or sends a body where there is none, leaves such bytes behind the answer.
`httpcore` would read them as the answer to whatever is asked next.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["has_leftover"]


def has_leftover(connections: Iterable[object]) -> bool:
    """Whether one of them, between two requests, holds bytes that it has received and not read.

    Args:
        connections: Of an `httpcore` pool, directly or through a proxy; one that is closed holds none.
    """
    return any(_unread(connection) for connection in connections)


def _unread(connection: object) -> bool:
    """Look into the innermost connection, which alone has a parser; `httpcore` itself shows it to nobody."""
    inner = connection
    while (below := getattr(inner, "_connection", None)) is not None:
        inner = below
    parser = getattr(inner, "_h11_state", None)
    return parser is not None and bool(parser.trailing_data[0])
