"""Result files of runs that never were, in the layout of real ones, for tests of what reads them.

Knows the names of files, groups and data sets; the numbers are made up from seeds.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landscapes.storage import STANDS_ON, Run, create_run, footing, merge_hdf5

KIND, AMOUNT = "td3_optimization", "0.0003"
CONFIG = {"experiment": {"algo": "td3", "env_name": "hopper"}}


def make_run(results: Path, name: str = "calm", num_seeds: int = 2, **record: object) -> Run:
    return create_run(results, name, {"num_seeds": num_seeds, "config": CONFIG, **record}, overwrite=False)


def purd(seed: int, peak: float = 1500.0, num_samples: int = 200, spread: float = 400.0) -> np.ndarray:
    """Returns `[num_samples]` with a peak and a left tail."""
    generator = np.random.default_rng(seed)
    return (peak - generator.gamma(0.6, spread, num_samples)).astype(np.float32)


def add_purd(
    run: Run,
    seed: int = 0,
    step: int = 50_000,
    returns: np.ndarray | None = None,
    kind: str = KIND,
    amount: str = AMOUNT,
) -> Path:
    values = purd(step) if returns is None else returns
    name = f"{kind}/{amount}/{len(values)}"
    return merge_hdf5(run.returns_path(seed, step), {f"und_returns/{name}": values, name: values / 10}, {})


def add_curves(run: Run, num_steps: int = 8) -> Path:
    generator = np.random.default_rng(len(run.name))
    returns = np.sort(generator.normal(1000.0, 300.0, (num_steps, run.num_seeds)), axis=0)
    return merge_hdf5(run.curves_path, {"steps": np.arange(num_steps) * 50_000, "returns": returns}, {})


def add_gradients(run: Run, num_steps: int = 12, with_spread: bool = True) -> Path:
    """Norms of gradients of actor and critic in the curves, the critic's ten times the actor's."""
    generator = np.random.default_rng(num_steps)
    datasets = {"training/steps": np.arange(1, num_steps + 1) * 1000}
    for network, scale in (("actor", 1.0), ("critic", 10.0)):
        norms = scale * generator.gamma(9.0, 0.1, (num_steps, run.num_seeds))
        datasets[f"training/{network}_grad_norm"] = norms
        if with_spread:
            variances = (0.3 * norms) ** 2
            datasets[f"training/{network}_grad_norm_var"] = variances
            datasets[f"training/{network}_grad_norm_cv"] = np.sqrt(variances) / norms
    return merge_hdf5(run.curves_path, datasets, {})


def add_test(run: Run, seed: int = 0, step: int = 50_000, kind: str = "test_mode", shift: float = 0.0) -> Path:
    """100 test episodes of a policy."""
    values = purd(step, num_samples=100) + np.float32(shift)
    name = f"{kind}/1.0/100"
    lengths = np.arange(100, dtype=np.float32)
    datasets = {f"und_returns/{name}": values, name: values / 10, f"lengths/{name}": lengths}
    return merge_hdf5(run.returns_path(seed, step), datasets, {})


def add_path(
    run: Run,
    one: tuple[str, int, int],
    two: tuple[str, int, int],
    *,
    num_points: int = 11,
    num_samples: int = 40,
    noise: str = "",
    valley: float = 0.0,
    on: Sequence[Run] = (),
) -> Path:
    """A path in the folder of its first policy; `noise` is what stands before `returns`, as in `action/`."""
    alpha = np.linspace(0.0, 1.0, num_points)
    middle = 1000.0 + 400.0 * alpha - valley * 4.0 * alpha * (1.0 - alpha)
    generator = np.random.default_rng(num_points)
    returns = middle - generator.gamma(0.6, 100.0, (num_samples, num_points))
    base = "/".join(map(str, (*one, *two, num_points)))
    path = run.interpolation_purd_path(one[1])
    name = f"{base}/{noise}returns/{'0.1' if noise else '0.0003'}/{num_samples}"
    datasets = {name: returns.astype(np.float32), f"{base}/alpha": alpha}
    return merge_hdf5(path, datasets, {"schema_version": 1}, {name: _footing(on)})


def _footing(runs: Sequence[Run]) -> dict[str, object]:
    """What says which runs a result stands on, if it does."""
    return {STANDS_ON: footing([(run, 0, 0) for run in runs])} if runs else {}


def add_plain_path(run: Run, one: tuple[str, int, int], two: tuple[str, int, int], num_points: int = 11) -> Path:
    """The same without noise: a single return for each point."""
    alpha = np.linspace(0.0, 1.0, num_points)
    base = "/".join(map(str, (*one, *two, num_points)))
    returns = (1000.0 + 400.0 * alpha).astype(np.float32)
    return merge_hdf5(run.interpolation_path(one[1]), {f"{base}/returns": returns, f"{base}/alpha": alpha}, {})


def add_slice(
    run: Run,
    seed: int = 0,
    step: int = 50_000,
    *,
    directions: str = "random0_radius1.0",
    num_x: int = 7,
    num_y: int = 5,
    num_samples: int = 30,
    others: tuple[tuple[str, int, int], ...] = (),
    kind: str = "init_parameter",
    on: Sequence[Run] = (),
) -> str:
    """A slice around a checkpoint, with the `others` at the corners of the unit square; answers with its group."""
    x = np.linspace(-1.0, 1.0, num_x)
    y = np.linspace(-1.0, 1.0, num_y) if num_y > 1 else np.zeros(1)
    height = 1500.0 - 700.0 * x[:, None] ** 2 - 500.0 * np.abs(y)[None, :]
    returns = height[:, :, None] - np.random.default_rng(step).gamma(0.6, 200.0, (num_x, num_y, num_samples))
    coordinates = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]][: 1 + len(others)]
    named = [
        {"run": name, "seed": of_seed, "ckpt": of_step} for name, of_seed, of_step in ((run.name, seed, step), *others)
    ]
    group = f"{step}/{directions}/{num_x}x{num_y}/{kind}/0.0003/{num_samples}"
    labels = [f"random direction {i} (layer norms of the weights)" for i in (1, 2)]
    merge_hdf5(
        run.seed_directory(seed) / "landscape_slice.h5",
        {
            f"{group}/returns": returns.astype(np.float32),
            f"{group}/x": x,
            f"{group}/y": y,
            f"{group}/policies": np.array(coordinates),
        },
        {"schema_version": 1},
        {f"{group}/returns": {"axis_labels": labels}, f"{group}/policies": {"policies": named, **_footing(on)}},
    )
    return group


def add_walk(
    run: Run,
    seed: int = 0,
    step: int = 50_000,
    *,
    walk_seed: int = 0,
    heuristic: str = "0.1cvar",
    num_proposals: int = 10,
    control: bool = True,
    child: Run | None = None,
) -> str:
    """A walk from a checkpoint, that made `child`; answers with its group."""
    group = f"{heuristic}/1check/{num_proposals}steps/seed{walk_seed}"
    purds = np.stack([purd(index + walk_seed) for index in range(num_proposals + 1)])
    datasets = {
        "purds": purds,
        "means": purds.mean(axis=1),
        "cvars": np.sort(purds, axis=1)[:, :20].mean(axis=1),
        "ltps": (purds < 700).mean(axis=1),
        "accepted": np.arange(num_proposals + 1) % 3 == 0,
        **{f"fresh/{name}": purd(len(name)) for name in ("root", "improved", *(["control"] if control else []))},
    }
    about = {} if child is None else {f"{group}/accepted": {"child_run": child.name, "child_id": child.id}}
    merge_hdf5(run.rejection_path(seed, step), {f"{group}/{name}": data for name, data in datasets.items()}, {}, about)
    return group


def add_trajectory(run: Run, seed: int = 0, step: int = 50_000, role: str = "median0", num_steps: int = 6) -> str:
    """A recorded roll-out of a body with three links; answers with its group."""
    group = f"{KIND}/{AMOUNT}/200/{role}"
    moves = np.cumsum(np.ones((num_steps, 3, 3), np.float32) * 0.01, axis=0)
    merge_hdf5(
        run.seed_directory(seed) / f"trajectories_{step}.h5",
        {
            "scene": np.array("{}"),
            f"{group}/positions": moves,
            f"{group}/rotations": np.tile(np.float32([1, 0, 0, 0]), (num_steps, 3, 1)),
            f"{group}/rewards": np.ones(num_steps, np.float32),
        },
        {"schema_version": 1},
        {group: {"sample": 3, "return": 6.0, "stored_return": 6.0, "seconds_per_step": 0.008, "keys": "as measured"}},
    )
    return group
