"""Post-update return distributions (PURDs) as histograms, and what a rejection study did to one.

Knows the shape of the stored returns; the numbers marked in a figure all come from `landscapes.statistics`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style

MOST_PANELS = 12
_NUM_BINS = 60
_TRACES = (("means", "PURD mean"), ("ltps", "PURD LTP"), ("cvars", "PURD CVaR"))
_LINE_POINTS = 8.5
"""The height of one line of numbers above a panel."""
_FRESH = (("root", style.GREY), ("improved", style.BLUE), ("control", style.ORANGE))


class _Series(NamedTuple):
    """One distribution of a panel."""

    name: str
    returns: NDArray[np.float64]
    colour: Any


def purd_histograms(files_and_datasets: Sequence[tuple[str, Path, str]], path_out: Path, *, alpha: float = 0.1) -> Path:
    """Draws each distribution of returns as a histogram, over one shared axis of returns; returns `path_out`.

    Args: files_and_datasets are (label, file, data set of returns `[n]`). Each label has a panel of its own, in the
    order of first appearance; entries with the same label share it, from dark to light, each named by the checkpoint
    in its file's name: give every seed a label to have a row for each seed and a colour for each checkpoint.

    Marked are the mean, CVaR at `alpha`, and half of the mode, below which a return is in the left tail (not drawn
    where the mode is not positive). Returns that are not finite are counted in the panel.

    Raises UserError for none, for more than 12 panels, for a file or data set that is not there, and where discounted
    and undiscounted returns would share the axis.
    """
    panels: dict[str, list[tuple[Path, str]]] = {}
    for label, path, dataset in files_and_datasets:
        panels.setdefault(label, []).append((Path(path), dataset))
    if not 1 <= len(panels) <= MOST_PANELS:
        raise UserError("panels", len(panels), f"a figure has 1 to {MOST_PANELS}; choose among seeds or checkpoints")
    axis_labels = {_axis_label(Path(path), dataset) for _, path, dataset in files_and_datasets}
    if len(axis_labels) > 1:
        raise UserError("datasets", len(files_and_datasets), "must be all discounted or all undiscounted returns")

    series = {label: _read_series(entries) for label, entries in panels.items()}
    num_columns = 1 if len(panels) <= 3 else 2 if len(panels) <= 8 else 3
    num_rows = -(-len(panels) // num_columns)
    wrapped = num_columns > 1
    most_lines = max(map(len, panels.values())) * (2 if wrapped else 1)
    panel_height = 1.15 + most_lines * _LINE_POINTS / 72.0
    with style.figure(path_out, style.TEXT_WIDTH, 0.75 + panel_height * num_rows) as figure:
        axes = figure.subplots(num_rows, num_columns, sharex=True, squeeze=False)
        edges = _bin_edges([one.returns for group in series.values() for one in group])
        for axis, (label, group) in zip(axes.flat, series.items(), strict=False):
            _draw_panel(axis, label, group, edges, alpha, wrapped)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for index, axis in enumerate(axes.flat):
            # In an incomplete last row, the panel above the gap carries the ticks of its column.
            axis.tick_params(labelbottom=index + num_columns >= len(panels))
        figure.supxlabel(axis_labels.pop(), fontsize=8.0)
        figure.supylabel("share of policies (%)", fontsize=8.0)
        _mark_legend(figure, alpha)
    return Path(path_out)


def rejection_figure(rejection_file: Path, group: str, path_out: Path, *, alpha: float = 0.1) -> Path:
    """Draws what a rejection study proposed, accepted and reached; returns `path_out`.

    Left: mean, left-tail probability and CVaR of the PURD of every proposal (0 is the root itself), accepted and
    refused told apart, with the value that stood after each decision as a line. These are the numbers that decided,
    so their best is flattered by choice. Right: the fresh PURDs, whose samples decided nothing, of the root, the
    improved policy and, where there is one, the control that refused no update.

    Args: group holds means, ltps, cvars and accepted `[n]`, purds `[n, num_samples]`, and fresh/{root, improved,
    control} `[num_samples]`. `alpha` is that of the CVaR marked on the right. Raises UserError for what is not there.
    """
    data = files.read_group(Path(rejection_file), group)
    for name in ("means", "ltps", "cvars", "accepted", "purds"):
        if name not in data:
            raise UserError("group", group, f"holds no {name} in {rejection_file}")
    fresh = [
        _Series(name, data[f"fresh/{name}"].astype(np.float64), colour)
        for name, colour in _FRESH
        if f"fresh/{name}" in data
    ]
    with style.figure(path_out, style.TEXT_WIDTH, 4.2) as figure:
        halves: Any = figure.subfigures(1, 2, wspace=0.03) if fresh else [figure]
        _draw_traces(halves[0], data)
        if fresh:
            right = halves[1]
            axes = right.subplots(len(fresh), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
            edges = _bin_edges([one.returns for one in fresh])
            for axis, one in zip(axes, fresh, strict=True):
                _draw_panel(axis, one.name, [one], edges, alpha, wrapped=False)
            axes[-1].set_xlabel("return (undiscounted sum of rewards)")
            right.supylabel("share of policies (%)", fontsize=8.0)
            _mark_legend(right, alpha, title="fresh samples, which decided nothing")
    return Path(path_out)


def _draw_traces(figure: Any, data: dict[str, NDArray[Any]]) -> None:
    accepted = data["accepted"].astype(bool)
    proposals = np.arange(len(accepted))
    # The last accepted entry at or before each proposal; the first entry is the root, which counts as accepted.
    standing = np.maximum.accumulate(np.where(accepted, proposals, 0))
    axes = figure.subplots(len(_TRACES), 1, sharex=True)
    for axis, (name, label) in zip(axes, _TRACES, strict=True):
        values = data[name]
        axis.plot(proposals, values[standing], color=style.BLUE, drawstyle="steps-post", linewidth=1.0, zorder=1)
        axis.plot(proposals[accepted], values[accepted], "o", color=style.BLUE, markersize=3.5, zorder=3)
        axis.plot(proposals[~accepted], values[~accepted], "x", color=style.RED, markersize=4.0, zorder=2)
        axis.set_ylabel(label)
        axis.margins(x=0.02, y=0.1)
        if not np.isfinite(values).all():
            axis.text(1.0, 1.0, f"{np.count_nonzero(~np.isfinite(values))} not defined", **_corner(axis, "right"))
    figure.align_ylabels(axes)
    axes[-1].set_xlabel("proposed update (0: the root)")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    num_proposed = len(accepted) - 1
    num_accepted = int(accepted[1:].sum())
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", markersize=3.5, label=f"accepted ({num_accepted})"),
        Line2D(
            [],
            [],
            color=style.RED,
            marker="x",
            linestyle="",
            markersize=4,
            label=f"refused ({num_proposed - num_accepted})",
        ),
    ]
    at_most = "at most " if "num_samples" in data else ""
    title = f"{num_proposed} proposals, {at_most}{data['purds'].shape[1]:,} samples each"
    figure.legend(handles=handles, loc="outside upper center", ncols=2, title=title, title_fontsize=7.0)


def _draw_panel(
    axis: Axes, label: str, group: Sequence[_Series], edges: NDArray[np.float64], alpha: float, wrapped: bool
) -> None:
    """Histograms of `group` and their marks; above them the label and the numbers of each, on two lines if wrapped."""
    lines: list[tuple[str, Any]] = []
    for one in group:
        finite = one.returns[np.isfinite(one.returns)]
        weights = np.full(finite.size, 100.0 / one.returns.size)
        axis.hist(
            finite,
            edges.tolist(),
            weights=weights,
            histtype="stepfilled",
            linewidth=0.8,
            edgecolor=one.colour,
            facecolor=(one.colour, 0.25),
        )
        _draw_marks(axis, one, alpha)
        spread, tail = _numbers(one, alpha, named=len(group) > 1)
        lines += [(spread, one.colour), (tail, None)] if wrapped else [(f"{spread}, {tail}", one.colour)]
    # The numbers are left out of the layout, as a long line would narrow every panel; the title above keeps their room.
    axis.set_title(label, loc="left", fontweight="bold", pad=5.0 + _LINE_POINTS * len(lines))
    for index, (text, colour) in enumerate(reversed(lines)):
        for shift, piece, of_colour in ((0.0, "\u25a0", colour), (7.0, text, "black")):
            if of_colour is None:
                continue
            offset = (shift, 3.0 + _LINE_POINTS * index)
            written = axis.annotate(
                piece, (0.0, 1.0), offset, "axes fraction", "offset points", color=of_colour, va="bottom", fontsize=6.5
            )
            written.set_in_layout(False)


def _draw_marks(axis: Axes, one: _Series, alpha: float) -> None:
    half_mode = 0.5 * statistics.mode(one.returns)
    if half_mode > 0:
        axis.axvline(half_mode, color=one.colour, linestyle=":", linewidth=1.0)
    on_baseline: dict[str, Any] = {
        "transform": axis.get_xaxis_transform(),
        "clip_on": False,
        "zorder": 5,
        "markeredgecolor": "white",
    }
    for value, marker in ((statistics.mean(one.returns), "^"), (statistics.cvar(one.returns, alpha), "D")):
        if np.isfinite(value):
            size = 6.5 if marker == "^" else 5.0
            axis.plot([value], [0.0], marker, color=one.colour, markersize=size, markeredgewidth=0.6, **on_baseline)


def _numbers(one: _Series, alpha: float, named: bool) -> tuple[str, str]:
    """What a panel says of one distribution: its name, centre and spread; its tail and how many samples."""
    summary = statistics.summarize(one.returns, alpha, intervals=False)
    num_wrong = int(np.count_nonzero(~np.isfinite(one.returns)))
    spread = f"mean {style.number(summary['mean'])}, std {style.number(summary['std'])}"
    tail = [
        f"CVaR {style.number(summary['cvar'])}",
        f"LTP {summary['ltp']:.3f}" if np.isfinite(summary["ltp"]) else "LTP n/a",
        f"n = {one.returns.size:,}",
    ]
    if num_wrong:
        tail.append(f"{num_wrong} not finite")
    return (f"{one.name}: " if named else "") + spread, ", ".join(tail)


def _mark_legend(figure: Figure | Any, alpha: float, title: str | None = None) -> None:
    marks = [
        Line2D([], [], color="black", marker="^", linestyle="", markersize=5, label="mean"),
        Line2D([], [], color="black", marker="D", linestyle="", markersize=4, label=f"CVaR ($\\alpha$ = {alpha:g})"),
        Line2D([], [], color="black", linestyle=":", linewidth=1.0, label="half of the mode"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=3, title=title, title_fontsize=7.0)


def _corner(axis: Axes, side: str) -> dict[str, Any]:
    return {"transform": axis.transAxes, "ha": side, "va": "top", "fontsize": 7.0}


def _read_series(entries: Sequence[tuple[Path, str]]) -> list[_Series]:
    colours = style.ordered(len(entries))
    found = []
    for (path, dataset), colour in zip(entries, colours, strict=True):
        returns = files.read(path, dataset).astype(np.float64)
        if returns.ndim != 1 or returns.size == 0:
            raise UserError("dataset", dataset, f"has shape {returns.shape} in {path}; a distribution is [n], n >= 1")
        checkpoint = re.search(r"_(\d+)$", path.stem)
        name = f"{int(checkpoint[1]):,} steps" if checkpoint else path.stem
        found.append(_Series(name, returns, colour))
    return found


def _axis_label(path: Path, dataset: str) -> str:
    """Only stored start-state returns come in two kinds; everything else is undiscounted."""
    discounted = path.name.startswith("s0_returns_") and not dataset.strip("/").startswith("und_returns/")
    return style.DISCOUNTED_LABEL if discounted else style.RETURN_LABEL


def _bin_edges(samples: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The same bins for all, over what is finite."""
    everything = np.concatenate(samples)
    finite = everything[np.isfinite(everything)]
    return np.histogram_bin_edges(finite if finite.size else np.zeros(1), _NUM_BINS)
