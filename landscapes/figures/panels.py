"""A panel with the histograms of one or more distributions of returns, their marks and their numbers.

Knows arrays of returns; knows neither files nor what the panels of a figure have to do with each other. Every number
marked or written comes from `landscapes.statistics`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.figures import style

LINE_POINTS = 8.5
"""The height of one line of numbers above a panel."""


class Series(NamedTuple):
    """One distribution of a panel: returns `[n]`."""

    name: str
    returns: NDArray[np.float64]
    colour: Any


def draw_panel(
    axis: Axes, label: str, group: Sequence[Series], edges: NDArray[np.float64], alpha: float, wrapped: bool
) -> None:
    """Histograms of `group` and their marks; above them the label and the numbers of each, on two lines if wrapped."""
    lines: list[tuple[str, Any]] = []
    for one in group:
        shares = 100.0 * statistics.histogram(one.returns, edges)
        axis.stairs(shares, edges, fill=True, linewidth=0.8, edgecolor=one.colour, facecolor=(one.colour, 0.25))
        draw_marks(axis, one, alpha)
        spread, tail = _numbers(one, alpha, named=len(group) > 1)
        lines += [(spread, one.colour), (tail, None)] if wrapped else [(f"{spread}, {tail}", one.colour)]
    # The numbers are left out of the layout, as a long line would narrow every panel; the title above keeps their room.
    axis.set_title(label, loc="left", fontweight="bold", pad=5.0 + LINE_POINTS * len(lines))
    for index, (text, colour) in enumerate(reversed(lines)):
        for shift, piece, of_colour in ((0.0, "\u25a0", colour), (7.0, text, "black")):
            if of_colour is None:
                continue
            offset = (shift, 3.0 + LINE_POINTS * index)
            written = axis.annotate(
                piece,
                (0.0, 1.0),
                offset,
                "axes fraction",
                "offset points",
                color=of_colour,
                va="bottom",
                fontsize=style.SMALL,
            )
            written.set_in_layout(False)


def draw_marks(axis: Axes, one: Series, alpha: float, baseline: float = 0.0, height: float | None = None) -> None:
    """Marks mean and CVaR on the baseline, and half of the mode by a line where that is positive.

    `height` is that of the line, in the units of the axis; by default it is as high as the panel.
    """
    half_mode = 0.5 * statistics.mode(one.returns)
    if half_mode > 0:
        look: dict[str, Any] = {"color": one.colour, "linestyle": ":", "linewidth": 1.0}
        if height is None:
            axis.axvline(half_mode, **look)
        else:
            axis.plot([half_mode, half_mode], [baseline, baseline + height], **look)
    for value, marker, size in (
        (statistics.mean(one.returns), "^", 6.5),
        (statistics.cvar(one.returns, alpha), "D", 5),
    ):
        if np.isfinite(value):
            axis.plot(
                [value],
                [baseline],
                marker,
                color=one.colour,
                markersize=size,
                markeredgewidth=0.6,
                markeredgecolor="white",
                clip_on=False,
                zorder=5,
            )


def _numbers(one: Series, alpha: float, named: bool) -> tuple[str, str]:
    """What a panel says of one distribution: its name, centre and spread; its tail and how many samples."""
    summary = statistics.summarize(one.returns, alpha, intervals=False)
    num_wrong = int(np.count_nonzero(~np.isfinite(one.returns)))
    spread = f"mean {style.number(summary['mean'])}, std {style.number(summary['std'])}"
    tail = [
        f"CVaR {style.number(summary['cvar'])}",
        style.share("LTP", summary["ltp"]),
        f"n = {one.returns.size:,}",
    ]
    if num_wrong:
        tail.append(f"{num_wrong} not finite")
    return (f"{one.name}: " if named else "") + spread, ", ".join(tail)


def mark_handles(alpha: float) -> list[Line2D]:
    """What `draw_marks` draws, for a legend."""
    return [
        Line2D([], [], color="black", marker="^", linestyle="", markersize=5, label="mean"),
        Line2D([], [], color="black", marker="D", linestyle="", markersize=4, label=f"CVaR ($\\alpha$ = {alpha:g})"),
        Line2D([], [], color="black", linestyle=":", linewidth=1.0, label="half of the mode"),
    ]
