"""Render self-contained HTML pages from this package's templates, with embedded images and formatted numbers."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slipway.platform import pages as slipway_pages

__all__ = ["as_png", "counted", "render_page", "shown_size"]

_KB = 1000
_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **values: object) -> str:
    """Render a template of `templates/`; values are escaped, an unknown name is an error."""
    return slipway_pages.render_page(_TEMPLATES, template, filters={"png_url": _png_url, "counted": counted}, **values)


def as_png(image: NDArray[np.uint8]) -> bytes:
    """Encode one image, uint8, (height, width, 1 or 3)."""
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(axis=-1) if image.shape[-1] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def _png_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: `1 image`, `1,200 images`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def shown_size(size_bytes: int) -> str:
    """A size such as `612 bytes`, `171 kB` or `4.2 MB`; a kB is 1,000 bytes."""
    if size_bytes < _KB:
        return counted(size_bytes, "byte")
    if size_bytes < _KB**2:
        return f"{size_bytes / _KB:.3g} kB" if size_bytes < 999.5 * _KB else "1 MB"
    return f"{size_bytes / _KB**2:,.1f} MB"
