"""Style of a model card's plots: colours, matplotlib settings, compact PNG files.

The colours are Okabe and Ito's palette for colour-blind people.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from PIL import Image

__all__ = ["BLUE", "GREY", "ORANGE", "PALE_BLUE", "drawn_png", "set_log_scale"]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6B6B6B"
PALE_BLUE = "#D6E8F3"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#8A8A8A",
    "axes.axisbelow": "line",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "text.parse_math": False,  # a label may hold dollar signs
    "axes.titlesize": 11,
    "figure.dpi": 144,
    "figure.titlesize": 12,
    "font.size": 10,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "lines.linewidth": 2,
}


def drawn_png(size_inches: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    """Run `draw` on a new figure. No pyplot, so no global state."""
    drawn, png = io.BytesIO(), io.BytesIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as an empty box
        figure = Figure(figsize=size_inches, layout="constrained")
        draw(figure)
        figure.savefig(drawn, format="png")
    # A palette makes the embedded images a third of the size, without visible difference.
    Image.open(drawn).convert("RGB").quantize(128).save(png, "png", optimize=True)
    return png.getvalue()


def set_log_scale(axes: Axes, *, steps: tuple[int, ...]) -> None:
    """Label a logarithmic axis with ordinary numbers, at these multiples of the powers of ten."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
