"""What a run looks like over time: returns and training metrics of every seed.

Knows the file `curves.h5`; knows nothing of how its numbers come about.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from landscapes import storage

POLICY_GRADIENT = "actor_grad_norm"
"""The metric, of an algorithm that reports it, that is the norm of the gradient of the policy alone."""
NO_GRADIENT = 1e-8
"""A mean norm up to this is none: Adam's epsilon, which drowns gradients that are smaller."""


class Curves:
    """What a run looks like over time, all seeds; `path` is `curves.h5`."""

    def __init__(self, run: storage.Run, num_seeds: int, steps_are: str = "environment steps of one seed") -> None:
        self.run = run
        self.num_seeds = num_seeds
        self.steps_are = steps_are
        self.steps: list[int] = []
        self.returns: list[np.ndarray] = []
        self.sampled: list[np.ndarray | None] = []
        """Of the same evaluations by actions drawn from the policy; None where there was none."""
        self.training_steps: list[int] = []
        self.training: dict[str, list[np.ndarray]] = {}

    def add_evaluation(self, step: int, returns: np.ndarray, sampled: np.ndarray | None = None) -> None:
        """Returns `[num_seeds, episodes]` of the mode, and as many of what is drawn from the policy."""
        self.steps.append(step)
        self.returns.append(returns)
        self.sampled.append(sampled)

    def add_training(self, step: int, metrics: dict[str, np.ndarray]) -> None:
        blank = np.full(self.num_seeds, np.nan)
        for name in metrics:
            self.training.setdefault(name, [blank] * len(self.training_steps))
        self.training_steps.append(step)
        for name, values in self.training.items():
            values.append(metrics.get(name, blank))

    def dead(self) -> dict[int, int]:
        """Seed -> the log point since which its policy has had no gradient, up to the last one; others are not in it.

        Such a policy cannot change any more, however long it trains: as where every action is so far out in a tanh that
        its slope is 0 in float32. Of algorithms that do not report the norm nothing is known, and no seed is dead.
        """
        if POLICY_GRADIENT not in self.training:
            return {}
        norms = np.stack(self.training[POLICY_GRADIENT])
        since = {}
        for seed in range(self.num_seeds):
            reported = np.flatnonzero(~np.isnan(norms[:, seed]))
            alive = reported[norms[reported, seed] > NO_GRADIENT]
            without = reported[reported > alive[-1]] if len(alive) else reported
            if len(without):
                since[seed] = self.training_steps[without[0]]
        return since

    def datasets(self) -> dict[str, np.ndarray]:
        """`steps` [n], `num_episodes` [n], `returns` [n, num_seeds] (means), `episode_returns` [n, num_seeds, episodes]
        (NaN where an evaluation had fewer); where policies were sampled from, too, `sampled/returns` and
        `sampled/episode_returns` of the same shapes (NaN where not); and `training/steps` [m] with
        `training/{metric}` [m, num_seeds] (means since the step before)."""
        datasets = {"steps": np.array(self.steps, np.int64)}
        if self.returns:
            most = max(returns.shape[1] for returns in self.returns)
            datasets["num_episodes"] = np.array([returns.shape[1] for returns in self.returns], np.int64)
            datasets["episode_returns"] = np.stack([_filled(returns, most) for returns in self.returns])
            means = [returns.mean(axis=1, dtype=np.float64) for returns in self.returns]
            datasets["returns"] = np.stack(means).astype(np.float32)
        if any(each is not None for each in self.sampled):
            none = np.full((self.num_seeds, 0), np.nan)
            filled = [_filled(none if each is None else each, most) for each in self.sampled]
            datasets["sampled/episode_returns"] = np.stack(filled)
            blank = np.full(self.num_seeds, np.nan)
            means = [blank if each is None else each.mean(axis=1, dtype=np.float64) for each in self.sampled]
            datasets["sampled/returns"] = np.stack(means).astype(np.float32)
        datasets["training/steps"] = np.array(self.training_steps, np.int64)
        return datasets | {f"training/{name}": np.stack(values) for name, values in self.training.items()}

    def restore(self, datasets: Mapping[str, np.ndarray]) -> None:
        """The curves of which these were the data sets."""
        self.steps = datasets["steps"].tolist()
        if self.steps:
            counts = datasets["num_episodes"]
            self.returns = [x[:, :count] for x, count in zip(datasets["episode_returns"], counts, strict=True)]
            self.sampled = [None] * len(self.steps)
            if "sampled/returns" in datasets:
                each = zip(datasets["sampled/episode_returns"], datasets["sampled/returns"], counts, strict=True)
                self.sampled = [None if np.isnan(means).all() else x[:, :count] for x, means, count in each]
        self.training_steps = datasets["training/steps"].tolist()
        names = [name for name in datasets if name.startswith("training/") and name != "training/steps"]
        self.training = {name.removeprefix("training/"): list(datasets[name]) for name in names}

    def save(self) -> Path:
        """Writes the data sets to `curves.h5`."""
        attributes = {
            **self.run.provenance(),
            "schema_version": 1,
            "axes": "evaluation (or training log point), seed, episode",
            "units": "undiscounted return of one episode",
            "steps_are": self.steps_are,
        }
        return storage.write_hdf5(self.run.curves_path, self.datasets(), attributes)


def _filled(returns: np.ndarray, size: int) -> np.ndarray:
    """Returns `[num_seeds, n]` as float32 `[num_seeds, size]`, NaN behind them."""
    filled = np.full((len(returns), size), np.nan, np.float32)
    filled[:, : returns.shape[1]] = returns
    return filled


def last_return(run: storage.Run) -> float | None:
    """The mean return of the last evaluation of a stored run, of all seeds that have not diverged; minus infinity where
    all have, None where there is no evaluation."""
    if not run.curves_path.exists():
        return None
    returns = storage.read_hdf5(run.curves_path, "run")[0].get("returns")
    if returns is None:
        return None
    healthy = [seed for seed in range(run.num_seeds) if str(seed) not in run.record["diverged"]]
    return float(returns[-1, healthy].mean()) if healthy else -math.inf
