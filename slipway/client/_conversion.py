"""How pictures become pixels: what the caller chose, and what is said of those unlike the training images."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from slipway.errors import SlipwayWarning

__all__ = ["DEFAULT_CONVERSION", "Conversion", "Finding", "Fit", "PictureWarning", "chosen", "warn_about"]

Fit: TypeAlias = Literal["stretch", "pad", "crop"]
"""What happens to a picture whose proportions are not the model's: it is stretched; or kept whole, with bars of its
own border's colour; or cut at both ends."""

_SHOWN = 3


class PictureWarning(SlipwayWarning):
    """A picture was answered, and does not look like what the model was trained on; says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What the caller chose for pictures; arrays are touched by `invert` alone.

    Attributes:
        invert: Replace each value by 255 - value.
        fit: See `Fit`; None stretches, and warns where that changes the proportions.
        frame: Which picture of several in one file, from 0; None refuses such a file.

    Raises:
        ValueError: A value is none of these.
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
"""Nothing chosen."""


def chosen(*, invert: bool, fit: Fit | None, frame: int | None) -> Conversion:
    """`Conversion`, without making the usual one anew for each call.

    Raises:
        ValueError: See `Conversion`.
    """
    if invert is False and fit is None and frame is None:
        return DEFAULT_CONVERSION
    return Conversion(invert=invert, fit=fit, frame=frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about one picture. `where` is its path or place, such as "images[3]: ", or empty."""

    where: str
    text: str


def warn_about(findings: list[Finding]) -> None:
    """Emit one `PictureWarning` for all of a call, at the line outside this package that made the call."""
    if not findings:
        return
    said = "; ".join(f"{finding.where}{finding.text}" for finding in findings[:_SHOWN])
    more = f"; and {len(findings) - _SHOWN} more such" if len(findings) > _SHOWN else ""
    warnings.warn(f"{said}{more}", PictureWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    frame, level = sys._getframe(1), 1  # noqa: SLF001 - `skip_file_prefixes` does this from Python 3.12 on
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("slipway.client"):
        frame, level = frame.f_back, level + 1
    return level
