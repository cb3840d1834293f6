"""How far a statistic of a sample is known: bootstrap intervals, and all statistics of one sample with theirs.

Knows statistics of samples; knows nothing of where returns come from or how a table shows them.
"""

from collections.abc import Collection, Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landscapes.statistics.samples import (
    Floats,
    Statistic,
    as_sample,
    cvar,
    interquartile_mean_rows,
    interquartile_range,
    left_tail_probability,
    mean,
    median,
    mode,
    of_rows,
    on_sorted_rows,
    quantile,
    skewness,
    std,
)

_ELEMENTS_AT_ONCE = 4_000_000
"""Resampled values held in memory at a time (32 MB), so that a bootstrap of a large sample does not need gigabytes."""


def bootstrap_interval(
    returns: ArrayLike,
    statistic: Statistic,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap interval (low, high) of a statistic of returns `[n]`.

    `statistic` is any function of `[n]` returns; this module's own (also as `functools.partial` with other arguments)
    are computed for many resamples at once. A statistic that is nan on any resample makes both ends nan: for instance
    the left-tail probability where resampling moves the mode to zero or below. So do returns that are not all finite,
    and a single return, whose resamples could not differ.

    Random: the resamples, drawn from `seed` alone. Raises ValueError for a confidence outside (0, 1) or no resamples.
    Source: Efron and Tibshirani (1993), chapter 13.
    """
    sample = as_sample(returns)
    _check_bootstrap(confidence, num_resamples)
    statistic(sample)  # raises here, once, where its arguments are wrong
    if not _can_resample(sample):
        return np.nan, np.nan
    found = [of_rows(statistic, sample[indices]) for indices in _resamples(sample.size, num_resamples, seed)]
    return _percentile_interval(np.concatenate(found), confidence)


def paired_bootstrap_interval(
    one: ArrayLike,
    two: ArrayLike,
    statistic: Statistic,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap interval (low, high) of `statistic(two) - statistic(one)` for paired returns.

    Args: one, two `[n]` with entry i of both drawn on the same random numbers; each resample takes the same entries
    of both, so that what the pair shares cancels. Where the samples are independent, pairing is not justified by
    anything but an accident of order. Otherwise as `bootstrap_interval`; raises ValueError where the lengths differ.
    """
    first, second = as_sample(one), as_sample(two)
    if first.size != second.size:
        raise ValueError(f"paired samples differ in length: {first.size} and {second.size}")
    _check_bootstrap(confidence, num_resamples)
    statistic(first)
    if not (_can_resample(first) and _can_resample(second)):
        return np.nan, np.nan
    found = [
        of_rows(statistic, second[indices]) - of_rows(statistic, first[indices])
        for indices in _resamples(first.size, num_resamples, seed)
    ]
    return _percentile_interval(np.concatenate(found), confidence)


def iqm_interval(
    values: ArrayLike, confidence: float = 0.95, num_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The stratified percentile bootstrap interval (low, high) of the interquartile mean over seeds.

    Args: values `[num_seeds]`, or `[num_seeds, num_tasks]`, where seeds are resampled within each task apart, as
    tasks are fixed and seeds are random. nan where a value is not finite or there is one seed only.
    Random: the resamples, drawn from `seed` alone. Source: Agarwal et al. (2021), as rliable.
    """
    table = np.asarray(values, np.float64)
    if table.ndim not in (1, 2) or table.size == 0:
        raise ValueError(f"values of shape {table.shape}: must be [num_seeds] or [num_seeds, num_tasks], not empty")
    _check_bootstrap(confidence, num_resamples)
    table = table.reshape(table.shape[0], -1)
    num_seeds, num_tasks = table.shape
    if num_seeds < 2 or not np.isfinite(table).all():
        return np.nan, np.nan
    generator = np.random.default_rng(seed)
    indices = generator.integers(num_seeds, size=(num_resamples, num_seeds, num_tasks))
    rows = table[indices, np.arange(num_tasks)].reshape(num_resamples, -1)
    return _percentile_interval(interquartile_mean_rows(np.sort(rows, axis=1)), confidence)


def summarize(
    returns: ArrayLike,
    alpha: float = 0.1,
    intervals: bool = True,
    seed: int = 0,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    names: Collection[str] | None = None,
) -> dict[str, float]:
    """Every statistic of returns `[n]` by name, with `{name}_low` and `{name}_high` where `intervals` is true.

    Names: mean, std, mode, ltp, cvar (at alpha), median, q05, q25, q75, q95, iqr, skewness; and num_samples, which
    has no interval. Only those in `names` where it is given, which saves time. One set of resamples, drawn from
    `seed`, serves all, and each interval equals `bootstrap_interval` of that statistic with the same seed.
    """
    sample = as_sample(returns)
    named: dict[str, Statistic] = {
        "mean": mean,
        "std": std,
        "mode": mode,
        "ltp": left_tail_probability,
        "cvar": partial(cvar, alpha=alpha),
        "median": median,
        "q05": partial(quantile, probability=0.05),
        "q25": partial(quantile, probability=0.25),
        "q75": partial(quantile, probability=0.75),
        "q95": partial(quantile, probability=0.95),
        "iqr": interquartile_range,
        "skewness": skewness,
    }
    if names is not None:
        named = {name: named[name] for name in names}
    summary: dict[str, float] = {name: statistic(sample) for name, statistic in named.items()}
    if intervals:
        _check_bootstrap(confidence, num_resamples)
        for name, values in _resampled_values(sample, named, num_resamples, seed).items():
            summary[f"{name}_low"], summary[f"{name}_high"] = _percentile_interval(values, confidence)
    summary["num_samples"] = sample.size
    return summary


def _resampled_values(sample: Floats, named: dict[str, Statistic], num_resamples: int, seed: int) -> dict[str, Floats]:
    """The value `[num_resamples]` of each of this module's statistics on one shared set of resamples."""
    if not _can_resample(sample):
        return {name: np.full(1, np.nan) for name in named}
    found: dict[str, list[Floats]] = {name: [] for name in named}
    for indices in _resamples(sample.size, num_resamples, seed):
        rows = np.sort(sample[indices], axis=1)
        for name, statistic in named.items():
            rows_statistic = on_sorted_rows(statistic)
            assert rows_statistic is not None
            found[name].append(rows_statistic(rows))
    return {name: np.concatenate(values) for name, values in found.items()}


def _can_resample(sample: Floats) -> bool:
    return sample.size > 1 and bool(np.isfinite(sample).all())


def _check_bootstrap(confidence: float, num_resamples: int) -> None:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence={confidence}: must be in (0, 1)")
    if num_resamples < 1:
        raise ValueError(f"num_resamples={num_resamples}: must be at least 1")


def _resamples(num_samples: int, num_resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices `[m, num_samples]` drawn with replacement, a bounded number of rows at a time."""
    generator = np.random.default_rng(seed)
    rows_at_once = max(1, _ELEMENTS_AT_ONCE // num_samples)
    for done in range(0, num_resamples, rows_at_once):
        yield generator.integers(num_samples, size=(min(rows_at_once, num_resamples - done), num_samples))


def _percentile_interval(values: Floats, confidence: float) -> tuple[float, float]:
    """The central `confidence` share of values; nan, nan where any is nan."""
    if np.isnan(values).any():
        return np.nan, np.nan
    low, high = np.quantile(values, [(1.0 - confidence) / 2, (1.0 + confidence) / 2])
    return float(low), float(high)
