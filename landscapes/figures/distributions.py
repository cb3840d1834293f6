"""Post-update return distributions (PURDs) as histograms, side by side or overlaid.

Knows the shape of the stored returns; the numbers marked in a figure all come from `landscapes.statistics`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import files, style
from landscapes.figures.panels import LINE_POINTS, Series, draw_panel, mark_handles

MOST_PANELS = 12


def purd_histograms(
    files_and_datasets: Sequence[tuple[str, Path, str]], path_out: style.Out, *, alpha: float = 0.1
) -> style.Out:
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
    panel_height = 1.15 + most_lines * LINE_POINTS / 72.0
    with style.figure(path_out, style.TEXT_WIDTH, 0.75 + panel_height * num_rows) as figure:
        axes = figure.subplots(num_rows, num_columns, sharex=True, squeeze=False)
        edges = statistics.common_bins([one.returns for group in series.values() for one in group])
        for axis, (label, group) in zip(axes.flat, series.items(), strict=False):
            draw_panel(axis, label, group, edges, alpha, wrapped)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for index, axis in enumerate(axes.flat):
            # In an incomplete last row, the panel above the gap carries the ticks of its column.
            axis.tick_params(labelbottom=index + num_columns >= len(panels))
        figure.supxlabel(axis_labels.pop(), fontsize=8.0)
        figure.supylabel("share of policies (%)", fontsize=8.0)
        figure.legend(handles=mark_handles(alpha), loc="outside upper center", ncols=3)
    return path_out


def _read_series(entries: Sequence[tuple[Path, str]]) -> list[Series]:
    colours = style.ordered(len(entries))
    found = []
    for (path, dataset), colour in zip(entries, colours, strict=True):
        returns = files.read(path, dataset).astype(np.float64)
        files.check_distribution(returns, path, dataset)
        checkpoint = re.search(r"_(\d+)$", path.stem)
        name = f"{int(checkpoint[1]):,} steps" if checkpoint else path.stem
        found.append(Series(name, returns, colour))
    return found


def _axis_label(path: Path, dataset: str) -> str:
    """Only stored start-state returns come in two kinds; everything else is undiscounted."""
    discounted = path.name.startswith("s0_returns_") and not dataset.strip("/").startswith("und_returns/")
    return style.DISCOUNTED_LABEL if discounted else style.RETURN_LABEL
