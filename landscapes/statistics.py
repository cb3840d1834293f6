"""What a sample of returns says: mode, left tail, CVaR, quantiles, and bootstrap intervals for all of them.

Knows float64 NumPy arrays of returns; knows nothing of policies, environments, files or figures.

Every statistic here takes returns `[n]` with n >= 1 and answers with one float. Returns that are not all finite make
every statistic nan: a policy whose roll-out diverged is never dropped silently, and a nan loses any comparison.
Everything is computed on the host in float64, as the order of summation, and with it the fullest bin of a histogram,
varies between accelerators.

"The paper" is Rahn, D'Oro et al., "Policy Optimization in a Noisy Neighborhood" (NeurIPS 2023, arXiv 2309.14597).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Any]
"""A function of returns `[n]` that answers with one number."""

NUM_BINS = 100
"""Bins of the histogram behind the mode, as in the paper's code."""

_ELEMENTS_AT_ONCE = 4_000_000
"""Resampled values held in memory at a time (32 MB), so that a bootstrap of a large sample does not need gigabytes."""


def mode(returns: ArrayLike) -> float:
    """The floored centre of the first fullest of 100 equal bins over [min, max].

    Equal returns (or a single one) are binned over [value - 0.5, value + 0.5], as `numpy.histogram` does, and give the
    floored value. The floor is towards minus infinity, so the result is a whole number. Source: the paper's code.
    """
    return _of_one(_mode_rows, returns)


def left_tail_probability(returns: ArrayLike, *, published: bool = False) -> float:
    """The share of returns strictly below half of their mode, in [0, 1]; lower is better.

    Half of a positive mode lies below it, and what falls under that line failed badly. Half of a mode that is zero or
    negative does not: the share would then count ordinary returns, and so the answer is nan. `published=True` gives
    the paper's formula whatever the sign of the mode. Source: the paper, section 3.
    """
    return _of_one(partial(_left_tail_rows, published=published), returns)


def cvar(returns: ArrayLike, alpha: float = 0.1) -> float:
    """q + mean(min(returns - q, 0)) / alpha with q the alpha-quantile (linear interpolation); higher is better.

    The mean of the lowest alpha * n returns exactly where alpha * n is whole, and the mean of all where alpha is 1.
    Where alpha * n < 1 the formula extrapolates and can lie below the least return: take more samples.

    Raises ValueError for alpha outside (0, 1]. Source: Rockafellar and Uryasev (2000), for the lower tail, as returns
    are gains; the paper uses alpha = 0.1.
    """
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"alpha={alpha}: must be in (0, 1]")
    return _of_one(partial(_cvar_rows, alpha=alpha), returns)


def mean(returns: ArrayLike) -> float:
    """The mean of the returns."""
    return _of_one(_mean_rows, returns)


def median(returns: ArrayLike) -> float:
    """The 0.5-quantile of the returns."""
    return quantile(returns, 0.5)


def std(returns: ArrayLike) -> float:
    """The standard deviation, dividing by n (not n - 1), so that a single return gives 0; lower is calmer."""
    return _of_one(_std_rows, returns)


def skewness(returns: ArrayLike) -> float:
    """The third central moment over the 1.5th power of the second, both dividing by n; negative is a left tail.

    Equal returns have no shape: nan. This is the estimator g1, `scipy.stats.skew` with its defaults.
    """
    return _of_one(_skewness_rows, returns)


def quantile(returns: ArrayLike, probability: float) -> float:
    """The quantile at `probability` in [0, 1], with linear interpolation; raises ValueError outside it."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability={probability}: must be in [0, 1]")
    return _of_one(partial(_quantile_rows, probability=probability), returns)


def quantiles(returns: ArrayLike, probabilities: ArrayLike) -> Floats:
    """The quantiles `[k]` at `probabilities` `[k]`, each in [0, 1], with linear interpolation."""
    return np.array([quantile(returns, float(p)) for p in np.atleast_1d(probabilities)], np.float64)


def interquartile_range(returns: ArrayLike) -> float:
    """The 0.75-quantile minus the 0.25-quantile; lower is calmer."""
    return _of_one(_interquartile_range_rows, returns)


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of what is left when a quarter (rounded down) is cut from each end of all values together.

    Args: values `[num_seeds]` or `[num_seeds, num_tasks]`. Fewer than four values give their mean.
    Source: Agarwal et al. (2021), as rliable computes it (`scipy.stats.trim_mean(values, 0.25, axis=None)`).
    """
    return _of_one(_interquartile_mean_rows, np.ravel(np.asarray(values, np.float64)))


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
    sample = _sample(returns)
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
    first, second = _sample(one), _sample(two)
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
    return _percentile_interval(_interquartile_mean_rows(np.sort(rows, axis=1)), confidence)


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
    sample = _sample(returns)
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


