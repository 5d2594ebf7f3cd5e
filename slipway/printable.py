r"""Escape untrusted text for a terminal, a log or a line of a report.

printable("seven\x1b[2J\n")      # r"seven\x1b[2J\n": no control character, no new line
"""

from __future__ import annotations

__all__ = ["printable"]

_ELLIPSIS = "…"


def printable(text: str, *, limit: int = 500) -> str:
    """Escape unprintable characters, and truncate long text.

    Labels, cards, server responses and logs are untrusted: a control character could move the cursor, hide text or
    forge a line.

    Args:
        text: Any text.
        limit: Longest result in characters, including the ellipsis.

    Returns:
        One line. Control, format, surrogate, private and unassigned characters, and line separators, are escaped as
        in a Python literal.
    """
    head = text[: limit + 1]
    shown = "".join(char if char.isprintable() else _escape(char) for char in head)
    return shown if len(shown) <= limit else shown[: limit - 1] + _ELLIPSIS


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
