"""How every figure looks and is saved: sizes, fonts, and colours that the colour-blind can tell apart.

Knows matplotlib; knows nothing of what a figure shows. No pyplot: a figure leaves no global state behind, and needs no
display.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landscapes.errors import UserError

TEXT_WIDTH = 7.0
"""Inches: the text width of a two-column page."""

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
"""Okabe and Ito's palette (2008), without its yellow, which white paper swallows."""

GREY = "#666666"

RETURN_LABEL = "return (undiscounted sum of rewards of one episode)"
DISCOUNTED_LABEL = "return (discounted sum of rewards of one episode)"

_RC: dict[str, Any] = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # outlines as fonts that journals accept and editors can change
    "svg.fonttype": "none",
    "svg.hashsalt": "landscapes",
}

_NO_DATE: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@contextmanager
def figure(path_out: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, saved whole at the end of the block in the format of `path_out`'s suffix.

    The same data give the same bytes: no date is stored. Raises UserError for a suffix other than png, pdf and svg.
    """
    path_out = Path(path_out)
    suffix = path_out.suffix.removeprefix(".").lower()
    if suffix not in _NO_DATE:
        raise UserError("figure", path_out, f"must end in one of {', '.join(f'.{known}' for known in _NO_DATE)}")
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_RC}):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn
        path_out.parent.mkdir(parents=True, exist_ok=True)
        temporary = path_out.with_name(f".{path_out.name}.{os.getpid()}")
        drawn.savefig(temporary, format=suffix, dpi=200, metadata=_NO_DATE[suffix])
        os.replace(temporary, path_out)


def categories(count: int) -> Sequence[str]:
    """`count` colours for things without an order; they repeat after seven."""
    palette = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
    return [palette[index % len(palette)] for index in range(count)]


def ordered(count: int) -> Sequence[Any]:
    """`count` colours from dark to light for things in an order, such as checkpoints; one is blue."""
    if count == 1:
        return [BLUE]
    # Only up to 0.85: the light end of the map is hard to see on white.
    return [matplotlib.colormaps["viridis"](value) for value in np.linspace(0.0, 0.85, count)]


def number(value: float) -> str:
    """A return for a label: no digit that would not be read, and nan said in words."""
    if not np.isfinite(value):
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
