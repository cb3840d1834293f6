"""How each kind of stored result becomes a tidy table: a row for each number, or few that belong together.

Knows in which data sets the numbers lie; knows neither pandas nor CSV, and does not say what the columns mean.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landscapes.storage.hdf5 import Datasets, read_node_attributes
from landscapes.storage.records import TEST_KINDS, PathRecord, PurdRecord, SliceRecord, TrajectoryRecord, WalkRecord

Read = Callable[[Path], Datasets]
"""The data sets of a file; raises UserError for a damaged one."""


class Table(NamedTuple):
    """Some rows of a kind: what each column holds, one value for all rows or an array `[num_rows]`."""

    columns: dict[str, Any]
    num_rows: int

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Plain Python values, row by row."""
        return zip(*(self._values(x) for x in self.columns.values()), strict=True)

    def _values(self, column: Any) -> Sequence[Any]:
        return column.tolist() if isinstance(column, np.ndarray) else [column] * self.num_rows


def _table(constant: Mapping[str, Any], **axes: np.ndarray) -> Table:
    """The arrays, of one shape together, flattened; floats in double precision, as which they print in full."""
    arrays = {name: np.ravel(x) for name, x in zip(axes, np.broadcast_arrays(*axes.values()), strict=True)}
    arrays = {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in arrays.items()}
    return Table({**constant, **arrays}, len(next(iter(arrays.values()))))


# Curves


def evaluations(path: Path, read: Read) -> Table:
    """The evaluations in a file of curves."""
    data = read(path)
    returns = data.get("returns", np.zeros((len(data["steps"]), 0)))
    num_episodes = data.get("num_episodes", np.full(len(data["steps"]), -1))
    steps, seeds = data["steps"][:, None], np.arange(returns.shape[1])
    sampled = data.get("sampled/returns", np.full(returns.shape, np.nan))
    table = {"step": steps, "seed": seeds, "return": returns, "num_episodes": num_episodes[:, None]}
    table["sampled_return"] = sampled
    return _table({"run": path.parent.name}, **table)


def episodes(path: Path, read: Read) -> Table:
    """Their episodes."""
    data = read(path)
    returns = data.get("episode_returns", np.zeros((len(data["steps"]), 0, 0)))
    _, num_seeds, most = returns.shape
    seeds, episodes = np.arange(num_seeds)[:, None], np.arange(most)
    steps = data["steps"][:, None, None]
    sampled = data.get("sampled/episode_returns", np.full(returns.shape, np.nan))
    values = {"return": returns, "sampled_return": sampled}
    table = _table({"run": path.parent.name}, step=steps, seed=seeds, episode=episodes, **values)
    counts = data.get("num_episodes", np.full(len(steps), most))
    took_place = np.ravel(np.broadcast_to(episodes < counts[:, None, None], returns.shape))
    return _chosen(table, took_place)


def training_metrics(path: Path, read: Read) -> Table:
    """The metrics in a file of curves, where they were reported."""
    data = read(path)
    prefix = "training/"
    names = [name for name in data if name.startswith(prefix) and name != f"{prefix}steps"]
    if not names:
        return _table({"run": path.parent.name}, **dict.fromkeys(("step", "seed", "metric", "value"), np.zeros(0)))
    values = np.stack([data[name] for name in names])
    metrics = np.array([name.removeprefix(prefix) for name in names])[:, None, None]
    steps, seeds = data[f"{prefix}steps"][:, None], np.arange(values.shape[2])
    table = _table({"run": path.parent.name}, step=steps, seed=seeds, metric=metrics, value=values)
    return _chosen(table, ~np.isnan(table.columns["value"]))


def _chosen(table: Table, rows: np.ndarray) -> Table:
    columns = {name: x[rows] if isinstance(x, np.ndarray) else x for name, x in table.columns.items()}
    return Table(columns, int(rows.sum()))


# Neighbourhoods, paths, slices


def _neighbourhood(record: PurdRecord | PathRecord | SliceRecord | TrajectoryRecord) -> dict[str, Any]:
    return {"kind": record.kind, "amount": record.amount, "num_samples": record.num_samples}


def purds(record: PurdRecord, read: Read) -> Table:
    """The samples of a PURD."""
    data, name = read(record.path), record.dataset.removeprefix("und_returns/")
    returns = data[record.dataset]
    absent = np.full(len(returns), np.nan)
    return _table(
        {**_policy(record.policy), **_neighbourhood(record)},
        sample=np.arange(len(returns)),
        **{"return": returns},
        discounted_return=data.get(name, absent),
        length=data.get(f"lengths/{name}", absent),
    )


def tests(record: PurdRecord, read: Read) -> Table:
    """The test episodes of a policy."""
    table = purds(record, read)
    how = {"acting": TEST_KINDS[record.kind], "start_noise": float(record.amount), "episode": table.columns["sample"]}
    return Table({**table.columns, **how}, table.num_rows)


