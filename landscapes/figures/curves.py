"""Learning curves: every seed, their interquartile mean, and how sure it is.

Knows the shape of curves.h5 only; the mean and its interval come from `landscapes.statistics`.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style


def learning_curves(
    curves_files: Path | Sequence[Path],
    labels: str | Sequence[str],
    path_out: style.Out,
    *,
    confidence: float = 0.95,
    title: str = "",
) -> style.Out:
    """Draws the returns of one or more runs over steps; returns `path_out`.

    Thin lines are seeds, the thick one is their interquartile mean, the band its stratified bootstrap interval over
    seeds; dashed are those of the policies that are sampled from, where these were evaluated too. Where a seed is not
    finite there is no mean, and so a gap; a single seed has no band.

    Args: every file holds steps `[n]` and returns `[n, num_seeds]`. Raises UserError where it does not, and where
    files and labels differ in number.
    """
    paths = [curves_files] if isinstance(curves_files, str | Path) else list(curves_files)
    names = [labels] if isinstance(labels, str) else list(labels)
    if len(paths) != len(names) or not paths:
        raise UserError("labels", len(names), f"must be one for each of {len(paths)} files, and at least one")
    runs = [_read(Path(path)) for path in paths]
    shown = [f"{name} ({_behind(returns)})" for name, (_, returns, _) in zip(names, runs, strict=True)]
    shown_sampled = any(sampled is not None for _, _, sampled in runs)
    legend_rows = -(-len(runs) // style.legend_columns(style.COLUMN_WIDTH, shown))
    with style.figure(path_out, style.COLUMN_WIDTH, 2.45 + 0.15 * legend_rows) as figure:
        axis = figure.subplots()
        handles = []
        for (steps, returns, sampled), label, colour in zip(runs, shown, style.categories(len(runs)), strict=True):
            axis.plot(steps, returns, color=colour, linewidth=0.5, alpha=0.35)
            _draw(axis, steps, returns, confidence, colour, "-")
            if sampled is not None:
                _draw(axis, steps, sampled, confidence, colour, "--")
            handles.append(Line2D([], [], color=colour, linewidth=1.6, label=label))
        counted = {files.read_attribute(Path(path), "steps_are", "steps") for path in paths}
        axis.set_xlabel(counted.pop() if len(counted) == 1 else "steps")
        axis.set_ylabel("return (undiscounted sum\nof rewards of one episode)")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.margins(x=0.01)
        style.heading(
            figure,
            title,
            f"interquartile mean with its {100 * confidence:g} % bootstrap interval over seeds",
            "thin: seeds",
            "dashed: actions sampled from the policy" if shown_sampled else "",
            handles=handles,
        )
    return path_out


def _draw(
    axis: Axes, steps: NDArray[np.float64], returns: NDArray[np.float64], confidence: float, colour: str, line: str
) -> None:
    """The interquartile mean over seeds of returns `[n, num_seeds]`, and its interval."""
    iqm = statistics.over_samples(statistics.interquartile_mean, returns)
    low, high = np.transpose([statistics.iqm_interval(row, confidence) for row in returns])
    axis.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
    # A single point has no line to see.
    marker = "o" if len(steps) == 1 else None
    axis.plot(steps, iqm, color=colour, linestyle=line, linewidth=1.6, marker=marker)


def _behind(returns: NDArray[np.float64]) -> str:
    """How many seeds there are, and of how many a return is not finite."""
    num_wrong = int(np.count_nonzero(~np.isfinite(returns).all(axis=0)))
    return style.counted(returns.shape[1], "seed") + (f", {num_wrong} not finite" if num_wrong else "")


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Steps `[n]`, returns `[n, num_seeds]`, and where there are any those by sampled actions, in the order of
    steps."""
    steps = files.read(path, "steps").astype(np.float64)
    returns = files.read(path, "returns").astype(np.float64)
    if steps.ndim != 1 or returns.ndim != 2 or len(steps) != len(returns) or returns.size == 0:
        shapes = f"steps {steps.shape} and returns {returns.shape}"
        raise UserError("curves", path, f"holds {shapes}; must be [n] and [n, num_seeds] with n >= 1")
    order = np.argsort(steps, kind="stable")
    with contextlib.suppress(UserError):
        return steps[order], returns[order], files.read(path, "sampled/returns").astype(np.float64)[order]
    return steps[order], returns[order], None
