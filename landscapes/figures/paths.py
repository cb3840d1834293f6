"""Paths between policies: within one seed and across seeds, with the valley that each crosses.

Knows records of paths and the returns behind them; bands and depths come from `landscapes.statistics`.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, labels, style
from landscapes.storage import PathRecord

_MOST_WITH_BANDS = 4
_LOW, _HIGH = 0.05, 0.95
_KINDS = {True: "within one seed", False: "across seeds"}


class _Path(NamedTuple):
    """One path as it is drawn: everything `[num_points]`."""

    record: PathRecord
    alpha: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    valley: statistics.Valley


def paths_figure(paths: Sequence[PathRecord], path_out: style.Out, *, title: str = "") -> style.Out:
    """Draws paths within seeds beside paths across seeds; returns `path_out`.

    A line is the mean return at each point, a band holds 90 % of its returns. A side with more than four paths has
    bands for the deepest valley, the one in the middle and the shallowest, and thin lines for the others. Beside each
    name stands how far the path sinks below its lower end. Points with returns that are not finite leave a gap.

    Raises UserError for no paths, and for data that do not fit each other.
    """
    if not paths:
        raise UserError("paths", 0, "there must be at least one")
    read = [_read(path) for path in paths]
    sides = {name: [path for path in read if path.record.same_seed is same] for same, name in _KINDS.items()}
    drawn = {name: side for name, side in sides.items() if side}
    width = style.TEXT_WIDTH if len(drawn) == 2 else style.COLUMN_WIDTH * 1.25
    ends = [end for path in paths for end in (path.one, path.two)]
    with_run = len({end.run for end in ends}) > 1
    most_entries = max(min(len(side), _MOST_WITH_BANDS) for side in drawn.values())
    samples = style.counts((path.num_samples for path in paths), "sample")
    with style.figure(path_out, width, 2.8 + most_entries * (0.28 if with_run else 0.14)) as figure:
        style.heading(
            figure,
            title,
            f"{style.counted(len(paths), 'path')} between {labels.behind(ends)}",
            f"{samples} at each of {style.counts((path.num_points for path in paths), 'point')}",
            "line: mean, band: 5 to 95 % of the returns" if any(path.num_samples > 1 for path in paths) else "",
            *(f"not measured: paths {name}" for name in sides.keys() - drawn.keys()),
        )
        axes = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for axis, (name, side) in zip(axes, drawn.items(), strict=True):
            _draw_side(axis, name, side, with_run)
        axes[0].set_ylabel("return (undiscounted sum\nof rewards of one episode)")
    return path_out


def _read(record: PathRecord) -> _Path:
    returns = files.read(record.path, record.dataset).astype(np.float64)
    alpha = files.read(record.path, record.alpha_dataset).astype(np.float64)
    if returns.shape[-1:] != alpha.shape or alpha.ndim != 1 or returns.ndim > 2 or returns.size == 0:
        shapes = f"returns {returns.shape} and alpha {alpha.shape}"
        raise UserError(
            "path", record.dataset, f"holds {shapes} in {record.path}; must be [n, num_points], [num_points]"
        )
    points = np.atleast_2d(returns).T
    mean = statistics.over_samples(statistics.mean, points)
    low, high = (
        statistics.over_samples(partial(statistics.quantile, probability=probability), points)
        for probability in (_LOW, _HIGH)
    )
    return _Path(record, alpha, mean, low, high, statistics.valley(mean))


def _draw_side(axis: Axes, name: str, side: Sequence[_Path], with_run: bool) -> None:
    deepest_first = sorted(side, key=lambda path: np.nan_to_num(path.valley.depth, nan=np.inf), reverse=True)
    chosen = deepest_first
    if len(side) > _MOST_WITH_BANDS:
        chosen = [deepest_first[0], deepest_first[len(side) // 2], deepest_first[-1]]
        for path in side:
            axis.plot(path.alpha, path.mean, color=style.GREY, linewidth=0.4, alpha=0.5, zorder=1)
        axis.plot([], [], color=style.GREY, linewidth=0.4, label=f"the other {len(side) - len(chosen)}")
    for path, colour in zip(chosen, style.categories(len(chosen)), strict=True):
        axis.fill_between(path.alpha, path.low, path.high, color=colour, alpha=0.18, linewidth=0, zorder=2)
        label = f"{_ends(path.record, with_run)}: {_valley(path)}"
        axis.plot(path.alpha, path.mean, color=colour, linewidth=1.4, label=label, zorder=3)
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("share of the first policy's parameters ($\\alpha$)")
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.0,
        fontsize=style.SMALL,
        title=name,
        title_fontproperties={"size": 8.0, "weight": "bold"},
        alignment="left",
        handlelength=1.4,
    )


def _ends(record: PathRecord, with_run: bool) -> str:
    """Both ends, the first policy last, as it stands on the right."""
    gap = "\n" if with_run else " "  # with names of runs both ends are too long for one line of a panel
    to = f"{record.one.step:,}" if record.same_seed else labels.policy(record.one, with_run)
    return f"{labels.policy(record.two, with_run)}{gap}to {to}"


def _valley(path: _Path) -> str:
    if not np.isfinite(path.valley.depth):
        return f"{int(np.count_nonzero(~np.isfinite(path.mean)))} points not finite"
    if path.valley.depth == 0.0:
        return "no valley"
    share = f" ({100 * path.valley.share:.0f} %)" if np.isfinite(path.valley.share) else ""
    return f"valley {style.number(path.valley.depth)}{share}"
