"""The claim about clones: whether the noise of a pair of policies is in their behaviour or in their weights.

Knows arrays of returns and whose clones they are of; opens no file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscapes import statistics
from landscapes.paper.claims import Claim, share_of, shown, verdict
from landscapes.statistics.corrected import Interval, mean_of_groups


@dataclass(frozen=True)
class Clones:
    """A pair of policies of like mean, and the clones of both, one array of returns each."""

    label: str
    calm: np.ndarray
    noisy: np.ndarray
    of_calm: list[np.ndarray]
    of_noisy: list[np.ndarray]


def cloning(pairs: Sequence[Clones]) -> Claim:
    """(f) Whether noise follows behaviour or weights."""
    rows, words = [], []
    for pair in pairs:
        share = followed(pair)
        side = {"seen": "behaviour", "not seen": "weights", "undecided": "undecided"}[verdict(share, 0.5)]
        words.append(side)
        stds = [f"{statistics.std(x):.1f}" for x in (pair.calm, pair.noisy)]
        clones = [", ".join(f"{x.mean():.0f} / {x.std():.1f}" for x in of) for of in (pair.of_calm, pair.of_noisy)]
        rows.append([pair.label, *stds, *clones, shown(share), side])
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    told = (
        f"{len(pairs)} pairs. The number is how much of the difference in log std between the two policies their "
        "clones keep: 1 where it follows the behaviour, 0 where other weights of the same behaviour have lost it. "
        "Intervals over clones are Student's; not corrected."
    )
    columns = ("pair", "std, calm", "std, noisy", "clones of calm", "clones of noisy", "kept", "follows")
    summed = ", ".join(f"{word} in {count}" for word, count in counts.items()) or "not measured"
    return Claim("f", "What noise follows: behaviour or weights", summed, told, columns, rows)


def followed(pair: Clones) -> Interval:
    """How much of a pair's difference in log std its clones keep."""
    logs = [[_log_std(x) for x in of] for of in (pair.of_calm, pair.of_noisy)]
    between = _log_std(pair.noisy) - _log_std(pair.calm)
    count = min(map(len, logs))
    kept = [share_of(logs[1][i] - logs[0][i], between) for i in range(count)]
    return mean_of_groups(kept, range(count)) if count else Interval(math.nan, math.nan, math.nan)


def _log_std(returns: np.ndarray) -> float:
    spread = statistics.std(returns)
    return math.log(spread) if spread > 0 else math.nan
