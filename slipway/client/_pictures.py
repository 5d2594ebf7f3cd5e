"""Pillow images and image files, as the pixels of one model input. Imported only when a picture is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from slipway.client._conversion import Conversion, PictureFinding
from slipway.client._errors import InvalidImage
from slipway.client._open_picture import Opened, open_picture, place, translated
from slipway.client._prediction import Pixels
from slipway.contract import ModelContract

__all__ = ["read_picture"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}

_SAME_PROPORTIONS = 1.2
"""Less stretching is within the variation of handwriting."""

_CONTRAST = 32
"""Out of 255: less contrast counts as blank."""


def read_picture(
    source: object, contract: ModelContract, conversion: Conversion, where: str
) -> tuple[Pixels, list[PictureFinding]]:
    """Read a picture, and compare it with the model's training images.

    Args:
        source: See `open_picture`.
        contract: Of the model: shape and background.
        conversion: Options; `invert` is considered, not applied here.
        where: Prefix of messages, such as "images[3]: "; a path takes its place.

    Returns:
        uint8, shape `contract.image_shape`, not inverted; and warnings about differences from the training images.

    Raises:
        InvalidImage: Not a picture, not readable, of several frames, or with more than 8 bits per channel.
    """
    height, width, channels = contract.image_shape
    where = place(source, where)
    if channels not in _MODES:
        raise InvalidImage(f"{where}the model takes {channels} channels; pictures have 1, 3 or 4: give a uint8 array")
    with translated(where):
        opened = open_picture(source, where, frame=conversion.frame)
        image = opened.image
        if image.mode.startswith(("I", "F")):
            raise InvalidImage(
                f"{where}expected 8 bits per channel, got Pillow mode {image.mode}: save it as 8 bit first"
            )
        canvas = _canvas(contract, conversion)
        transparent = _MODES[channels] != "RGBA" and image.has_transparency_data
        flat = _composited(image, canvas) if transparent else image
        converted = flat.convert(_MODES[channels])
        preview = converted.resize((width, height), Image.Resampling.BOX)
        findings = [
            PictureFinding(where=where, text=text)
            for text in (
                *_check_depth(opened),
                *_check_proportions(converted.size, (width, height), conversion),
                *_check_brightness(_brightness(preview), contract, conversion, canvas if transparent else ""),
            )
        ]
        pixels = np.asarray(_fitted(converted, (width, height), conversion, preview), dtype=np.uint8)
    return pixels.reshape(contract.image_shape), findings


def _canvas(contract: ModelContract, conversion: Conversion) -> str:
    """The colour behind transparent parts: the model's background after inversion, white if unknown."""
    if contract.background is None:
        return "white"
    return "black" if (contract.background == "dark") != conversion.invert else "white"


def _composited(image: Image.Image, canvas: str) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, canvas), layer)


def _fitted(image: Image.Image, size: tuple[int, int], conversion: Conversion, preview: Image.Image) -> Image.Image:
    if image.size == size:
        return image
    if conversion.fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=_border_colour(preview))
    if conversion.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)


def _brightness(preview: Image.Image) -> Pixels:
    return np.asarray(preview.convert("L"), dtype=np.uint8)


def _border(values: Pixels) -> Pixels:
    """The outermost pixels of `values` (height, width, ...), one row each."""
    edge = np.ones(values.shape[:2], np.bool_)
    edge[1:-1, 1:-1] = False
    return values[edge]


def _border_colour(preview: Image.Image) -> int | tuple[int, ...]:
    colour = np.atleast_1d(_border(np.asarray(preview)).mean(axis=0).round().astype(int)).tolist()
    return colour[0] if len(colour) == 1 else tuple(colour)


def _check_depth(opened: Opened) -> Iterator[str]:
    if opened.deep:
        yield "it has 16 bits per channel, of which the upper 8 were taken: save it as 8 bit if its values are smaller"


def _check_proportions(size: tuple[int, int], expected: tuple[int, int], conversion: Conversion) -> Iterator[str]:
    stretch = (size[0] / size[1]) / (expected[0] / expected[1])
    if conversion.fit is None and max(stretch, 1 / stretch) > _SAME_PROPORTIONS:
        yield (
            f"{size[0]} x {size[1]} pixels were stretched to {expected[0]} x {expected[1]}; fit='pad' keeps the "
            "proportions, fit='crop' cuts, fit='stretch' silences this warning"
        )


def _check_brightness(values: Pixels, contract: ModelContract, conversion: Conversion, canvas: str) -> Iterator[str]:
    """Compare the brightness with the contract's background, if it names one.

    Args:
        values: The brightness, in the model's size, not inverted.
        contract: Says whether the background is dark or light.
        conversion: Whether the values will be inverted.
        canvas: What transparent parts were drawn on; empty if there were none.
    """
    least, most = int(values.min()), int(values.max())
    other = "invert=False" if conversion.invert else "invert=True"
    if canvas and least == most:
        hint = "draw it on another background first" if contract.background is None else other
        yield f"its transparent parts were drawn on {canvas}, and nothing of it is visible: {hint}"
        return
    if contract.background is None:
        return
    border = float(_border(values).mean())
    expected = "dark" if (contract.background == "dark") != conversion.invert else "light"
    darker, lighter = border - least, most - border
    has_ink = max(darker, lighter) > _CONTRAST
    ink_is_wrong = has_ink and (darker > lighter) == (expected == "dark")
    border_is_wrong = (border > 127.5) == (expected == "dark")
    if ink_is_wrong or (border_is_wrong and not has_ink):
        ink = "dark on light" if expected == "dark" else "light on dark"
        model = "light on dark" if contract.background == "dark" else "dark on light"
        yield f"it shows {ink} (border brightness {border:.0f} of 255), but the model was trained on {model}: {other}"
    elif border_is_wrong:
        yield (
            f"its background has brightness {border:.0f} of 255, but the model was trained on a "
            f"{contract.background} one: raise the contrast first"
        )
