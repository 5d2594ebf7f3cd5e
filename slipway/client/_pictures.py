"""Pillow images and image files, as the pixels of one model input. Imported only when a picture is given."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from slipway.client._errors import InvalidImage
from slipway.client._prediction import Pixels

__all__ = ["read_picture"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_picture(picture: object, shape: tuple[int, int, int], where: str) -> Pixels:
    """Read a Pillow image or an image file.

    Args:
        picture: A Pillow image, or the path of a file that Pillow can read.
        shape: `(height, width, channels)` to produce.
        where: Put in front of messages, such as "images[3]: ".

    Returns:
        uint8, shape `shape`.

    Raises:
        InvalidImage: Not a picture, not readable, or with more than 8 bits per channel.
    """
    if isinstance(picture, Image.Image):
        return _pixels(picture, shape, where)
    if not isinstance(picture, str | os.PathLike):
        raise InvalidImage(
            f"{where}expected a uint8 array, a Pillow image or the path of an image file, got {type(picture).__name__}"
        )
    where = f"{os.fspath(picture)}: "
    try:
        with Image.open(picture) as image:
            return _pixels(ImageOps.exif_transpose(image), shape, where)
    except FileNotFoundError as exc:
        raise InvalidImage(f"{where}no such file") from exc
    except UnidentifiedImageError as exc:
        raise InvalidImage(f"{where}expected an image file such as PNG or JPEG, got something else") from exc
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        if isinstance(exc, InvalidImage):
            raise
        raise InvalidImage(f"{where}expected a readable image file: {exc}") from exc


def _pixels(image: Image.Image, shape: tuple[int, int, int], where: str) -> Pixels:
    height, width, channels = shape
    if channels not in _MODES:
        raise InvalidImage(f"{where}the model takes {channels} channels; pictures have 1, 3 or 4: give a uint8 array")
    if image.mode.startswith(("I", "F")):
        raise InvalidImage(f"{where}expected 8 bits per channel, got Pillow mode {image.mode}: save it as 8 bit first")
    mode = _MODES[channels]
    if mode != "RGBA" and image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    converted = image.convert(mode)
    if converted.size != (width, height):
        converted = converted.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(converted, dtype=np.uint8).reshape(shape)
