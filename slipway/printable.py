r"""Text from outside, made safe for a terminal, a log and a line of a report.

printable("seven\x1b[2J\n")      # r"seven\x1b[2J\n": nothing moves the cursor, nothing starts a new line
"""

from __future__ import annotations

__all__ = ["printable"]

_ELLIPSIS = "…"


def printable(text: str, *, limit: int = 500) -> str:
    """Write what cannot be printed as an escape, and cut what is long.

    Labels, cards, server answers and logs come from elsewhere: a control character in one could move the cursor,
    hide text or forge a line.

    Args:
        text: Anything.
        limit: Most characters of the result, the ellipsis included.

    Returns:
        One line. Control, format, surrogate, private and unassigned characters, and line separators, are escaped as
        in a Python literal.
    """
    head = text[: limit + 1]
    shown = "".join(char if char.isprintable() else _escape(char) for char in head)
    return shown if len(shown) <= limit else shown[: limit - 1] + _ELLIPSIS


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
