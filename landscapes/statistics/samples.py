"""What a sample of returns says: mode, left tail, CVaR, quantiles, and bootstrap intervals for all of them.

Knows float64 NumPy arrays of returns; knows nothing of policies, environments, files or figures.

Every statistic here takes returns `[n]` with n >= 1 and answers with one float. Returns that are not all finite make
every statistic nan: a policy whose roll-out diverged is never dropped silently, and a nan loses any comparison.
Everything is computed on the host in float64, as the order of summation, and with it the fullest bin of a histogram,
varies between accelerators.

"The paper" is Rahn, D'Oro et al., "Policy Optimization in a Noisy Neighborhood" (NeurIPS 2023, arXiv 2309.14597).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Any]
"""A function of returns `[n]` that answers with one number."""

NUM_BINS = 100
"""Bins of the histogram behind the mode, as in the paper's code."""


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
    return _of_one(interquartile_mean_rows, np.ravel(np.asarray(values, np.float64)))


def of_rows(statistic: Statistic, rows: ArrayLike) -> Floats:
    """`statistic` `[m]` of each of rows `[m, n]` of finite returns, many at once where it is one of this module's.

    Each entry equals the statistic of that row alone, to the last bit.
    """
    table = np.asarray(rows, np.float64)
    rows_statistic = on_sorted_rows(statistic)
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


def interquartile_mean_rows(rows: Floats) -> Floats:
    """`interquartile_mean` `[m]` of sorted finite rows `[m, n]`."""
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
    interquartile_mean: interquartile_mean_rows,
}
_SAME_AS_NUMPY: dict[Any, Statistic] = {np.mean: mean, np.median: median, np.std: std}


def on_sorted_rows(statistic: Statistic) -> Callable[[Floats], Floats] | None:
    """The row-wise form of a statistic of this module, with the keywords bound to it; None for any other function."""
    statistic = _SAME_AS_NUMPY.get(statistic, statistic)
    if isinstance(statistic, partial):
        # Positionally bound arguments would stand where the returns go, so such a partial is not one of ours.
        known = _ROWS.get(statistic.func) if not statistic.args else None
        return known and partial(known, **statistic.keywords)
    return _ROWS.get(statistic)


def _of_one(rows_statistic: Callable[[Floats], Floats], returns: ArrayLike) -> float:
    """`rows_statistic` of one sample, nan where it is not all finite."""
    sample = as_sample(returns)
    if not np.isfinite(sample).all():
        return np.nan
    return float(rows_statistic(np.sort(sample)[None])[0])


def as_sample(returns: ArrayLike) -> Floats:
    """`returns` as float64 `[n]`; raises ValueError for another shape or none at all."""
    sample = np.asarray(returns, np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"returns of shape {sample.shape}: must be [n] with n >= 1")
    return sample