def _policy(policy: Sequence[Any], prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in zip(("run", "seed", "checkpoint"), policy, strict=True)}


def paths(record: PathRecord, read: Read) -> Table:
    """The samples at the points of a path."""
    data = read(record.path)
    alpha = data[record.alpha_dataset]
    returns = data[record.dataset].reshape(-1, len(alpha))
    learner = "" if record.learner_from is None else str(record.learner_from)
    return _table(
        {
            **_policy(record.one),
            **_policy(record.two, "other_"),
            **_neighbourhood(record),
            "learner_from": learner,
        },
        point=np.arange(len(alpha)),
        alpha=alpha,
        sample=np.arange(len(returns))[:, None],
        **{"return": returns},
    )


def slices(record: SliceRecord, read: Read) -> Table:
    """The samples at the points of a slice."""
    data = read(record.path)
    returns, x, y = (data[f"{record.group}/{name}"] for name in ("returns", "x", "y"))
    return _table(
        {**_policy(record.centre), "directions": record.directions, **_neighbourhood(record)},
        x=x[:, None, None],
        y=y[:, None],
        sample=np.arange(returns.shape[2]),
        **{"return": returns},
    )


# Walks


def _walk(record: WalkRecord) -> dict[str, Any]:
    return {
        **_policy(record.root),
        "heuristic": record.heuristic,
        "check_interval": record.check_interval,
        "max_steps": record.max_steps,
        "walk_seed": record.seed,
    }


def proposals(record: WalkRecord, read: Read) -> Table:
    """The proposals of a walk."""
    data = read(record.path)
    accepted = data[f"{record.group}/accepted"]
    absent = np.full(len(accepted), np.nan)
    names = {"num_updates": "num_updates", "mean": "means", "ltp": "ltps", "cvar": "cvars"}
    names |= {f"incumbent_{name}": f"incumbent_{name}s" for name in ("mean", "ltp", "cvar")}
    values = {name: data.get(f"{record.group}/{dataset}", absent) for name, dataset in names.items()}
    return _table(_walk(record), proposal=np.arange(len(accepted)), accepted=accepted, **values)


def walk_purds(record: WalkRecord, read: Read) -> Table:
    """The samples of its measurements, those that were taken."""
    data = read(record.path)
    returns = data[f"{record.group}/purds"]
    samples = np.arange(returns.shape[1])
    proposals = np.arange(len(returns))[:, None]
    table = _table(_walk(record), proposal=proposals, sample=samples, **{"return": returns})
    counts = data.get(f"{record.group}/num_samples")
    return table if counts is None else _chosen(table, np.ravel(samples < counts[:, None]))


def walk_fresh(record: WalkRecord, read: Read) -> Table:
    """Those that were measured afresh at its end."""
    prefix = f"{record.group}/fresh/"
    found = {name.removeprefix(prefix): x for name, x in read(record.path).items() if name.startswith(prefix)}
    policies = [np.full(len(returns), name, dtype="<U8") for name, returns in found.items()]
    none: list[np.ndarray] = [np.zeros(0)]
    return _table(
        _walk(record),
        policy=np.concatenate(policies or none),
        sample=np.concatenate([np.arange(len(returns)) for returns in found.values()] or none),
        **{"return": np.concatenate(list(found.values()) or none)},
    )


# Roll-outs


def _roll_out(record: TrajectoryRecord, num_steps: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    about: Any = read_node_attributes(record.path, "file", [record.group])[record.group]
    constant = {**_policy(record.policy), **_neighbourhood(record), "role": record.role, "rank": record.rank}
    steps = np.arange(1, num_steps + 1)
    seconds = steps * float(about.get("seconds_per_step", np.nan))
    return {**constant, "sample": int(about.get("sample", -1))}, {"step": steps, "time": seconds}


def trajectories(record: TrajectoryRecord, read: Read) -> Table:
    """Where each link of a recorded roll-out is."""
    data = read(record.path)
    positions, rotations = data[f"{record.group}/positions"], data[f"{record.group}/rotations"]
    constant, steps = _roll_out(record, len(positions))
    links = json.loads(str(data["scene"])).get("links") if "scene" in data else None
    names = np.array(links or [str(link) for link in range(positions.shape[1])])
    return _table(
        constant,
        **{name: x[:, None] for name, x in steps.items()},
        link=names,
        **{name: positions[..., i] for i, name in enumerate("xyz")},
        **{f"q{name}": rotations[..., i] for i, name in enumerate("wxyz")},
    )


def rewards(record: TrajectoryRecord, read: Read) -> Table:
    """The reward of each of its steps."""
    rewards = read(record.path)[f"{record.group}/rewards"]
    constant, steps = _roll_out(record, len(rewards))
    return _table(constant, **steps, reward=rewards)
