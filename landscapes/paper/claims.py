"""The published claims, computed with intervals from stored results: what was looked at, how often, and what came out.

Knows arrays of returns and which of them belong together; opens files through the study's readers, and writes none.

Verdicts are mechanical, by the thresholds below: `seen` where the interval lies on the claim's side of the threshold,
`not seen` where it lies on the other, `undecided` where it holds it, `not measured` where there is nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from landscapes import statistics
from landscapes.paper.roots import LEAST_TAIL, LIKE_MEANS, Measured, choose_pairs
from landscapes.statistics import tables
from landscapes.statistics.corrected import (
    Interval,
    corrected_ratio,
    difference_of_shares,
    share_of_groups,
    wilson,
)

ALPHA = 0.1
UNLIKE = 2.0
"""Spreads are unlike where one is at least so many times the other."""
VALLEY = 0.1
"""A path has a valley where its mean sinks by more than this share below its lower end."""


@dataclass(frozen=True)
class Claim:
    """One claim: its verdict, what it rests on in one sentence, and a table of what was looked at."""

    letter: str
    title: str
    verdict: str
    told: str
    columns: tuple[str, ...] = ()
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Path:
    """A path between two policies: mean returns `[num_points]`, and which seeds it touches."""

    group: str
    seed: object
    same_seed: bool
    means: np.ndarray


def verdict(interval: Interval, threshold: float, above: bool = True) -> str:
    """Where the interval lies beside the threshold."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return "undecided"
    low, high = (interval.low, interval.high) if above else (-interval.high, -interval.low)
    limit = threshold if above else -threshold
    return "seen" if low > limit else "not seen" if high < limit else "undecided"


def together(verdicts: Sequence[str]) -> str:
    """What several verdicts come to, of what was measured: one word where they agree, else how many of each."""
    counts = {word: verdicts.count(word) for word in ("seen", "undecided", "not seen") if word in verdicts}
    if not counts:
        return "not measured"
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{word} in {n}" for word, n in counts.items())


def shown(interval: Interval, digits: int = 2) -> str:
    """The estimate with its interval."""
    missing = " (no interval)" if math.isnan(interval.low) and not math.isnan(interval.value) else ""
    return tables.with_interval(*interval, f".{digits}f") + missing


def like_means(groups: dict[str, list[Measured]], most: int = 3) -> Claim:
    """(a) Policies of one mean and unlike spread."""
    looks = sum(len(group) * (len(group) - 1) // 2 for group in groups.values())
    rows, verdicts = [], []
    for name, group in groups.items():
        best = "not seen"
        for calm, noisy in choose_pairs(group, most):
            ratio = corrected_ratio(calm.returns, noisy.returns, statistics.std, looks)
            of_pair = verdict(ratio, UNLIKE)
            best = "seen" if "seen" in (best, of_pair) else "undecided" if "undecided" in (best, of_pair) else best
            cells = [f"{one.returns.mean():.0f} / {one.returns.std():.1f}" for one in (calm, noisy)]
            rows.append([name, _policy(calm), cells[0], _policy(noisy), cells[1], shown(ratio), of_pair])
        verdicts += [best] if len(group) > 1 else []
    told = (
        f"{looks} pairs of policies of one run were compared; means within {LIKE_MEANS:.0%} are one mean, and a "
        f"spread is unlike from {UNLIKE:g} times the other on. Pairs are chosen for their difference, so their "
        f"intervals are corrected for all {looks}."
    )
    columns = ("run", "calm", "mean / std", "noisy", "mean / std", "ratio of stds", "verdict")
    return Claim("a", "Policies of one mean and unlike spread", together(verdicts), told, columns, rows)


def left_tails(groups: dict[str, list[Measured]]) -> Claim:
    """(b) Left tails after one update."""
    rows, verdicts = [], []
    looks = max(1, len(groups))
    num = max(1, sum(map(len, groups.values())))
    for name, group in groups.items():
        seeds = [one.policy[:2] for one in group]
        left = share_of_groups([float(statistics.skewness(one.returns) < 0) for one in group], seeds, looks)
        relative = [share_of(statistics.std(one.returns), statistics.mean(one.returns)) for one in group]
        tails = [
            (statistics.left_tail_probability(one.returns), statistics.tail_below_median(one.returns), len(one.returns))
            for one in group
        ]
        of_mode, of_median = (
            sum(wilson(tail[which], tail[2], num)[0] > LEAST_TAIL for tail in tails) for which in (0, 1)
        )
        of_group = verdict(left, 0.5)
        verdicts.append(of_group)
        cells = [str(len(group)), shown(left), f"{np.median(relative):.3f}", str(of_mode), str(of_median), of_group]
        rows.append([name, *cells])
    told = (
        f"Of {num} policies in all. A distribution is left-tailed where its skewness is below 0; the claim is that "
        f"most are. Intervals are Student's over seeds, no narrower than Wilson's, corrected for {_runs(looks)}. "
        f"Beside it how many have a left tail above {LEAST_TAIL:.0%} for sure (Wilson, corrected for "
        f"{num}): by half of the mode, as published, and by half of the median."
    )
    columns = (
        "run",
        "policies",
        "share left-tailed",
        "std / mean, median",
        "tail by mode",
        "tail by median",
        "verdict",
    )
    return Claim("b", "Left tails after one update", together(verdicts), told, columns, rows)


def valleys(paths: Sequence[Path]) -> Claim:
    """(c) No valleys within a seed, valleys across."""
    rows, verdicts = [], []
    names = list(dict.fromkeys(path.group for path in paths))
    looks = max(1, len(names))
    for name in names:
        shares: dict[bool, dict[object, list[float]]] = {True: {}, False: {}}
        depths: dict[bool, list[float]] = {True: [], False: []}
        for path in (path for path in paths if path.group == name):
            share = statistics.valley(path.means).share
            depths[path.same_seed].append(share)
            shares[path.same_seed].setdefault(path.seed, []).append(float(share > VALLEY))
        both = [seed for seed in shares[True] if seed in shares[False]]
        within, across = ([float(np.mean(shares[same][seed])) for seed in both] for same in (True, False))
        difference = difference_of_shares(within, across, looks)
        of_group = verdict(difference, 0.0) if depths[True] and depths[False] else "not measured"
        verdicts.append(of_group)
        cells = []
        for same in (True, False):
            with_valley = sum(sum(each) for each in shares[same].values())
            middle = f"{np.median(depths[same]):.3f}" if depths[same] else "none"
            cells += [f"{with_valley:.0f} of {len(depths[same])}", middle]
        rows.append([name, *cells, shown(difference), of_group])
    told = (
        f"{len(paths)} paths. A path has a valley where its mean sinks by more than {VALLEY:.0%} below its lower end; "
        "the lowest of many noisy points lies below its true value, on both sides alike. Intervals of the difference "
        f"are Student's over seeds, no narrower than Newcombe's, corrected for {_runs(looks)}."
    )
    columns = (
        "run",
        "within: valleys",
        "median depth",
        "across: valleys",
        "median depth",
        "across − within",
        "verdict",
    )
    return Claim("c", "Valleys across runs, none within one", together(verdicts), told, columns, rows)


def share_of(part: float, whole: float) -> float:
    """The part of a whole; nan of nothing."""
    return part / whole if whole else math.nan


def _policy(one: Measured) -> str:
    return f"seed {one.policy.seed}, {one.policy.step}"


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count > 1)}"
