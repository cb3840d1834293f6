"""Which stored checkpoint of a seed is meant by a word: its last one, or its best, by training's own evaluations.

Knows curves.h5 and the steps of checkpoints; knows no statistic and nothing of how policies were evaluated.
"""

from typing import NamedTuple

import numpy as np

from landscapes.errors import UserError
from landscapes.storage.hdf5 import read_hdf5
from landscapes.storage.runs import Run, check_checkpoint


class Best(NamedTuple):
    """The best checkpoint of a seed, and the evaluation that says so."""

    step: int
    evaluated_at: int
    """The step of the evaluation nearest to it."""
    mean_return: float
    """Of that evaluation. It is the highest of several, and so too high on average: test episodes tell better."""


def best_checkpoint(run: Run, seed: int) -> Best | None:
    """The checkpoint of the highest mean return at the evaluation nearest to it, of equals the first.

    Of two evaluations equally near the earlier counts. None where the seed has no checkpoint, or no evaluation that is
    finite; raises UserError where curves.h5 is damaged.
    """
    return best_checkpoints(run).get(seed)


def best_checkpoints(run: Run) -> dict[int, Best]:
    """The same of every seed that has one."""
    if not run.curves_path.is_file():
        return {}
    datasets, _ = read_hdf5(run.curves_path, "curves")
    if "returns" not in datasets or not len(datasets["steps"]):
        return {}
    steps, returns = datasets["steps"].astype(np.int64), datasets["returns"].astype(np.float64)
    found = {}
    for seed in range(run.num_seeds):
        best = _best(run.checkpoint_steps(seed), steps, returns[:, seed])
        if best is not None:
            found[seed] = best
    return found


def check_best(run: Run, seed: int, key: str) -> int:
    """The step of the best checkpoint; raises UserError under `key` where nothing says which that is."""
    best = best_checkpoint(run, seed)
    if best is None:
        raise UserError(key, "best", f"seed {seed} of run {run.name} has no evaluation that says which one that is")
    return best.step


def find_checkpoint(run: Run, seed: int, asked: int | str, key: str) -> int:
    """The step of a checkpoint of that seed: `asked` itself, or the `last` or the `best` one. Raises UserError under
    `key` where there is none."""
    steps = run.checkpoint_steps(seed)
    if isinstance(asked, int):
        check_checkpoint(run, seed, asked, key)
        return asked
    if not steps:
        raise UserError(key, asked, f"seed {seed} of run {run.name} has no checkpoints yet")
    return steps[-1] if asked == "last" else check_best(run, seed, key)


def _best(checkpoints: list[int], steps: np.ndarray, returns: np.ndarray) -> Best | None:
    """Of checkpoints ascending, by evaluations `[n]` ascending."""
    candidates = []
    for step in checkpoints:
        nearest = int(np.argmin(np.abs(steps - step)))
        if np.isfinite(returns[nearest]):
            candidates.append(Best(step, int(steps[nearest]), float(returns[nearest])))
    return max(candidates, key=lambda one: one.mean_return, default=None)
