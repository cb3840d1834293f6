"""What a run looks like over time: returns and training metrics of every seed.

Knows the file `curves.h5`; knows nothing of how its numbers come about.
"""

import time
from pathlib import Path

import numpy as np

from landscapes import storage


class Curves:
    """What a run looks like over time, all seeds; `path` is `curves.h5`."""

    def __init__(self, run: storage.Run, num_seeds: int) -> None:
        self.run = run
        self.num_seeds = num_seeds
        self.steps: list[int] = []
        self.returns: list[np.ndarray] = []
        self.training_steps: list[int] = []
        self.training: dict[str, list[np.ndarray]] = {}
        self.saved_at = time.monotonic()

    def add_evaluation(self, step: int, returns: np.ndarray) -> None:
        self.steps.append(step)
        self.returns.append(returns)

    def add_training(self, step: int, metrics: dict[str, np.ndarray]) -> None:
        blank = np.full(self.num_seeds, np.nan)
        for name in metrics:
            self.training.setdefault(name, [blank] * len(self.training_steps))
        self.training_steps.append(step)
        for name, values in self.training.items():
            values.append(metrics.get(name, blank))

    def save(self) -> Path:
        """Writes `steps` [n], `returns` [n, num_seeds] (means), `episode_returns` [n, num_seeds, episodes], and
        `training/steps` [m] with `training/{metric}` [m, num_seeds] (means since the step before)."""
        datasets = {"steps": np.array(self.steps, np.int64)}
        if self.returns:
            datasets["episode_returns"] = np.stack(self.returns).astype(np.float32)
            datasets["returns"] = np.stack(self.returns).mean(axis=2, dtype=np.float64).astype(np.float32)
        datasets["training/steps"] = np.array(self.training_steps, np.int64)
        datasets |= {f"training/{name}": np.stack(values) for name, values in self.training.items()}
        attributes = {
            **self.run.provenance(),
            "schema_version": 1,
            "axes": "evaluation (or training log point), seed, episode",
            "units": "undiscounted return of one episode; steps are environment steps of one seed",
        }
        self.saved_at = time.monotonic()
        return storage.write_hdf5(self.run.curves_path, datasets, attributes)
