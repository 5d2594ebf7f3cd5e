"""Numbers as people read them, alike in the model card, the demo's page and on the console."""

from __future__ import annotations

__all__ = ["counted", "shown_size"]

_KB = 1000


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """As in `1 image` and `1,200 images`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def shown_size(size_bytes: int) -> str:
    """As in `612 bytes`, `171 kB` and `4.2 MB`; a kB is 1,000 bytes."""
    if size_bytes < _KB:
        return counted(size_bytes, "byte")
    if size_bytes < _KB**2:
        return f"{size_bytes / _KB:.3g} kB" if size_bytes < 999.5 * _KB else "1 MB"
    return f"{size_bytes / _KB**2:,.1f} MB"
