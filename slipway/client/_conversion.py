"""Options for converting pictures to pixels, and warnings for pictures unlike the training images."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from slipway.errors import SlipwayWarning

__all__ = ["DEFAULT_CONVERSION", "Conversion", "Fit", "PictureFinding", "PictureWarning", "conversion_of", "warn_about"]

Fit: TypeAlias = Literal["stretch", "pad", "crop"]
"""How a picture with other proportions than the model's is resized: stretched; padded with its border colour; or
cropped at both ends."""

_SHOWN = 3


class PictureWarning(SlipwayWarning):
    """A picture was classified but does not look like the training images; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Conversion options for pictures; only `invert` applies to arrays.

    Attributes:
        invert: Replace each value by 255 - value.
        fit: See `Fit`; None stretches, and warns where that changes the proportions.
        frame: Index of the frame in a file with several, from 0; None rejects such a file.

    Raises:
        ValueError: An option is invalid.
    """

    invert: bool = False
    fit: Fit | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if self.fit is not None and self.fit not in get_args(Fit):
            raise ValueError(f"fit: expected one of {', '.join(get_args(Fit))}, got {self.fit!r}")
        if self.frame is not None and (not isinstance(self.frame, int) or self.frame < 0):
            raise ValueError(f"frame: expected a number from 0, got {self.frame!r}")


DEFAULT_CONVERSION = Conversion()
"""All options at their defaults."""


def conversion_of(*, invert: bool, fit: Fit | None, frame: int | None) -> Conversion:
    """Return a `Conversion`; the default one is shared.

    Raises:
        ValueError: See `Conversion`.
    """
    if invert is False and fit is None and frame is None:
        return DEFAULT_CONVERSION
    return Conversion(invert=invert, fit=fit, frame=frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFinding:
    """One warning about one picture. `where` is its path or index, such as "images[3]: ", or empty."""

    where: str
    text: str


def warn_about(findings: list[PictureFinding]) -> None:
    """Emit one `PictureWarning` for all of a call, attributed to the caller's line outside this package."""
    if not findings:
        return
    text = "; ".join(f"{finding.where}{finding.text}" for finding in findings[:_SHOWN])
    more = f"; and {len(findings) - _SHOWN} more such" if len(findings) > _SHOWN else ""
    warnings.warn(f"{text}{more}", PictureWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    frame, level = sys._getframe(1), 1  # noqa: SLF001 - `skip_file_prefixes` does this from Python 3.12 on
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("slipway.client"):
        frame, level = frame.f_back, level + 1
    return level
