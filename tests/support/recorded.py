"""A run that never was with roll-outs of a body recorded, for tests of what shows them.

Knows the names of files and groups, and a scene; knows no page.
"""

import json
from pathlib import Path
from typing import Any

import layouts
import numpy as np

from landscapes.storage import Run, merge_hdf5

HOSTILE = "</script><script>document.title = 'broken'</script><b>&"
UPRIGHT = [1.0, 0.0, 0.0, 0.0]
SCENE = {
    "links": ["torso", HOSTILE],
    "pieces": [
        {"shape": "plane", "link": -1, "size": [5, 5, 1], "position": [0, 0, 0], "rotation": UPRIGHT},
        {"shape": "capsule", "link": 0, "size": [0.1, 0.3, 0], "position": [0, 0, 0], "rotation": UPRIGHT},
        {"shape": "sphere", "link": 1, "size": [0.15, 0, 0], "position": [0, 0, 0], "rotation": UPRIGHT},
        {"shape": "box", "link": 1, "size": [0.2, 0.1, 0.1], "position": [0.1, 0, 0], "rotation": UPRIGHT},
        {"shape": "cylinder", "link": 0, "size": [0.05, 0.2, 0], "position": [0, 0.2, 0], "rotation": UPRIGHT},
        {"shape": "ellipsoid", "link": 0, "size": [0.1, 0.2, 0.1], "position": [0, 0, 0.4], "rotation": UPRIGHT},
    ],
    "seconds_per_step": 0.02,
    "follow": 0,
}


def walk(num_steps: int, speed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, rotations and rewards of a body that glides along x while its head turns."""
    x = speed * np.arange(1, num_steps + 1)
    positions = np.stack([np.column_stack([x, 0 * x, 1.0 + 0 * x]), np.column_stack([x, 0 * x, 1.6 + 0 * x])], axis=1)
    half = np.linspace(0.0, 3.0, num_steps)
    turning = np.column_stack([np.cos(half), 0 * half, np.sin(half), 0 * half])
    rotations = np.stack([np.tile(UPRIGHT, (num_steps, 1)), turning], axis=1)
    return positions.astype(np.float32), rotations.astype(np.float32), np.full(num_steps, 10 * speed, np.float32)


def add_rollouts(run: Run, seed: int, step: int, returns: np.ndarray, num: int = 2, off_by: float = 0.0) -> None:
    """Roll-outs of samples nearest the median, which reach 120 steps, and of the lowest, which end at 40."""
    datasets: dict[str, np.ndarray] = {"scene": np.array(json.dumps(SCENE))}
    attributes: dict[str, dict[str, Any]] = {}
    order = np.argsort(returns)
    for role, samples, num_steps in (("median", order[len(order) // 2 :], 120), ("left_tail", order, 40)):
        for rank, sample in enumerate(samples[:num]):
            group = f"{layouts.KIND}/{layouts.AMOUNT}/{len(returns)}/{role}{rank}"
            parts = zip(("positions", "rotations", "rewards"), walk(num_steps, 0.02), strict=True)
            datasets |= {f"{group}/{name}": values for name, values in parts}
            attributes[group] = {
                "sample": int(sample),
                "return": float(returns[sample]),
                "stored_return": float(returns[sample]) + off_by,
                "seconds_per_step": 0.02,
                "terminated": role == "left_tail",
            }
    merge_hdf5(run.trajectories_path(seed, step), datasets, {"schema_version": 1}, attributes)


def make_results(results: Path) -> Run:
    """A run with three measured checkpoints, two of which have the same mean; all are recorded."""
    hostile = {"experiment": {"algo": "td3", "note": HOSTILE}}
    environment = {"name": "hopper", "backend": "spring", "episode_length": 120}
    run = layouts.make_run(
        results, config=hostile, environment=environment, algorithm={"name": "td3", "config": {}}, random_seed=1
    )
    layouts.add_curves(run)
    for seed, step, spread in ((0, 50_000, 400.0), (1, 50_000, 50.0), (1, 90_000, 200.0)):
        returns = layouts.purd(step, spread=spread).astype(np.float64)
        returns = (returns + (1200.0 if step == 50_000 else 800.0) - returns.mean()).astype(np.float32)
        layouts.add_purd(run, seed, step, returns)
        add_rollouts(run, seed, step, returns)
        run.checkpoint_path(seed, step).touch()
    return run
