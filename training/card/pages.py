"""HTML pages that need no other file: templates of this package, with pictures inside."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slipway.platform import pages as slipway_pages
from training.formatting import counted

__all__ = ["as_png", "render_page"]

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **values: object) -> str:
    """Fill a template of this folder's `templates`; everything in `values` is escaped, an unknown name is an error."""
    return slipway_pages.render_page(_TEMPLATES, template, filters={"png_url": _png_url, "counted": counted}, **values)


def as_png(image: NDArray[np.uint8]) -> bytes:
    """Encode one image, uint8, (height, width, 1 or 3)."""
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(axis=-1) if image.shape[-1] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def _png_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
