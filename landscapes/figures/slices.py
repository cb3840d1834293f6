"""Slices through the landscape: planes as filled contours, lines as curves, with the stored policies marked.

Knows records of slices and the returns behind them; every height comes from `landscapes.statistics`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from landscapes import statistics, storage
from landscapes.errors import UserError
from landscapes.figures import labels, style
from landscapes.storage import PolicyName, SliceRecord

_NUM_LEVELS = 12
_LINES: dict[str, Any] = {"colors": "white", "linewidths": 0.25, "linestyles": "solid", "alpha": 0.6}
_ROUND = (1, 2, 5, 10)
"""Steps between ticks: multiples of these times a power of ten."""
_MARKERS = ("*", "o", "s", "D", "^", "v")
_LOW, _HIGH = 0.05, 0.95

Floats = NDArray[np.float64]
Statistic = Callable[..., float]


class _Slice(NamedTuple):
    """One slice: returns `[num_x, num_y, num_samples]`, coordinates, and the policies that lie in it."""

    record: SliceRecord
    returns: Floats
    x: Floats
    y: Floats
    coordinates: Floats
    policies: list[PolicyName]
    axis_labels: list[str]

    @property
    def marked(self) -> list[tuple[str, PolicyName, tuple[float, float]]]:
        """The policies that lie within the slice, each with its marker and its place."""
        everyone = zip(_MARKERS, self.policies, self.coordinates, strict=False)
        return [(marker, one, (x, y)) for marker, one, (x, y) in everyone if _holds(self.x, x) and _holds(self.y, y)]


def _holds(grid: Floats, place: float) -> bool:
    """Whether a coordinate is within a grid, but for rounding."""
    slack = 1e-6 * max(1.0, float(np.abs(grid).max()))
    return bool(grid.min() - slack <= place <= grid.max() + slack)


class _Failures(NamedTuple):
    """How often or how far the neighbours of each point fail: the left tail, or where there is none the spread."""

    name: str
    unit: str
    heights: Floats
    least: float
    """How far its axis reaches at least, so that noise of single samples does not look like a lot."""
    note: str = ""


class _Panel(NamedTuple):
    """One plane of contours: heights `[num_x, num_y]`, the levels `[n]` drawn, and a colour map."""

    name: str
    heights: Floats
    levels: Floats
    colours: str


def slice_figure(record: SliceRecord, path_out: style.Out, *, title: str = "", alpha: float = 0.1) -> style.Out:
    """Draws one slice; returns `path_out`.

    A plane (at least two points along both directions) has filled contours of the mean, of CVaR at `alpha` on the same
    colours, and of the left-tail probability. A line has the mean with a band that holds 90 % of the returns and CVaR,
    and the left-tail probability below. Where that is nowhere above 0 the std takes its place, and the heading says so.
    Of a single return at each point only that is drawn, and of fewer than 1 / `alpha` samples CVaR is that of the
    lowest. Stored policies are marked, the centre by a star. Points with returns that are not finite are counted and
    left open.

    Raises UserError for data that do not fit each other.
    """
    found = _read(record)
    num_samples = found.returns.shape[2]
    # Below one sample in the tail CVaR would extrapolate beyond the lowest return.
    alpha = max(alpha, 1.0 / num_samples)
    is_plane = min(len(found.x), len(found.y)) > 1
    draw = _draw_plane if is_plane else _draw_line
    size = (style.TEXT_WIDTH, 3.2) if is_plane and num_samples > 1 else (style.COLUMN_WIDTH, 3.6)
    with style.figure(path_out, *size) as figure:
        handles = draw(figure, found, alpha)
        style.heading(figure, title, *_behind(found), handles=handles)
    return path_out


def _read(record: SliceRecord) -> _Slice:
    datasets, attributes = storage.read_hdf5_nodes(record.path, "slice")
    returns, x, y, coordinates = (
        datasets[f"{record.group}/{name}"].astype(np.float64) for name in ("returns", "x", "y", "policies")
    )
    if returns.shape[:2] != (x.size, y.size) or returns.ndim != 3 or returns.size == 0 or coordinates.shape[1:] != (2,):
        shapes = f"returns {returns.shape}, x {x.shape}, y {y.shape} and policies {coordinates.shape}"
        raise UserError("slice", record.group, f"holds {shapes} in {record.path}")
    named: Any = attributes.get(f"{record.group}/policies", {}).get("policies", [])
    along: Any = attributes.get(f"{record.group}/returns", {}).get(
        "axis_labels", ["first direction", "second direction"]
    )
    policies = [PolicyName(one["run"], one["seed"], one["ckpt"]) for one in named]
    return _Slice(record, returns, x, y, coordinates, policies, along)


def _behind(found: _Slice) -> list[str]:
    """The parts of the heading that say what was measured, and what is not to be seen of it."""
    sizes = [size for size in (found.x.size, found.y.size) if size > 1] or [1]
    samples = style.counted(found.returns.shape[2], "sample")
    parts = [f"{' × '.join(map(str, sizes))} points, {samples} at each"]
    if num_wrong := int(np.count_nonzero(~np.isfinite(found.returns).all(axis=2))):
        parts.append(f"{style.counted(num_wrong, 'point')} with returns not finite")
    parts += [_failures(found).note] * (found.returns.shape[2] > 1)
    marked = {one for _, one, _ in found.marked}
    if outside := [labels.policy(one, with_run=True) for one in found.policies if one not in marked]:
        parts.append(f"outside: {', '.join(outside)}")
    return parts


# Planes


def _draw_plane(figure: Figure, found: _Slice, alpha: float) -> list[Any]:
    panels = _panels(found, alpha)
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_contours(figure, axis, found, panel)
        _mark_policies(axis, found)
    axes[0].set_ylabel(style.wrapped(found.axis_labels[1], 28))
    axes[len(axes) // 2].set_xlabel(style.wrapped(found.axis_labels[0], 34 * len(panels)))
    handles = _policy_handles(found)
    if any(not np.isfinite(panel.heights).all() for panel in panels):
        handles.append(Patch(facecolor="white", edgecolor=style.GREY, hatch="////", label="not defined"))
    return handles


def _panels(found: _Slice, alpha: float) -> list[_Panel]:
    """Mean and CVaR on the same colours, and the left tail; of single returns only those."""
    mean = _heights(found, statistics.mean)
    if found.returns.shape[2] == 1:
        return [_Panel("return", mean, _levels([mean]), "viridis")]
    cvar = _heights(found, partial(statistics.cvar, alpha=alpha))
    shared = _levels([mean, cvar])
    panels = [
        _Panel("mean (return)", mean, shared, "viridis"),
        _Panel(f"CVaR, $\\alpha$ = {alpha:.3g} (return)", cvar, shared, "viridis"),
    ]
    tail = _failures(found)
    levels = _levels([tail.heights], from_zero_to=tail.least)
    return [*panels, _Panel(f"{tail.name} ({tail.unit})", tail.heights, levels, "cividis_r")]


def _draw_contours(figure: Figure, axis: Axes, found: _Slice, panel: _Panel) -> None:
    # Points that are not defined leave the hatched ground open. Contours run along the second axis first.
    axis.patch.set(facecolor="white", hatch="////", edgecolor=style.GREY, linewidth=0.0)
    norm = Normalize(panel.levels[0], panel.levels[-1])
    drawn = np.ma.masked_invalid(panel.heights.T)
    if drawn.count():
        axis.contourf(found.x, found.y, drawn, levels=panel.levels, cmap=panel.colours, norm=norm)
        # The first level is the floor: a line there would wander over whatever is flat.
        axis.contour(found.x, found.y, drawn, levels=panel.levels[1:], **_LINES)
    colours = ScalarMappable(norm, matplotlib.colormaps[panel.colours])
    bar = figure.colorbar(colours, ax=axis, location="top", aspect=25, ticks=MaxNLocator(4, steps=_ROUND))
    bar.set_label(panel.name, fontsize=8.0)
    bar.ax.tick_params(labelsize=style.SMALL, length=2.0)
    bar.outline.set_linewidth(0.4)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(4, steps=_ROUND))


def _levels(heights: Sequence[Floats], from_zero_to: float | None = None) -> Floats:
    """Round levels `[n]` of contours over all that is finite; from 0 to at least `from_zero_to` where it is given."""
    finite = np.concatenate([one[np.isfinite(one)] for one in heights])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if from_zero_to is not None:
        low, high = 0.0, max(high, from_zero_to)
    # A plane that is flat but for rounding still needs two levels, and labels with few digits.
    least = 1e-3 * max(abs(low), abs(high)) or 1.0
    return np.asarray(MaxNLocator(_NUM_LEVELS).tick_values(low, max(high, low + least)), np.float64)


# Lines


def _draw_line(figure: Figure, found: _Slice, alpha: float) -> list[Any]:
    """Draws the direction with several points; the other has one."""
    side = 0 if found.x.size >= found.y.size else 1
    where = (found.x, found.y)[side]
    with_tail = found.returns.shape[2] > 1
    axes = figure.subplots(1 + with_tail, 1, sharex=True, squeeze=False, height_ratios=[2, 1][: 1 + with_tail])[:, 0]
    handles = _draw_returns(axes[0], found, where, alpha)
    if with_tail:
        tail = _failures(found)
        axes[1].plot(where, np.ravel(tail.heights), color=style.RED, linewidth=1.2, clip_on=False)
        axes[1].set_ylabel(f"{tail.name}\n({tail.unit})")
        axes[1].set_ylim(0.0, max(tail.least, 1.05 * float(np.nanmax(tail.heights, initial=0.0))) or 1.0)
    for axis in axes:
        axis.margins(x=0.0)
        axis.xaxis.set_major_locator(MaxNLocator(4, steps=_ROUND))
        for _, _, place in found.marked:
            axis.axvline(place[side], color=style.GREY, linewidth=0.5, linestyle=":", zorder=0)
    on_baseline: dict[str, Any] = {"transform": axes[0].get_xaxis_transform(), "clip_on": False}
    for marker, _, place in found.marked:
        axes[0].plot([place[side]], [0.0], marker, **on_baseline, **_marker_look(marker))
    axes[-1].set_xlabel(style.wrapped(found.axis_labels[side], 48))
    return handles + _policy_handles(found)


def _draw_returns(axis: Axes, found: _Slice, where: Floats, alpha: float) -> list[Any]:
    """The mean along a line, and where there are several samples its band and CVaR."""
    mean, cvar, low, high = (
        np.ravel(_heights(found, statistic))
        for statistic in (
            statistics.mean,
            partial(statistics.cvar, alpha=alpha),
            partial(statistics.quantile, probability=_LOW),
            partial(statistics.quantile, probability=_HIGH),
        )
    )
    axis.set_ylabel("return (undiscounted sum\nof rewards)")
    axis.plot(where, mean, color=style.BLUE, linewidth=1.4)
    if found.returns.shape[2] == 1:
        return [Line2D([], [], color=style.BLUE, linewidth=1.4, label="return")]
    axis.fill_between(where, low, high, color=style.BLUE, alpha=0.2, linewidth=0)
    axis.plot(where, cvar, color=style.ORANGE, linewidth=1.0, linestyle="--")
    return [
        Line2D([], [], color=style.BLUE, linewidth=1.4, label="mean (5 to 95 %)"),
        Line2D([], [], color=style.ORANGE, linewidth=1.0, linestyle="--", label=f"CVaR, $\\alpha$ = {alpha:.3g}"),
    ]


# Both


def _failures(found: _Slice) -> _Failures:
    ltp = _heights(found, statistics.left_tail_probability)
    if np.nanmax(ltp, initial=0.0) > 0.0:
        return _Failures("LTP", "share of policies", ltp, 0.05)
    note = "left-tail probability (LTP) 0 everywhere" if np.isfinite(ltp).any() else "LTP nowhere defined"
    return _Failures("std", "return", _heights(found, statistics.std), 0.0, note)


def _heights(found: _Slice, statistic: Statistic) -> Floats:
    return statistics.over_samples(statistic, found.returns)


def _mark_policies(axis: Axes, found: _Slice) -> None:
    for marker, _, (x, y) in found.marked:
        axis.plot([x], [y], marker, zorder=5, clip_on=False, **_marker_look(marker))


def _marker_look(marker: str) -> dict[str, Any]:
    return {
        "markersize": 9.0 if marker == "*" else 5.0,
        "color": style.RED if marker == "*" else "white",
        "markeredgecolor": "black",
        "markeredgewidth": 0.7,
    }


def _policy_handles(found: _Slice) -> list[Any]:
    with_run = len({one.run for one in found.policies}) > 1
    return [
        Line2D([], [], linestyle="", marker=marker, label=labels.policy(one, with_run), **_marker_look(marker))
        for marker, one, _ in found.marked
    ]