def of_rows(statistic: Statistic, rows: ArrayLike) -> Floats:
    """`statistic` `[m]` of each of rows `[m, n]` of finite returns, many at once where it is one of this module's.

    Each entry equals the statistic of that row alone, to the last bit.
    """
    table = np.asarray(rows, np.float64)
    rows_statistic = _on_sorted_rows(statistic)
    if rows_statistic is None:
        return np.array([float(statistic(row)) for row in table], np.float64)
    return rows_statistic(np.sort(table, axis=1))


def over_samples(statistic: Statistic, returns: ArrayLike) -> Floats:
    """`statistic` `[...]` along the last axis of returns `[..., n]`, as at each point of a path or a plane.

    nan where the returns of a point are not all finite; raises ValueError where there are none.
    """
    table = np.asarray(returns, np.float64)
    if table.ndim < 2 or table.size == 0:
        raise ValueError(f"returns of shape {table.shape}: must be [..., n] with n >= 1")
    rows = table.reshape(-1, table.shape[-1])
    finite = np.isfinite(rows).all(axis=1)
    found = np.full(len(rows), np.nan)
    if finite.any():
        found[finite] = of_rows(statistic, rows[finite])
    return found.reshape(table.shape[:-1])


class Valley(NamedTuple):
    """How far a path between two policies sinks below both of them."""

    depth: float
    """The lower of the two ends minus the lowest point, at least 0; in units of the return."""
    share: float
    """The depth as a share of the lower end; nan where that is not positive."""


def valley(values: ArrayLike) -> Valley:
    """The valley of a path whose points have these values `[num_points]`, ends included; nan where one is not finite.

    A path that rises or falls all the way has none, however bent it is. The lowest of many noisy points lies below
    their true value, so a depth is to be read beside the noise of a single point.
    """
    points = _sample(values)
    if not np.isfinite(points).all():
        return Valley(np.nan, np.nan)
    lower = float(min(points[0], points[-1]))
    depth = lower - float(points.min())
    return Valley(depth, depth / lower if lower > 0 else np.nan)


def share_in_left_tail(values: ArrayLike, reference: float) -> float:
    """The share of values strictly below half of a reference, as of a plane below half of its centre; lower is better.

    nan where the reference is not positive, as half of it would lie above it. A value that is not a number is counted:
    a policy that diverged is as bad as any.
    """
    flat = np.ravel(np.asarray(values, np.float64))
    if not reference > 0:
        return np.nan
    return float(1.0 - np.mean(flat >= 0.5 * reference))


def common_bins(samples: Iterable[ArrayLike], num_bins: int = 60) -> Floats:
    """The edges `[num_bins + 1]` of equal bins over all that is finite in samples `[n]` of any lengths.

    Around equal values, and around 0 where nothing is finite, the bins span 1, as those of `numpy.histogram`.
    """
    everything = np.concatenate([np.ravel(np.asarray(sample, np.float64)) for sample in samples])
    finite = everything[np.isfinite(everything)]
    return np.histogram_bin_edges(finite if finite.size else np.zeros(1), num_bins).astype(np.float64)


def histogram(returns: ArrayLike, edges: ArrayLike) -> Floats:
    """The share `[num_bins]` of all returns `[n]` in each bin; what is not finite counts among all and is in no bin."""
    sample = _sample(returns)
    counts, _ = np.histogram(sample[np.isfinite(sample)], np.asarray(edges, np.float64))
    return counts / sample.size


