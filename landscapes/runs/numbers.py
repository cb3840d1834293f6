"""What was measured of one run, summarised: its learning curve, its PURDs and the fresh ones at the end of its walks.

Knows result files and which statistics a reader is told; defines no statistic and prints nothing.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from landscapes import statistics, storage
from landscapes.errors import UserError
from landscapes.statistics import tables

CSV_COLUMNS = (
    "run",
    "measured",
    "seed",
    "checkpoint",
    "kind",
    "amount",
    "num_samples",
    "statistic",
    "value",
    "low",
    "high",
)

FRESH = ("root", "improved", "control")
"""The policies that a walk measures afresh at its end, as its data sets are called."""


class Evaluation(NamedTuple):
    """One evaluation during training, over the seeds that have not diverged."""

    step: int
    num_seeds: int
    iqm: float
    low: float
    """Of the 95 % interval of the interquartile mean; nan for a single seed, as `high` is."""
    high: float
    lowest: float
    highest: float
    sampled: tuple[float, float, float] | None = None
    """The interquartile mean and its interval of the policies that are sampled from, where these were evaluated."""


class Purd(NamedTuple):
    """One PURD and `statistics.summarize` of it."""

    record: storage.PurdRecord
    summary: dict[str, float]


class Tested(NamedTuple):
    """The test episodes of a policy and `tables.episode_summary` of them."""

    record: storage.PurdRecord
    summary: dict[str, float]

    @property
    def acting(self) -> str:
        """`mode` or `sampled`."""
        return storage.TEST_KINDS[self.record.kind]


class Walk(NamedTuple):
    """One walk: how many proposals it accepted, and its fresh PURDs by policy (none of a walk that was stopped)."""

    record: storage.WalkRecord
    num_accepted: int
    num_proposals: int
    fresh: dict[str, dict[str, float]]


class Numbers(NamedTuple):
    """What was measured of a run."""

    run: storage.Run
    evaluations: tuple[Evaluation, ...]
    purds: tuple[Purd, ...]
    tests: tuple[Tested, ...]
    walks: tuple[Walk, ...]
    best: Mapping[int, storage.Best]
    """By seed."""
    found: storage.Measurements
    problems: tuple[str, ...]
    """One line for each file that could not be read."""

    @property
    def final(self) -> Evaluation | None:
        """The last evaluation, if there was any."""
        return self.evaluations[-1] if self.evaluations else None


def count_purds(found: storage.Measurements) -> int:
    """How many distributions `read_numbers` will summarise at most, which is what takes its time."""
    return len(found.purds) + len(found.tests) + len(FRESH) * len(found.walks)


def read_numbers(
    run: storage.Run,
    found: storage.Measurements,
    intervals: bool = True,
    wanted: Callable[[storage.PurdRecord], bool] = lambda record: True,
    done: Callable[[int], None] = lambda count: None,
) -> Numbers:
    """The numbers of a run in which `found` was found; `done(1)` is called after each distribution.

    Without `intervals` nothing is resampled, which takes a hundredth of the time. Raises nothing for damaged files.
    """
    problems = list(found.unreadable)
    summarize = functools.partial(_summarize, intervals=intervals, done=done)
    evaluations: tuple[Evaluation, ...] = ()
    best: Mapping[int, storage.Best] = {}
    if found.curves is not None:
        try:
            datasets, _ = storage.read_hdf5(found.curves, "curves")
            evaluations = tuple(_evaluations(datasets, _healthy(run)))
            best = storage.best_checkpoints(run)
        except UserError as error:
            problems.append(str(error))
    read = storage.reader("file")
    purds = tuple(Purd(x, summarize(read(x.path)[x.dataset])) for x in found.purds if wanted(x))
    tests = tuple(_test(x, read(x.path), intervals, done) for x in found.tests)
    walks = tuple(_walk(x, read(x.path), summarize) for x in found.walks)
    return Numbers(run, evaluations, purds, tests, walks, best, found, tuple(problems))


def csv_rows(numbers: Numbers) -> Iterator[list[object]]:
    """Every statistic as entries under `CSV_COLUMNS`; what does not apply, or has no interval, is empty."""
    name = numbers.run.name
    for x in numbers.evaluations:
        about = [name, "return in training", "", x.step, "", "", x.num_seeds]
        yield [*about, "iqm", x.iqm, *(("", "") if np.isnan(x.low) else (x.low, x.high))]
        if x.sampled is not None:
            value, low, high = x.sampled
            yield [*about, "sampled iqm", value, *(("", "") if np.isnan(low) else (low, high))]
    for purd in numbers.purds:
        policy = purd.record.policy
        yield from _statistics(
            [name, "purd", policy.seed, policy.step, purd.record.kind, purd.record.amount], purd.summary
        )
    for test in numbers.tests:
        policy = test.record.policy
        about = [name, "test episodes", policy.seed, policy.step, test.acting, test.record.amount]
        yield from _statistics(about, test.summary)
    for walk in numbers.walks:
        for policy_name, summary in walk.fresh.items():
            root = walk.record.root
            about = [name, f"fresh purd, {policy_name}", root.seed, root.step, walk.record.group, ""]
            yield from _statistics(about, summary)


def _statistics(about: Sequence[object], summary: Mapping[str, float]) -> Iterator[list[object]]:
    num_samples = int(summary["num_samples"])
    for name, value in summary.items():
        if name != "num_samples" and not name.endswith(("_low", "_high")):
            yield [*about, num_samples, name, value, summary.get(f"{name}_low", ""), summary.get(f"{name}_high", "")]


def _summarize(returns: np.ndarray, intervals: bool, done: Callable[[int], None]) -> dict[str, float]:
    summary = statistics.summarize(returns, intervals=intervals)
    done(1)
    return summary


def _evaluations(datasets: Mapping[str, np.ndarray], healthy: Sequence[int]) -> Iterator[Evaluation]:
    if "returns" not in datasets or not healthy:
        return
    others = datasets.get("sampled/returns", np.full(datasets["returns"].shape, np.nan))[:, healthy]
    for step, returns, sampled in zip(datasets["steps"], datasets["returns"][:, healthy], others, strict=True):
        told = None if np.isnan(sampled).all() else _iqm(sampled)
        extremes = float(returns.min()), float(returns.max())
        yield Evaluation(int(step), len(healthy), *_iqm(returns), *extremes, told)


def _iqm(returns: np.ndarray) -> tuple[float, float, float]:
    return statistics.interquartile_mean(returns), *statistics.iqm_interval(returns)


def _healthy(run: storage.Run) -> list[int]:
    """Seeds that have not diverged, as training itself summarises them."""
    return [seed for seed in range(run.num_seeds) if str(seed) not in (run.record.get("diverged") or {})]


def _test(
    record: storage.PurdRecord, datasets: Mapping[str, np.ndarray], intervals: bool, done: Callable[[int], None]
) -> Tested:
    lengths = datasets[record.dataset.replace("und_returns/", "lengths/", 1)]
    summary = tables.episode_summary(datasets[record.dataset], lengths, intervals)
    done(1)
    return Tested(record, summary)


def _walk(
    record: storage.WalkRecord, datasets: Mapping[str, np.ndarray], summarize: Callable[[np.ndarray], dict[str, float]]
) -> Walk:
    accepted = datasets[f"{record.group}/accepted"][1:]
    names = {name: f"{record.group}/fresh/{name}" for name in FRESH}
    fresh = {name: summarize(datasets[dataset]) for name, dataset in names.items() if dataset in datasets}
    return Walk(record, int(accepted.sum()), len(accepted), fresh)
