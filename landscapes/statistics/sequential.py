"""When a part of a sample is enough: whether the returns still to come could change a verdict on the whole.

Knows float64 arrays of returns and statistics of them; knows nothing of policies, of heuristics or of how one samples.

The verdict on all N returns is "pass" where a statistic of them is good enough. After n of them the N - n to come are
completed at random many times, and sampling may end where hardly any completion passes. Completions are drawn from a
Polya urn (Ghosh and Meeden, 1997) that holds the n returns seen **and one more, as good as the best of them**. That one
makes the share of passing completions a p-value and not just an opinion: for returns of two values (it fails or it
does not) it *equals* the hypergeometric probability of a beginning as bad as the one seen, given a whole that only
just passes (as long as one seen did not fail). For other returns this is the finite form of the bound of Gaffke (2005)
and of Learned-Miller and Thomas (2019) for means of variables that are bounded on one side, whose validity is
conjectured, not proven; `docs/results/sequential.py` checks it by simulation. CVaR is such a mean: of shortfalls below
a quantile, which are at most 0. The order of the returns must be by chance, as that of independent samples is; what
they are compared with may depend on the same random numbers.

It fails where a statistic has no such bound, and must not be used there: for the mean of returns (CVaR at 1), where one
enormous return still to come can turn everything, and for the left-tail probability, where one can move the mode.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from landscapes import statistics
from landscapes.statistics import Floats, Statistic

LOOK_SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""Shares of a sample after which one looks."""

LOOK_MULTIPLE = 64
"""Looks are at multiples of this on every machine: fewer roll-outs than go side by side save no time."""

LAST_LOOK = 0.8
"""Share of a sample after which a look could save too little."""

_PASSES_RESOLVED = 20
"""Completions are so many that at the limit of what is tolerated about this many of them pass."""

_NUM_COMPLETIONS = (999, 19_999)
"""Fewest and most completions for one look. Where the most are too few for a tiny error, nothing is ever decided."""

_ELEMENTS_AT_ONCE = 2_000_000
"""Completed returns held in memory at a time (16 MB)."""


class Looks(NamedTuple):
    """When sampling may end before the last sample: as soon as there are as many as each of `sizes` (rising),
    `enough(returns)` is asked of that many, the first."""

    sizes: tuple[int, ...]
    enough: Callable[[np.ndarray], bool]

    def after(self, returns: np.ndarray) -> "Looks":
        """Those to come, for a sampling that goes on where these returns were the beginning."""
        sizes = tuple(size - len(returns) for size in self.sizes if size > len(returns))
        return Looks(sizes, lambda more: self.enough(np.concatenate([returns, more])))


def look_sizes(num_samples: int) -> tuple[int, ...]:
    """After how many of `num_samples` returns to look, rising; none where there are too few to save any."""
    rounded = {LOOK_MULTIPLE * math.ceil(share * num_samples / LOOK_MULTIPLE) for share in LOOK_SHARES}
    return tuple(sorted(size for size in rounded if size <= LAST_LOOK * num_samples))


def num_completions(error: float) -> int:
    """How many completions resolve a share of `error`."""
    fewest, most = _NUM_COMPLETIONS
    return min(max(math.ceil(_PASSES_RESOLVED / error) - 1, fewest), most)


def completions(returns: Floats, num_samples: int, count: int, generator: np.random.Generator) -> Floats:
    """`count` ways in which returns `[n]` may become `num_samples` of them: sorted rows `[count, num_samples]`.

    Each row holds the returns seen and num_samples - n draws from the urn. Draws from a Polya urn are independent
    draws under weights that are themselves drawn from Dirichlet(1, ..., 1).

    Args: returns: finite, 1 <= n < num_samples.
    """
    seen = np.sort(np.asarray(returns, np.float64))
    urn = np.append(seen, seen[-1])
    weights = generator.standard_exponential((count, urn.size))
    weights /= weights.sum(axis=1, keepdims=True)
    times = generator.multinomial(num_samples - seen.size, weights)
    times[:, :-1] += 1  # the returns seen are part of the whole, the one added is not
    return np.repeat(np.tile(urn, count), times.ravel()).reshape(count, num_samples)


def completed(
    statistic: Statistic, returns: Floats, num_samples: int, count: int, generator: np.random.Generator
) -> Floats:
    """`statistic` `[count]` of as many completions of returns `[n]`, each equal to that of the completed sample."""
    parts = [
        statistics.of_rows(statistic, completions(returns, num_samples, rows, generator))
        for rows in _blocks(count, max(1, _ELEMENTS_AT_ONCE // num_samples))
    ]
    return np.concatenate(parts)


def is_hopeless(passes: np.ndarray, error: float) -> bool:
    """Whether so few completions pass (`[count]`, true where one does) that the verdict may be given at this error.

    One passing completion is counted that was not drawn, as in every Monte Carlo test: then no share is ever zero.
    """
    return bool((1 + np.count_nonzero(passes)) / (1 + passes.size) <= error)


def _blocks(count: int, most: int) -> Iterator[int]:
    for done in range(0, count, most):
        yield min(most, count - done)
