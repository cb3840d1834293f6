"""Policies of equal mean and different calm: the two distributions of each pair over one axis.

Knows records of PURDs and the returns behind them; which of them are pairs is for `landscapes.statistics` to say.
"""

from collections.abc import Sequence

from landscapes import statistics
from landscapes.figures import files, labels, style
from landscapes.figures.panels import LINE_POINTS, Series, draw_panel, mark_handles
from landscapes.storage import PurdRecord

TOLERANCE = 0.02
"""How far two means may differ, as a share of the larger, to be called the same."""

_PANEL_INCHES = 1.25


def same_mean_pairs(
    purds: Sequence[PurdRecord],
    path_out: style.Out,
    *,
    title: str = "",
    tolerance: float = TOLERANCE,
    most: int = 3,
    alpha: float = 0.1,
) -> style.Out | None:
    """Draws the pairs of PURDs whose means agree and whose stds differ most; returns `path_out`, None for no pair.

    Each panel holds one pair: the calmer policy in blue, the noisier in orange, with mean, CVaR at `alpha` and half
    of the mode marked. Below a tolerance of 2 % the means are called the same. The pairs are the extremes of all that
    were compared, and the heading says how many those were.

    Raises UserError for returns that are not `[n]`.
    """
    samples = [files.read_returns(purd) for purd in purds]
    pairs = statistics.same_mean_pairs(samples, tolerance, most)
    if not pairs:
        return None
    with_run = len({purd.policy.run for purd in purds}) > 1
    with style.figure(
        path_out, style.TEXT_WIDTH * 0.75, 0.75 + len(pairs) * (_PANEL_INCHES + 2 * LINE_POINTS / 72.0)
    ) as figure:
        style.heading(
            figure,
            title,
            f"means within {100 * tolerance:g} %, std as different as possible",
            f"chosen among {labels.behind(purd.policy for purd in purds)}",
            handles=mark_handles(alpha),
        )
        axes = figure.subplots(len(pairs), 1, squeeze=False)[:, 0]
        for number, (axis, pair) in enumerate(zip(axes, pairs, strict=True), start=1):
            group = [
                Series(labels.policy(purds[index].policy, with_run), samples[index], colour)
                for index, colour in zip(pair, (style.BLUE, style.ORANGE), strict=True)
            ]
            edges = statistics.common_bins([one.returns for one in group])
            draw_panel(axis, f"pair {number}", group, edges, alpha, wrapped=False)
        figure.supxlabel(style.RETURN_LABEL, fontsize=8.0)
        figure.supylabel("share of policies (%)", fontsize=8.0)
    return path_out