def same_mean_pairs(
    samples: Sequence[ArrayLike], tolerance: float = 0.02, most: int | None = None
) -> list[tuple[int, int]]:
    """Pairs (calmer, noisier) of samples `[n]` whose means agree, by their index; the widest apart in std first.

    Two means agree where they differ by at most `tolerance` times the one further from zero. Each sample is in one
    pair at most: the pair with the largest difference of std is taken, then the largest among the others, and so on,
    `most` in all. Samples that are not all finite are in none. These are the extremes of many comparisons: their
    difference is to be read with its interval, or measured again.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance}: must be at least 0")
    means = np.array([mean(sample) for sample in samples], np.float64)
    stds = np.array([std(sample) for sample in samples], np.float64)
    further = np.maximum(np.abs(means)[:, None], np.abs(means)[None, :])
    agree = np.abs(means[:, None] - means[None, :]) <= tolerance * further
    gaps = np.where(agree, stds[None, :] - stds[:, None], 0.0)
    pairs: list[tuple[int, int]] = []
    while gaps.size and gaps.max() > 0.0 and (most is None or len(pairs) < most):
        calm, noisy = (int(index) for index in np.unravel_index(gaps.argmax(), gaps.shape))
        pairs.append((calm, noisy))
        gaps[[calm, noisy], :] = 0.0
        gaps[:, [calm, noisy]] = 0.0
    return pairs


# Every statistic is defined once, below, on sorted finite rows `[m, n]` -> `[m]`, so that a point and its interval
# cannot disagree about the definition, and a bootstrap sorts each resample once instead of once a statistic.


def _mean_rows(rows: Floats) -> Floats:
    return rows.mean(axis=1)


def _std_rows(rows: Floats) -> Floats:
    return rows.std(axis=1)


def _skewness_rows(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    squared = centred * centred
    # Asked of the ends, not of the variance: equal returns may leave a variance of rounding errors.
    varies = rows[:, 0] < rows[:, -1]
    second = np.where(varies, squared.mean(axis=1), np.nan)
    return (squared * centred).mean(axis=1) / second**1.5


def _quantile_rows(rows: Floats, probability: float) -> Floats:
    position = probability * (rows.shape[1] - 1)
    below = int(position)
    above = min(below + 1, rows.shape[1] - 1)
    weight = position - below
    step = rows[:, above] - rows[:, below]
    # Interpolates from the nearer end, as numpy.quantile does, so that the two agree to the last bit.
    return rows[:, below] + step * weight if weight < 0.5 else rows[:, above] - step * (1.0 - weight)


def _interquartile_range_rows(rows: Floats) -> Floats:
    return _quantile_rows(rows, 0.75) - _quantile_rows(rows, 0.25)


def _cvar_rows(rows: Floats, alpha: float = 0.1) -> Floats:
    threshold = _quantile_rows(rows, alpha)
    shortfall = np.minimum(rows - threshold[:, None], 0.0)
    return threshold + shortfall.mean(axis=1) / alpha


def _interquartile_mean_rows(rows: Floats) -> Floats:
    cut = rows.shape[1] // 4
    return rows[:, cut : rows.shape[1] - cut].mean(axis=1)


def _mode_rows(rows: Floats) -> Floats:
    half = np.where(rows[:, 0] == rows[:, -1], 0.5, 0.0)
    edges = np.linspace(rows[:, 0] - half, rows[:, -1] + half, NUM_BINS + 1, axis=1)
    # Bins are closed on the left, the last one on both sides. Rows are sorted, so counting is looking up the edges.
    below = np.stack([row.searchsorted(row_edges) for row, row_edges in zip(rows, edges, strict=True)])
    below[:, -1] = rows.shape[1]
    fullest = np.diff(below, axis=1).argmax(axis=1)
    every = np.arange(len(rows))
    return (edges[every, fullest] + edges[every, fullest + 1]) // 2


def _left_tail_rows(rows: Floats, published: bool = False) -> Floats:
    modes = _mode_rows(rows)
    share = (rows < 0.5 * modes[:, None]).mean(axis=1)
    return share if published else np.where(modes > 0, share, np.nan)


def _median_rows(rows: Floats) -> Floats:
    return _quantile_rows(rows, 0.5)


_ROWS: dict[Any, Callable[..., Floats]] = {
    mode: _mode_rows,
    left_tail_probability: _left_tail_rows,
    cvar: _cvar_rows,
    mean: _mean_rows,
    median: _median_rows,
    std: _std_rows,
    skewness: _skewness_rows,
    quantile: _quantile_rows,
    interquartile_range: _interquartile_range_rows,
    interquartile_mean: _interquartile_mean_rows,
}
_SAME_AS_NUMPY: dict[Any, Statistic] = {np.mean: mean, np.median: median, np.std: std}


def _on_sorted_rows(statistic: Statistic) -> Callable[[Floats], Floats] | None:
    """The row-wise form of a statistic of this module, with the keywords bound to it; None for any other function."""
    statistic = _SAME_AS_NUMPY.get(statistic, statistic)
    if isinstance(statistic, partial):
        # Positionally bound arguments would stand where the returns go, so such a partial is not one of ours.
        known = _ROWS.get(statistic.func) if not statistic.args else None
        return known and partial(known, **statistic.keywords)
    return _ROWS.get(statistic)


def _resampled_values(sample: Floats, named: dict[str, Statistic], num_resamples: int, seed: int) -> dict[str, Floats]:
    """The value `[num_resamples]` of each of this module's statistics on one shared set of resamples."""
    if not _can_resample(sample):
        return {name: np.full(1, np.nan) for name in named}
    found: dict[str, list[Floats]] = {name: [] for name in named}
    for indices in _resamples(sample.size, num_resamples, seed):
        rows = np.sort(sample[indices], axis=1)
        for name, statistic in named.items():
            rows_statistic = _on_sorted_rows(statistic)
            assert rows_statistic is not None
            found[name].append(rows_statistic(rows))
    return {name: np.concatenate(values) for name, values in found.items()}


def _of_one(rows_statistic: Callable[[Floats], Floats], returns: ArrayLike) -> float:
    """`rows_statistic` of one sample, nan where it is not all finite."""
    sample = _sample(returns)
    if not np.isfinite(sample).all():
        return np.nan
    return float(rows_statistic(np.sort(sample)[None])[0])


def _sample(returns: ArrayLike) -> Floats:
    """`returns` as float64 `[n]`; raises ValueError for another shape or none at all."""
    sample = np.asarray(returns, np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"returns of shape {sample.shape}: must be [n] with n >= 1")
    return sample


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
