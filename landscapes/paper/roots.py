"""Which policies rejection starts from and which are cloned: chosen by a stated rule from what was measured.

Knows arrays of returns and where they were measured; opens no file and knows no result of any walk.

The rule for roots. Of all policies that were measured, those *have a tail to lose* whose left tail is above 1 % for
sure: the lower end of its 95 % Wilson interval. The tail is the published left-tail probability, the share of returns
below half of the mode, or the share below half of the median where that is larger, as it is where the mode itself is
the failing bump. Taken are the largest, at most three of one seed, as many as are asked for. Whoever is chosen for a
large tail had luck as well: only fresh measurements of the root count afterwards.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from landscapes import statistics
from landscapes.statistics.corrected import wilson
from landscapes.storage import PolicyName

LEAST_TAIL = 0.01
MOST_OF_A_SEED = 3
LIKE_MEANS = 0.02
"""Two means are alike where they differ by at most this share of the one further from 0."""


class Measured(NamedTuple):
    """A policy and its returns one update away, `[n]`."""

    policy: PolicyName
    returns: np.ndarray


class Root(NamedTuple):
    """A policy that has a tail to lose."""

    policy: PolicyName
    tail: float
    by: str
    """`LTP`, or `median` where that share is larger: the published measure is then blind."""


class Choice(NamedTuple):
    """The roots, and what they were chosen among."""

    roots: tuple[Root, ...]
    num_measured: int
    num_with_ltp: int
    num_with_median: int
    """Those whose tail is by the median."""


def tail_of(measured: Measured) -> Root | None:
    """The tail that a policy has to lose, None where it has none."""
    num = len(measured.returns)
    by_mode = statistics.left_tail_probability(measured.returns)
    by_median = statistics.tail_below_median(measured.returns)
    if math.isnan(by_mode) or by_median > by_mode + 0.5 / num:  # by a sample at least
        root = Root(measured.policy, by_median, "median")
    else:
        root = Root(measured.policy, by_mode, "LTP")
    return root if wilson(root.tail, num)[0] > LEAST_TAIL else None


def choose_roots(measured: Sequence[Measured], most: int) -> Choice:
    """At most `most` roots, by the rule above; the order of equal ones is that of their names."""
    found = [root for root in map(tail_of, measured) if root is not None]
    found.sort(key=lambda root: (-root.tail, root.policy))
    taken: list[Root] = []
    for root in found:
        of_seed = sum(other.policy[:2] == root.policy[:2] for other in taken)
        if len(taken) < most and of_seed < MOST_OF_A_SEED:
            taken.append(root)
    with_ltp = sum(root.by == "LTP" for root in found)
    return Choice(tuple(taken), len(measured), with_ltp, len(found) - with_ltp)


def choose_pairs(measured: Sequence[Measured], most: int) -> list[tuple[Measured, Measured]]:
    """At most `most` pairs (calm, noisy) of means within 2 %, those first whose stds differ most."""
    samples = [one.returns for one in measured]
    return [(measured[calm], measured[noisy]) for calm, noisy in statistics.same_mean_pairs(samples, LIKE_MEANS, most)]
