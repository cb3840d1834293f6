"""How every figure looks and is saved: sizes, fonts, and colours that the colour-blind can tell apart.

Knows matplotlib; knows nothing of what a figure shows. No pyplot: a figure leaves no global state behind, and needs no
display.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landscapes.errors import UserError
from landscapes.storage import Output

TEXT_WIDTH = 7.0
"""Inches: the text width of a two-column page."""
COLUMN_WIDTH = 3.4
"""Inches: the width of one of its columns."""

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
SHORT_RETURN_LABEL = "return (sum of rewards)"
"""The same where there is no room; all that is drawn without saying so is undiscounted."""
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

SMALL = 6.5
"""Points: the size of numbers written into a picture."""

_CHARACTERS_PER_INCH = 18.6
"""How many characters of the heading's size fit on an inch: rather too few than clipped."""

_DPI = 200
_HANDLE_INCHES = 0.55
"""What an entry of a legend takes besides its text."""

Out = TypeVar("Out", Path, Sequence[Path])
"""Where a figure goes: one path, or several that differ in their suffix and hold the same picture."""

_NO_DATE: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@contextmanager
def figure(out: Path | Sequence[Path], width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, saved whole at the end of the block, in the formats of the suffixes.

    The same data give the same bytes: no date is stored. Raises UserError for a suffix other than png, pdf and svg, and
    where a file cannot be written.
    """
    paths = [Path(out)] if isinstance(out, str | Path) else [Path(path) for path in out]
    suffixes = [_format(path) for path in paths]
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_RC}):
        drawn = Figure(figsize=(width, height), layout="constrained", dpi=_DPI)
        FigureCanvasAgg(drawn)
        yield drawn
        # Laid out once and then left alone: each save would move things a little, and formats would differ.
        drawn.draw_without_rendering()
        drawn.set_layout_engine("none")
        for path, suffix in zip(paths, suffixes, strict=True):
            _save(drawn, path, suffix)


def _save(drawn: Figure, path: Path, suffix: str) -> None:
    """Writes the whole file or nothing; raises UserError where the file system refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("figure", path, f"cannot be written: {error.strerror or error}") from error
    drawn.savefig(image := io.BytesIO(), format=suffix, dpi=_DPI, metadata=_NO_DATE[suffix])
    Output("figure", path).write(image.getvalue())


def _format(path: Path) -> str:
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in _NO_DATE:
        raise UserError("figure", path, f"must end in one of {', '.join(f'.{known}' for known in _NO_DATE)}")
    return suffix


def heading(figure: Figure, *parts: str, handles: Sequence[Artist] = ()) -> None:
    """Writes what stands behind a figure above it, on as many lines as it takes, and below that a legend if there are
    `handles`. Empty parts are left out."""
    width = figure.get_figwidth()
    text = wrapped("; ".join(part for part in parts if part), int(width * _CHARACTERS_PER_INCH))
    if handles:
        # One legend with a title: a title of the figure would be drawn over the legend.
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=legend_columns(width, [str(handle.get_label()) for handle in handles]),
            title=text,
            title_fontsize=7.0,
            alignment="left",
        )
    elif text:
        figure.suptitle(text, x=0.01, ha="left", fontsize=7.0)


def legend_columns(width: float, labels: Sequence[str]) -> int:
    """How many columns of a legend fit on `width` inches: four at most, and one in any case."""
    longest = max(map(len, labels)) / _CHARACTERS_PER_INCH + _HANDLE_INCHES
    return min(max(int(width / longest), 1), len(labels), 4)


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


def share(name: str, value: float) -> str:
    """A share between 0 and 1 after its name; one that is not defined is said to be so."""
    return f"{name} {value:.3f}" if np.isfinite(value) else f"{name} n/a"


def counted(count: int, noun: str) -> str:
    """A number of things: "1 seed", "1,000 samples"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def counts(values: Iterable[int], noun: str) -> str:
    """A number of things that may differ from place to place: "500 samples", "200 to 500 samples"."""
    least, most = min(values := list(values)), max(values)
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def wrapped(text: str, most: int) -> str:
    """Text on lines of at most `most` characters."""
    return "\n".join(textwrap.wrap(text, most))


def shortened(name: str, most: int = 36) -> str:
    """A name for a legend, with its middle left out where it is too long to stand there."""
    return name if len(name) <= most else f"{name[: most // 2]}\N{HORIZONTAL ELLIPSIS}{name[-(most // 2 - 1) :]}"


def told_apart(names: Sequence[str], most: int = 36) -> list[str]:
    """Names for one legend, each shortened; where one is too long, without the words that all of them begin with."""
    words = [name.split("_") for name in names]
    same = 0
    if len(names) > 1 and max(map(len, names)) > most:
        while all(len(each) > same + 1 for each in words) and len({each[same] for each in words}) == 1:
            same += 1
    before = "\N{HORIZONTAL ELLIPSIS}" if same else ""
    return [shortened(before + "_".join(each[same:]), most) for each in words]
