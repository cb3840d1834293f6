"""The claim about rejection: fresh returns of root, improved policy and control, root by root and over all roots.

Knows arrays of returns and which of them belong to one walk; opens no file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from landscapes import statistics
from landscapes.paper.claims import ALPHA, Claim, share_of, shown, together, verdict
from landscapes.statistics.corrected import corrected_difference, mean_of_groups

EQUAL_MEAN = 0.05
"""A mean is kept where it does not fall by more than this share of the root's."""


@dataclass(frozen=True)
class Walk:
    """A rejection: fresh returns `[n]` of root, improved policy and control under the same keys, and what the root's
    returns were when it was chosen."""

    algorithm: str
    label: str
    seed: object
    accepted: int
    proposals: int
    chosen_by: np.ndarray | None
    fresh: dict[str, np.ndarray]


def rejection(walks: Sequence[Walk], letter: str, algorithms: Sequence[str], wanted: int = 10) -> Claim:
    """(d, e) Rejection lowers the left tail and raises CVaR at equal mean, beside controls."""
    title = f"Rejection lowers the left tail at equal mean: {', '.join(algorithms)}"
    own = [walk for walk in walks if walk.algorithm in algorithms]
    looks = max(1, 2 * len(own))
    rows, verdicts, sentences = [], [], []
    for walk in own:
        cells = []
        for name, statistic in _judged(walk).items():
            values = " / ".join(_short(name, statistic(walk.fresh[who])) for who in walk.fresh)
            against = corrected_difference(walk.fresh["control"], walk.fresh["improved"], statistic, looks)
            cells += [values, shown(against, 1 if name in ("CVaR", "mean") else 3)]
        rows.append([walk.label, f"{walk.accepted} of {walk.proposals}", *cells])
    for algorithm in algorithms:
        of_this = [walk for walk in own if walk.algorithm == algorithm]
        if not of_this:
            continue
        seeds = [walk.seed for walk in of_this]
        overall = {name: mean_of_groups(_changes(of_this, name), seeds) for name in ("tail", "LTP", "CVaR", "mean")}
        kept = verdict(overall["mean"], -EQUAL_MEAN)
        parts = [verdict(overall["tail"], 0.0, above=False), verdict(overall["CVaR"], 0.0), kept]
        verdicts.append("seen" if set(parts) == {"seen"} else "not seen" if "not seen" in parts else "undecided")
        few = "" if len(of_this) >= wanted else f" ({wanted} were wanted: no more had a tail to lose, or were walked)"
        changes = {name: shown(overall[name], 3) for name in ("tail", "LTP")}
        changes |= {name: shown(overall[name].scaled(100), 1) for name in ("CVaR", "mean")}
        sentences.append(
            f"{algorithm}, {len(of_this)} roots{few}. Improved beside control, mean over roots: the share below half "
            f"of the root's median {changes['tail']}, LTP {changes['LTP']}, CVaR of {ALPHA} {changes['CVaR']} % and "
            f"mean {changes['mean']} % of the root's mean."
        )
    told = "No walk with fresh measurements."
    if own:
        sentences.append(
            "All on fresh returns whose keys no decision used. The claim is seen where the tail falls, CVaR rises "
            f"and the mean does not fall by {EQUAL_MEAN:.0%}: all three must hold, so that none is corrected. "
            "Intervals over roots are Student's over their seeds; those in the table are paired and corrected for "
            f"{looks} comparisons."
        )
        told = " ".join(sentences)
    columns = ["root", "accepted"]
    for name in ("tail", "LTP", "CVaR", "mean"):
        columns += [f"{name}: root / improved / control", "improved − control"]
    return Claim(letter, title, together(verdicts), told, tuple(columns), rows)


def _judged(walk: Walk) -> dict[str, Callable[[np.ndarray], float]]:
    """`tail` is the share below half of a median that is the root's, so that all three are held to one mark."""
    reference = statistics.median(walk.fresh["root"] if walk.chosen_by is None else walk.chosen_by)
    return {
        "tail": partial(statistics.share_in_left_tail, reference=reference),
        "LTP": statistics.left_tail_probability,
        "CVaR": partial(statistics.cvar, alpha=ALPHA),
        "mean": statistics.mean,
    }


def _changes(walks: Sequence[Walk], name: str) -> list[float]:
    """Improved − control of each walk; returns in units of the root's mean."""
    found = []
    for walk in walks:
        statistic = _judged(walk)[name]
        change = statistic(walk.fresh["improved"]) - statistic(walk.fresh["control"])
        scale = abs(statistics.mean(walk.fresh["root"])) if name in ("CVaR", "mean") else 1.0
        found.append(share_of(change, scale))
    return found


def _short(name: str, value: float) -> str:
    return f"{value:.0f}" if name in ("CVaR", "mean") else f"{value:.3f}"
