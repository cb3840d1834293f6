"""Learning curves: every seed, their interquartile mean, and how sure it is.

Knows the shape of curves.h5 only; the mean and its interval come from `landscapes.statistics`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style


def learning_curves(
    curves_files: Path | Sequence[Path], labels: str | Sequence[str], path_out: Path, *, confidence: float = 0.95
) -> Path:
    """Draws the returns of one or more runs over environment steps; returns `path_out`.

    Thin lines are seeds, the thick one is their interquartile mean, the band its stratified bootstrap interval over
    seeds. Where a seed is not finite there is no mean, and so a gap; a single seed has no band.

    Args: every file holds steps `[n]` and returns `[n, num_seeds]`. Raises UserError where it does not, and where
    files and labels differ in number.
    """
    paths = [curves_files] if isinstance(curves_files, str | Path) else list(curves_files)
    names = [labels] if isinstance(labels, str) else list(labels)
    if len(paths) != len(names) or not files:
        raise UserError("labels", len(names), f"must be one for each of {len(paths)} files, and at least one")
    runs = [_read(Path(path)) for path in paths]
    with style.figure(path_out, 0.62 * style.TEXT_WIDTH, 2.9) as figure:
        axis = figure.subplots()
        for (steps, returns), name, colour in zip(runs, names, style.categories(len(runs)), strict=True):
            num_seeds = returns.shape[1]
            axis.plot(steps, returns, color=colour, linewidth=0.5, alpha=0.35)
            iqm = [statistics.interquartile_mean(row) for row in returns]
            low, high = np.transpose([statistics.iqm_interval(row, confidence) for row in returns])
            axis.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
            label = f"{name} ({num_seeds} seed{'s' if num_seeds > 1 else ''}{_diverged(returns)})"
            # A single point has no line to see.
            axis.plot(steps, iqm, color=colour, linewidth=1.6, label=label, marker="o" if len(steps) == 1 else None)
        axis.set_xlabel("environment steps")
        axis.set_ylabel("return (undiscounted sum\nof rewards of one episode)")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.margins(x=0.01)
        note = f"interquartile mean, {100 * confidence:g} % bootstrap interval over seeds; thin: seeds"
        figure.legend(loc="outside upper center", ncols=min(len(runs), 2), title=note, title_fontsize=7.0)
    return Path(path_out)


def _diverged(returns: NDArray[np.float64]) -> str:
    """How many seeds have a return that is not finite, for the legend; empty for none."""
    count = int(np.count_nonzero(~np.isfinite(returns).all(axis=0)))
    return f", {count} not finite" if count else ""


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps `[n]` and returns `[n, num_seeds]`, in the order of steps."""
    steps = files.read(path, "steps").astype(np.float64)
    returns = files.read(path, "returns").astype(np.float64)
    if steps.ndim != 1 or returns.ndim != 2 or len(steps) != len(returns) or returns.size == 0:
        shapes = f"steps {steps.shape} and returns {returns.shape}"
        raise UserError("curves", path, f"holds {shapes}; must be [n] and [n, num_seeds] with n >= 1")
    order = np.argsort(steps, kind="stable")
    return steps[order], returns[order]
