"""Post-update return distributions (PURDs) over training: one ridge for each checkpoint, one panel for each seed.

Knows records of PURDs and the returns behind them; the numbers written all come from `landscapes.statistics`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, labels, style
from landscapes.figures.panels import Series, draw_marks, mark_handles
from landscapes.storage import PurdRecord

MOST_SEEDS = 4
MOST_RIDGES = 12

_RIDGE_INCHES = 0.34
_TALLEST = 0.85
"""Of the distance between two ridges: how high each rises."""

Ridge = tuple[PurdRecord, NDArray[np.float64]]


def purd_ridges(purds: Sequence[PurdRecord], path_out: style.Out, *, title: str = "", alpha: float = 0.1) -> style.Out:
    """Draws the PURDs of at most four seeds over training, later checkpoints above; returns `path_out`.

    Each ridge is the histogram of one checkpoint, scaled to its own peak, so that shapes are compared and heights are
    not; all share their bins. Marked are mean, CVaR at `alpha` and half of the mode; beside each ridge stand mean, std
    and the left-tail probability. Of more than 12 checkpoints 12 are drawn, evenly spread, and the heading says so.

    Raises UserError for no PURDs, for more than four seeds, and for returns that are not `[n]`.
    """
    seeds = sorted({purd.policy[:2] for purd in purds})
    if not 1 <= len(seeds) <= MOST_SEEDS:
        raise UserError("seeds", len(seeds), f"a figure of ridges has 1 to {MOST_SEEDS}")
    of_seeds = [[purd for purd in purds if purd.policy[:2] == seed] for seed in seeds]
    ridges = [[(purd, files.read_returns(purd)) for purd in _spread(of_seed)] for of_seed in of_seeds]
    edges = statistics.common_bins([returns for group in ridges for _, returns in group])
    num_columns = min(len(seeds), 2)
    num_rows = -(-len(seeds) // num_columns)
    width = style.COLUMN_WIDTH * 1.25 if len(seeds) == 1 else style.TEXT_WIDTH
    height = 1.0 + num_rows * (0.45 + _RIDGE_INCHES * max(map(len, ridges)))
    shown, every = sum(map(len, ridges)), len(purds)
    with style.figure(path_out, width, height) as figure:
        style.heading(
            figure,
            title,
            labels.behind(purd.policy for purd in purds),
            f"{style.counts((purd.num_samples for purd in purds), 'sample')} each",
            "each ridge scaled to its own peak",
            f"{shown} of {every} checkpoints drawn" if shown < every else "",
            handles=mark_handles(alpha),
        )
        axes = figure.subplots(num_rows, num_columns, sharex=True, squeeze=False)
        for axis, group in zip(axes.flat, ridges, strict=False):
            _draw_ridges(axis, group, edges, alpha)
        for axis in axes.flat[len(seeds) :]:
            axis.set_visible(False)
        for index, axis in enumerate(axes.flat):
            axis.tick_params(labelbottom=index + num_columns >= len(seeds))
        figure.supxlabel(style.RETURN_LABEL if len(seeds) > 1 else style.SHORT_RETURN_LABEL, fontsize=8.0)
        figure.supylabel("checkpoint (steps)", fontsize=8.0)
    return path_out


def _spread(purds: Sequence[PurdRecord]) -> list[PurdRecord]:
    """Those of one seed in the order of training, thinned out evenly where there are too many."""
    ordered = sorted(purds, key=lambda purd: purd.policy.step)
    if len(ordered) <= MOST_RIDGES:
        return ordered
    return [ordered[round(index)] for index in np.linspace(0, len(ordered) - 1, MOST_RIDGES)]


def _draw_ridges(axis: Axes, ridges: Sequence[Ridge], edges: NDArray[np.float64], alpha: float) -> None:
    first = ridges[0][0].policy
    axis.set_title(f"seed {first.seed}", loc="left", fontweight="bold")
    for level, ((_, returns), colour) in enumerate(zip(ridges, style.ordered(len(ridges)), strict=True)):
        shares = statistics.histogram(returns, edges)
        if shares.any():
            heights = level + _TALLEST * shares / shares.max()
            axis.stairs(
                heights,
                edges,
                baseline=level,
                fill=True,
                facecolor=(colour, 0.45),
                edgecolor=colour,
                linewidth=0.7,
                zorder=2,
            )
        axis.axhline(level, color=style.GREY, linewidth=0.4, zorder=1)
        draw_marks(axis, Series("", returns, colour), alpha, level, _TALLEST)
        _write_beside(axis, level, _numbers(returns))
    _write_beside(axis, len(ridges), "mean ± std", color=style.GREY)
    axis.set_yticks(range(len(ridges)), [f"{purd.policy.step:,}" for purd, _ in ridges])
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_ylim(-0.12, len(ridges))
    axis.margins(x=0.01)


def _write_beside(axis: Axes, level: float, text: str, **look: Any) -> None:
    axis.annotate(
        text,
        (1.0, level),
        (3.0, 1.0),
        ("axes fraction", "data"),
        "offset points",
        fontsize=style.SMALL,
        va="bottom",
        linespacing=1.1,
        **look,
    )


def _numbers(returns: NDArray[np.float64]) -> str:
    """Two lines: centre and spread; the left tail, or how many returns are not finite."""
    mean, std = statistics.mean(returns), statistics.std(returns)
    num_wrong = int(np.count_nonzero(~np.isfinite(returns)))
    if num_wrong:
        return f"{num_wrong:,} of {returns.size:,}\nnot finite"
    return (
        f"{style.number(mean)} ± {style.number(std)}\n{style.share('LTP', statistics.left_tail_probability(returns))}"
    )
