"""Intervals of what was looked at many times or comes in few groups: shared among the looks, or by Student's t.

Knows float64 NumPy arrays and the bootstrap beside it; knows nothing of policies, claims or files.

A percentile of a few thousand resamples says nothing about a chance of one in ten thousand, which is what is left of
5 % after hundreds of looks. So the corrected intervals are estimate ± z · (standard deviation over resamples), z the
normal quantile of 5 % shared among the looks (Bonferroni): wider than each one alone, and true of all of them
together.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from landscapes.statistics.samples import Floats, Statistic, as_sample, of_rows

NUM_RESAMPLES = 500


class Interval(NamedTuple):
    """An estimate and the ends of its interval; nan where it cannot be told."""

    value: float
    low: float
    high: float

    def scaled(self, by: float) -> "Interval":
        """The same in another unit; `by` above 0."""
        return Interval(self.value * by, self.low * by, self.high * by)


def normal_quantile(looks: int, confidence: float = 0.95) -> float:
    """How many standard errors an interval reaches, so that all of `looks` hold together with this confidence."""
    if looks < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"looks={looks}, confidence={confidence}: must be at least 1, and in (0, 1)")
    return NormalDist().inv_cdf(1.0 - (1.0 - confidence) / (2 * looks))


def standard_error(samples: Sequence[ArrayLike], statistic: Callable[..., Floats], seed: int = 0) -> float:
    """The standard deviation over resamples of `statistic(*rows)`, rows `[num_resamples, n]` of each sample.

    The samples `[n]` are paired: a resample takes the same entries of all. nan for a value that is not finite.
    """
    arrays = [as_sample(sample) for sample in samples]
    num = arrays[0].size
    if any(array.size != num for array in arrays):
        raise ValueError("paired samples differ in length")
    if num < 2 or not all(np.isfinite(array).all() for array in arrays):
        return math.nan
    indices = np.random.default_rng(seed).integers(num, size=(NUM_RESAMPLES, num))
    values = statistic(*(array[indices] for array in arrays))
    return float(np.std(values, ddof=1)) if np.isfinite(values).all() else math.nan


def corrected_difference(one: ArrayLike, two: ArrayLike, statistic: Statistic, looks: int) -> Interval:
    """`statistic(two) - statistic(one)` of paired samples `[n]`, its interval corrected for so many looks."""
    first, second = as_sample(one), as_sample(two)
    value = float(statistic(second) - statistic(first))
    error = standard_error([first, second], lambda x, y: of_rows(statistic, y) - of_rows(statistic, x))
    half = normal_quantile(looks) * error
    return Interval(value, value - half, value + half)


def corrected_ratio(one: ArrayLike, two: ArrayLike, statistic: Statistic, looks: int) -> Interval:
    """`statistic(two) / statistic(one)` of independent samples of any lengths, corrected; symmetric in its "
    "logarithm."""

    def logarithm(rows: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(of_rows(statistic, rows))

    values = [float(statistic(as_sample(sample))) for sample in (one, two)]
    if not all(value > 0 and math.isfinite(value) for value in values):
        return Interval(math.nan, math.nan, math.nan)
    error = math.hypot(*(standard_error([sample], logarithm) for sample in (one, two)))
    half = normal_quantile(looks) * error
    ratio = values[1] / values[0]
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half))


def student_quantile(freedom: int, looks: int = 1, confidence: float = 0.95) -> float:
    """The quantile of Student's t that an interval of `looks` reaches, by integrating its density: t = √ν tan θ makes
    it cos^(ν − 1) θ."""
    if freedom < 1:
        return math.nan
    theta = np.linspace(0.0, np.pi / 2, 200_001)
    density = np.cos(theta) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    inside = 1.0 - (1.0 - confidence) / looks
    return math.sqrt(freedom) * math.tan(float(np.interp(inside, below / below[-1], theta)))


def wilson(share: float, num: int, looks: int = 1, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share of `num` draws, corrected for so many looks; nan for a share that is none.

    Unlike Student's it has a width where all draws agree. Source: Wilson (1927); Newcombe (1998).
    """
    if not (num and math.isfinite(share)):
        return math.nan, math.nan
    z = normal_quantile(looks, confidence)
    middle = share + z * z / (2 * num)
    half = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    return (middle - half) / (1 + z * z / num), (middle + half) / (1 + z * z / num)


def mean_of_groups(values: Sequence[float], groups: Sequence[object], looks: int = 1) -> Interval:
    """The mean over groups of their own means, with Student's interval over the groups.

    What is in one group shares its luck (checkpoints of a seed): only groups count as independent. With one group, or
    a value that is not finite, there is no interval; with few, it is as wide as it must be.
    """
    table: dict[object, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        table.setdefault(group, []).append(float(value))
    means = np.array([np.mean(each) for each in table.values()], np.float64)
    if not means.size:
        return Interval(math.nan, math.nan, math.nan)
    value = float(means.mean())
    if means.size < 2 or not np.isfinite(means).all():
        return Interval(value, math.nan, math.nan)
    half = student_quantile(means.size - 1, looks) * float(means.std(ddof=1)) / math.sqrt(means.size)
    return Interval(value, value - half, value + half)


def share_of_groups(values: Sequence[float], groups: Sequence[object], looks: int = 1) -> Interval:
    """`mean_of_groups` of values from 0 to 1, its interval no narrower than Wilson's with one draw for each group and
    within 0 and 1.

    Where a few groups agree, Student's interval has no width; so few could have agreed by chance.
    """
    found = mean_of_groups(values, groups, looks)
    low, high = wilson(found.value, len(set(groups)), looks)
    return _hull(found, low, high, 0.0)


def difference_of_shares(one: Sequence[float], two: Sequence[float], looks: int = 1) -> Interval:
    """The mean of `two - one`, shares from 0 to 1 of the same groups, by Student's interval of the paired differences,
    no narrower than Newcombe's from Wilson's intervals of both means and within -1 and 1. Source: Newcombe (1998),
    method 10."""
    num = len(one)
    found = mean_of_groups([y - x for x, y in zip(one, two, strict=True)], range(num), looks)
    if math.isnan(found.low):
        return found
    first, second = float(np.mean(one)), float(np.mean(two))
    (low1, high1), (low2, high2) = wilson(first, num, looks), wilson(second, num, looks)
    low = found.value - math.hypot(second - low2, high1 - first)
    high = found.value + math.hypot(high2 - second, first - low1)
    return _hull(found, low, high, -1.0)


def _hull(found: Interval, low: float, high: float, least: float) -> Interval:
    """What holds both intervals, as far as there are such values: from `least` to 1."""
    if math.isnan(found.low) or math.isnan(low):
        return found
    return Interval(found.value, max(least, min(found.low, low)), min(1.0, max(found.high, high)))
