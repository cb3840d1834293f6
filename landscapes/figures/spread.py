"""The mean of a neighbourhood against its spread and its left tail: every policy a point, every seed a line.

Knows records of PURDs and the returns behind them; points and intervals come from `landscapes.statistics`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, labels, style
from landscapes.storage import PurdRecord

_NUM_RESAMPLES = 1000
_FEW_LINES = 7
"""So many have a colour each, and room for large markers."""
_PANELS = (("std", "std of the PURD (return)"), ("ltp", "left-tail probability\n(share of policies)"))

Summary = dict[str, float]
Line = tuple[str, int]
"""A run and a seed."""


def mean_against_spread(purds: Sequence[PurdRecord], path_out: style.Out, *, title: str = "") -> style.Out:
    """Draws the mean of each PURD against its std and against its LTP; returns `path_out`.

    Lines join the checkpoints of one seed in the order of training, from the open marker to the large one. One run
    has a colour for each seed (up to seven), several have one each. Bars are 95 % bootstrap intervals. PURDs with
    returns that are not finite, and modes that leave LTP undefined, are counted in the panel.

    Raises UserError for no PURDs, and for returns that are not `[n]`.
    """
    if not purds:
        raise UserError("purds", 0, "there must be at least one")
    # In the order given, so that a run has the same colour in every figure drawn of the same runs.
    lines: dict[Line, list[Summary]] = {purd.policy[:2]: [] for purd in purds}
    for purd in sorted(purds, key=lambda purd: purd.policy.step):
        lines[purd.policy[:2]].append(_summary(purd))
    names = _names(list(lines))
    colours: dict[str, str] = dict(zip(dict.fromkeys(names.values()), style.categories(len(names)), strict=False))
    handles = [*_handles(colours), _marker("first checkpoint", "white"), _marker("last checkpoint", "black", 6.0)]
    columns = style.legend_columns(style.TEXT_WIDTH, [str(handle.get_label()) for handle in handles])
    with style.figure(path_out, style.TEXT_WIDTH, 2.6 + 0.15 * -(-len(handles) // columns)) as figure:
        style.heading(
            figure,
            title,
            labels.behind(purd.policy for purd in purds),
            f"{style.counts((purd.num_samples for purd in purds), 'sample')} each",
            "bars: 95 % bootstrap intervals",
            handles=handles,
        )
        for axis, (statistic, label) in zip(figure.subplots(1, 2), _PANELS, strict=True):
            for line, summaries in lines.items():
                _draw_line(axis, summaries, statistic, colours[names[line]], 1.0 if len(lines) <= _FEW_LINES else 0.65)
            _finish_panel(axis, label, _left_out([one for group in lines.values() for one in group], statistic))
    return path_out


def _names(lines: Sequence[Line]) -> dict[Line, str]:
    """What each line is called in the legend: by its seed where there is one run with few of them, else by its run."""
    one_run = len({run for run, _ in lines}) == 1
    return {(run, seed): f"seed {seed}" if one_run and len(lines) <= _FEW_LINES else run for run, seed in lines}


def _finish_panel(axis: Axes, label: str, left_out: str) -> None:
    axis.set_xlabel("mean of the PURD (return)")
    axis.set_ylabel(label)
    # On a smaller axis the noise of single samples would look like a lot, a share of 0 like something.
    axis.set_ylim(0.0, max(0.05, axis.get_ylim()[1]))
    axis.set_title(left_out, loc="right", fontsize=style.SMALL)


def _summary(purd: PurdRecord) -> Summary:
    returns = files.read_returns(purd)
    return statistics.summarize(returns, names=("mean", "std", "ltp"), num_resamples=_NUM_RESAMPLES)


def _draw_line(axis: Axes, summaries: Sequence[Summary], name: str, colour: str, scale: float) -> None:
    """The checkpoints of one seed in order, those that have both coordinates; markers `scale` times their size."""
    points = [one for one in summaries if np.isfinite(one["mean"]) and np.isfinite(one[name])]
    if not points:
        return
    x, y = [one["mean"] for one in points], [one[name] for one in points]
    axis.errorbar(
        x,
        y,
        xerr=_bars(points, "mean"),
        yerr=_bars(points, name),
        color=colour,
        linewidth=0.7,
        elinewidth=0.6,
        alpha=0.8,
        zorder=2,
    )
    look: dict[str, Any] = {"color": colour, "marker": "o", "clip_on": False, "zorder": 3}
    for place in range(len(points)):
        size, fill = (5.5, colour) if place == len(points) - 1 else (4.0, "white") if place == 0 else (3.0, colour)
        axis.plot([x[place]], [y[place]], markersize=scale * size, markerfacecolor=fill, **look)


def _bars(points: Sequence[Summary], name: str) -> list[list[float]]:
    """How far the interval reaches below and above each point; nothing where it is not defined.

    The interval of a share that is skewed by resampling need not hold the point: its bar then ends there.
    """
    below = [np.nan_to_num(max(one[name] - one[f"{name}_low"], 0.0)) for one in points]
    above = [np.nan_to_num(max(one[f"{name}_high"] - one[name], 0.0)) for one in points]
    return [below, above]


def _left_out(summaries: Sequence[Summary], name: str) -> str:
    """How many points a panel lacks, and why; empty for none."""
    diverged = sum(not np.isfinite(one["mean"]) for one in summaries)
    undefined = sum(bool(np.isfinite(one["mean"]) and not np.isfinite(one[name])) for one in summaries)
    parts = [f"{diverged} with returns not finite"] * bool(diverged) + [f"{undefined} not defined"] * bool(undefined)
    return f"left out: {', '.join(parts)}" if parts else ""


def _handles(colours: dict[str, str]) -> list[Line2D]:
    return [
        Line2D([], [], color=colour, marker="o", markersize=3.0, linewidth=0.7, label=style.shortened(name))
        for name, colour in colours.items()
    ]


def _marker(label: str, fill: str, size: float = 4.0) -> Line2D:
    return Line2D([], [], color="black", linestyle="", marker="o", markersize=size, markerfacecolor=fill, label=label)
