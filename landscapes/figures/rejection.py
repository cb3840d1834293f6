"""What a rejection study proposed, accepted and refused, and what came of it.

Knows the shape of a walk's group; the numbers marked in the figure all come from `landscapes.statistics` or the file.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style
from landscapes.figures.panels import Series, draw_panel, mark_handles

_TRACES = (("means", "PURD mean\n(return)"), ("ltps", "PURD LTP\n(share)"), ("cvars", "PURD CVaR\n(return)"))
_FRESH = (("root", style.GREY), ("improved", style.BLUE), ("control", style.ORANGE))


def rejection_figure(
    rejection_file: Path, group: str, path_out: style.Out, *, alpha: float = 0.1, title: str = ""
) -> style.Out:
    """Draws what a rejection study proposed, accepted and reached; returns `path_out`.

    Left: mean, left-tail probability and CVaR of the PURD of every proposal (0 is the root itself), accepted and
    refused told apart, with the value that stood after each decision as a line. These are the numbers that decided,
    so their best is flattered by choice. Right: the fresh PURDs, whose samples decided nothing, of the root, the
    improved policy and, where there is one, the control that refused no update.

    Args: group holds means, ltps, cvars and accepted `[n]`, purds `[n, num_samples]`, and fresh/{root, improved,
    control} `[num_samples]`. `alpha` is that of the CVaR marked on the right; `title` says which walk it is. Raises
    UserError for what is not there.
    """
    data = files.read_group(Path(rejection_file), group)
    for name in ("means", "ltps", "cvars", "accepted", "purds"):
        if name not in data:
            raise UserError("group", group, f"holds no {name} in {rejection_file}")
    fresh = [
        Series(name, data[f"fresh/{name}"].astype(np.float64), colour)
        for name, colour in _FRESH
        if f"fresh/{name}" in data
    ]
    with style.figure(path_out, style.TEXT_WIDTH, 4.2 + 0.2 * bool(title)) as figure:
        style.heading(figure, title)
        halves: Any = figure.subfigures(1, 2, wspace=0.03) if fresh else [figure]
        _draw_traces(halves[0], data)
        if fresh:
            right = halves[1]
            axes = right.subplots(len(fresh), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
            edges = statistics.common_bins([one.returns for one in fresh])
            for axis, one in zip(axes, fresh, strict=True):
                draw_panel(axis, one.name, [one], edges, alpha, wrapped=False)
            axes[-1].set_xlabel("return (undiscounted sum of rewards)")
            right.supylabel("share of policies (%)", fontsize=8.0)
            title = "fresh samples, which decided nothing"
            handles = mark_handles(alpha)
            right.legend(handles=handles, loc="outside upper center", ncols=3, title=title, title_fontsize=7.0)
    return path_out


def _draw_traces(figure: Any, data: dict[str, NDArray[Any]]) -> None:
    accepted = data["accepted"].astype(bool)
    proposals = np.arange(len(accepted))
    # The last accepted entry at or before each proposal; the first entry is the root, which counts as accepted.
    standing = np.maximum.accumulate(np.where(accepted, proposals, 0))
    axes = figure.subplots(len(_TRACES), 1, sharex=True)
    for axis, (name, label) in zip(axes, _TRACES, strict=True):
        values = data[name]
        on_top: dict[str, Any] = {"clip_on": False}  # a marker at the very end of an axis is not cut in half
        axis.plot(proposals, values[standing], color=style.BLUE, drawstyle="steps-post", linewidth=1.0, zorder=1)
        axis.plot(proposals[accepted], values[accepted], "o", color=style.BLUE, markersize=3.5, zorder=3, **on_top)
        if not accepted.all():  # markers that are not clipped, and none of them: the layout would collapse
            refused = ~accepted
            axis.plot(proposals[refused], values[refused], "x", color=style.RED, markersize=4.0, zorder=2, **on_top)
        axis.set_ylabel(label)
        axis.margins(x=0.02, y=0.1)
        if name == "ltps":
            # A share is not negative: where all are 0, the axis must not say otherwise.
            axis.set_ylim(0.0, None if np.nanmax(values, initial=0.0) > 0 else 0.1)
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


def _corner(axis: Axes, side: str) -> dict[str, Any]:
    return {"transform": axis.transAxes, "ha": side, "va": "top", "fontsize": 7.0}
