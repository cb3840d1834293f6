"""Norms of the gradients of actor and critic over training: their mean, their variance, and its root over the mean.

Knows the names of these metrics in curves.h5; mean over seeds and interval come from `landscapes.statistics`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullFormatter
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style
from landscapes.storage import read_hdf5_names

_PREFIX = "training/"
NETWORKS = {"actor": "actor_grad_norm", "critic": "critic_grad_norm"}
"""Whose gradient, and the metric that is the mean of its norm over the minibatches of an iteration."""
_MEASURES = {"": "mean", "_var": "variance", "_cv": "coefficient of variation"}
"""What ends the name of a metric, and what it is over these minibatches."""
_MOST_POINTS = 100
"""Log points of one curve: of more, neighbours are averaged."""

_LEAST_SPAN = 30.0
"""Largest over smallest value from which on an axis is logarithmic."""

_Floats = NDArray[np.float64]


class _Curves(NamedTuple):
    """The log points `[n]` of a run, and its metrics `[n, num_seeds]` by name."""

    steps: _Floats
    metrics: dict[str, _Floats]
    averaged: int
    """Log points behind each of these, at most."""


def has_gradients(curves_file: Path) -> bool:
    """Whether training reported such norms; False too of a file that cannot be read."""
    try:
        names = read_hdf5_names(curves_file, "curves")
    except UserError:
        return False
    return any(_PREFIX + metric in names for metric in NETWORKS.values())


def gradient_norms(
    curves_files: Path | Sequence[Path],
    labels: str | Sequence[str],
    path_out: style.Out,
    *,
    confidence: float = 0.95,
    title: str = "",
) -> style.Out:
    """Draws the gradient norms before clipping of one or more runs over steps; returns `path_out`.

    A row for each of actor and critic, a column for each of mean, variance and coefficient of variation over the
    minibatches of an iteration, as far as any run has them. Thin lines are seeds, the thick one is their interquartile
    mean, the band its stratified bootstrap interval over seeds. Mean and variance have logarithmic axes where
    they span more than a decade; the last column does not change with the scale of the loss.

    Raises UserError where a file has none of it, and where files and labels differ in number.
    """
    paths = [curves_files] if isinstance(curves_files, str | Path) else list(curves_files)
    names = [labels] if isinstance(labels, str) else list(labels)
    if len(paths) != len(names) or not paths:
        raise UserError("labels", len(names), f"must be one for each of {len(paths)} files, and at least one")
    runs = [_read(Path(path)) for path in paths]
    shown = [metric for run in runs for metric in run.metrics]
    rows = [network for network, metric in NETWORKS.items() if any(name.startswith(metric) for name in shown)]
    columns = [end for end in _MEASURES if any(f"{metric}{end}" in shown for metric in NETWORKS.values())]
    width = style.TEXT_WIDTH if len(columns) > 1 else style.COLUMN_WIDTH
    legend = [f"{name} ({style.counted(_num_seeds(run), 'seed')})" for name, run in zip(names, runs, strict=True)]
    legend_rows = -(-len(runs) // style.legend_columns(width, legend))
    with style.figure(path_out, width, 0.6 + 1.7 * len(rows) + 0.15 * legend_rows) as figure:
        axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True)
        colours = style.categories(len(runs))
        for i, network in enumerate(rows):
            for j, end in enumerate(columns):
                for run, colour in zip(runs, colours, strict=True):
                    if (values := run.metrics.get(f"{NETWORKS[network]}{end}")) is not None:
                        _draw(axes[i, j], run.steps, values, confidence, colour)
                _finish(axes[i, j], f"{network}: {_MEASURES[end]}", logarithmic=end != "_cv")
        counted = {files.read_attribute(Path(path), "steps_are", "steps") for path in paths}
        figure.supxlabel(counted.pop() if len(counted) == 1 else "steps", fontsize=8.0)
        most = max(run.averaged for run in runs)
        style.heading(
            figure,
            title,
            "norms of gradients before clipping, over the minibatches of an iteration",
            f"interquartile mean with its {100 * confidence:g} % bootstrap interval over seeds; thin: seeds",
            f"each point: up to {most:,} log points" if most > 1 else "",
            handles=[
                Line2D([], [], color=c, linewidth=1.6, label=text) for c, text in zip(colours, legend, strict=True)
            ],
        )
    return path_out


def _num_seeds(run: _Curves) -> int:
    return int(next(iter(run.metrics.values())).shape[1])


def _draw(axis: Axes, steps: _Floats, values: _Floats, confidence: float, colour: str) -> None:
    axis.plot(steps, values, color=colour, linewidth=0.4, alpha=0.3)
    iqm = statistics.over_samples(statistics.interquartile_mean, values)
    low, high = np.transpose([statistics.iqm_interval(row, confidence) for row in values])
    axis.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
    axis.plot(steps, iqm, color=colour, linewidth=1.4, marker="o" if len(steps) == 1 else None)


def _finish(axis: Axes, title: str, logarithmic: bool) -> None:
    drawn = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axis.lines] or [np.zeros(0)])
    above = drawn[drawn > 0]
    if logarithmic and above.size and above.max() > _LEAST_SPAN * above.min():
        axis.set_yscale("log", nonpositive="mask")
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(title, loc="left")
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.margins(x=0.01)


def _read(path: Path) -> _Curves:
    """The norms of a run in the order of steps; raises UserError where it has none."""
    found = files.read_group(path, _PREFIX.rstrip("/"))
    steps = found["steps"].astype(np.float64)
    wanted = [f"{metric}{end}" for metric in NETWORKS.values() for end in _MEASURES]
    metrics = {name: found[name].astype(np.float64) for name in wanted if name in found}
    if not metrics or not steps.size:
        raise UserError("curves", path, f"has none of {', '.join(NETWORKS.values())}: its training reported none")
    averaged = -(-len(steps) // _MOST_POINTS)
    firsts = np.arange(0, len(steps), averaged)
    counts = np.diff([*firsts, len(steps)])
    means = {
        name: np.add.reduceat(values, firsts, axis=0) / counts[:, None]
        for name, values in metrics.items()
        if np.isfinite(values).any()
    }
    return _Curves(np.add.reduceat(steps, firsts) / counts, means, averaged)
