"""What several samples say together: valleys of paths, shares of planes, common histograms, pairs of one mean.

Knows arrays of returns; knows nothing of policies, files or figures.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from landscapes.statistics.samples import Floats, as_sample, mean, median, std


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
    points = as_sample(values)
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


def tail_below_median(returns: ArrayLike) -> float:
    """The share of returns `[n]` below half of their median; nan where that is not positive."""
    return share_in_left_tail(returns, median(returns))


def common_bins(samples: Iterable[ArrayLike], num_bins: int = 60) -> Floats:
    """The edges `[num_bins + 1]` of equal bins over all that is finite in samples `[n]` of any lengths.

    Around equal values, and around 0 where nothing is finite, the bins span 1, as those of `numpy.histogram`.
    """
    everything = np.concatenate([np.ravel(np.asarray(sample, np.float64)) for sample in samples])
    finite = everything[np.isfinite(everything)]
    return np.histogram_bin_edges(finite if finite.size else np.zeros(1), num_bins).astype(np.float64)


def histogram(returns: ArrayLike, edges: ArrayLike) -> Floats:
    """The share `[num_bins]` of all returns `[n]` in each bin; what is not finite counts among all and is in no bin."""
    sample = as_sample(returns)
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
