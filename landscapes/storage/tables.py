"""Results as tidy tables: a row for each number or few that belong together, with columns that say what they are of.

Knows which columns each kind of result has and in which data sets they lie; knows neither pandas nor CSV.
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landscapes.errors import UserError
from landscapes.storage.hdf5 import Datasets, read_hdf5, read_node_attributes
from landscapes.storage.records import (
    Measurements,
    PathRecord,
    PurdRecord,
    SliceRecord,
    TrajectoryRecord,
    WalkRecord,
)

Read = Callable[[Path], Datasets]
"""The data sets of a file."""


class Table(NamedTuple):
    """Some rows of a kind: what each column holds, one value for all rows or an array `[num_rows]`."""

    columns: dict[str, Any]
    num_rows: int

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Plain Python values, row by row."""
        return zip(*(self._values(x) for x in self.columns.values()), strict=True)

    def _values(self, column: Any) -> Sequence[Any]:
        return column.tolist() if isinstance(column, np.ndarray) else [column] * self.num_rows


class Kind(NamedTuple):
    """One kind of table."""

    what: str
    """What a row is."""
    columns: Mapping[str, str]
    """Of each column by name what it holds, with its unit in brackets where it has one."""
    record: type
    """What one table is read from."""
    find: Callable[[Measurements], Sequence[Any]]
    read: Callable[[Any, Read], Table]


def read_tables(found: Measurements, kind: str, tell: Callable[[str], None]) -> Iterator[Table]:
    """What was found of that kind, record by record; of a damaged file `tell` is called with one line."""
    read = _reader()
    for record in KINDS[kind].find(found):
        try:
            yield KINDS[kind].read(record, read)
        except UserError as error:
            tell(str(error))


def read_table(record: Any, kind: str) -> Table:
    """One record as a table; raises UserError for a damaged file."""
    return KINDS[kind].read(record, _reader())


def _reader() -> Read:
    """Keeps the last file: records of one file follow each other."""
    return functools.lru_cache(maxsize=1)(lambda path: read_hdf5(path, "file")[0])


def _table(constant: Mapping[str, Any], **axes: np.ndarray) -> Table:
    """The arrays, of one shape together, flattened; floats in double precision, as which they print in full."""
    arrays = {name: np.ravel(x) for name, x in zip(axes, np.broadcast_arrays(*axes.values()), strict=True)}
    arrays = {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in arrays.items()}
    return Table({**constant, **arrays}, len(next(iter(arrays.values()))))


# Curves


def _curves_of(found: Measurements) -> Sequence[Path]:
    return [] if found.curves is None else [found.curves]


def _evaluations(path: Path, read: Read) -> Table:
    data = read(path)
    returns = data.get("returns", np.zeros((len(data["steps"]), 0)))
    num_episodes = data.get("num_episodes", np.full(len(data["steps"]), -1))
    steps, seeds = data["steps"][:, None], np.arange(returns.shape[1])
    table = {"step": steps, "seed": seeds, "return": returns, "num_episodes": num_episodes[:, None]}
    return _ordered(_table({"run": path.parent.name}, **table), "curves")


def _episodes(path: Path, read: Read) -> Table:
    data = read(path)
    returns = data.get("episode_returns", np.zeros((len(data["steps"]), 0, 0)))
    _, num_seeds, most = returns.shape
    seeds, episodes = np.arange(num_seeds)[:, None], np.arange(most)
    steps = data["steps"][:, None, None]
    table = _table({"run": path.parent.name}, step=steps, seed=seeds, episode=episodes, **{"return": returns})
    counts = data.get("num_episodes", np.full(len(steps), most))
    took_place = np.ravel(np.broadcast_to(episodes < counts[:, None, None], returns.shape))
    return _ordered(_chosen(table, took_place), "episodes")


def _training(path: Path, read: Read) -> Table:
    data = read(path)
    prefix = "training/"
    names = [name for name in data if name.startswith(prefix) and name != f"{prefix}steps"]
    if not names:
        return Table(dict.fromkeys(KINDS["training"].columns, np.zeros(0)), 0)
    values = np.stack([data[name] for name in names])
    metrics = np.array([name.removeprefix(prefix) for name in names])[:, None, None]
    steps, seeds = data[f"{prefix}steps"][:, None], np.arange(values.shape[2])
    table = _table({"run": path.parent.name}, step=steps, seed=seeds, metric=metrics, value=values)
    return _ordered(_chosen(table, ~np.isnan(table.columns["value"])), "training")


def _chosen(table: Table, rows: np.ndarray) -> Table:
    columns = {name: x[rows] if isinstance(x, np.ndarray) else x for name, x in table.columns.items()}
    return Table(columns, int(rows.sum()))


def _ordered(table: Table, kind: str) -> Table:
    return Table({name: table.columns[name] for name in KINDS[kind].columns}, table.num_rows)


# Neighbourhoods, paths, slices


def _neighbourhood(record: PurdRecord | PathRecord | SliceRecord | TrajectoryRecord) -> dict[str, Any]:
    return {"kind": record.kind, "amount": record.amount, "num_samples": record.num_samples}


def _purds(record: PurdRecord, read: Read) -> Table:
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


def _policy(policy: Sequence[Any], prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in zip(("run", "seed", "checkpoint"), policy, strict=True)}


def _paths(record: PathRecord, read: Read) -> Table:
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


def _slices(record: SliceRecord, read: Read) -> Table:
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


def _proposals(record: WalkRecord, read: Read) -> Table:
    data = read(record.path)
    accepted = data[f"{record.group}/accepted"]
    absent = np.full(len(accepted), np.nan)
    names = {"num_updates": "num_updates", "mean": "means", "ltp": "ltps", "cvar": "cvars"}
    names |= {f"incumbent_{name}": f"incumbent_{name}s" for name in ("mean", "ltp", "cvar")}
    values = {name: data.get(f"{record.group}/{dataset}", absent) for name, dataset in names.items()}
    return _table(_walk(record), proposal=np.arange(len(accepted)), accepted=accepted, **values)


def _walk_purds(record: WalkRecord, read: Read) -> Table:
    data = read(record.path)
    returns = data[f"{record.group}/purds"]
    samples = np.arange(returns.shape[1])
    proposals = np.arange(len(returns))[:, None]
    table = _table(_walk(record), proposal=proposals, sample=samples, **{"return": returns})
    counts = data.get(f"{record.group}/num_samples")
    return table if counts is None else _chosen(table, np.ravel(samples < counts[:, None]))


def _walk_fresh(record: WalkRecord, read: Read) -> Table:
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


def _trajectories(record: TrajectoryRecord, read: Read) -> Table:
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


def _rewards(record: TrajectoryRecord, read: Read) -> Table:
    rewards = read(record.path)[f"{record.group}/rewards"]
    constant, steps = _roll_out(record, len(rewards))
    return _table(constant, **steps, reward=rewards)


# What there is

_OF_POLICY = {
    "run": "name of the run",
    "seed": "seed of the policy",
    "checkpoint": "step of the policy's checkpoint [environment steps; updates in the run of a walk]",
}
_OF_NEIGHBOURHOOD = {
    "kind": "of perturbation (`noise_type`)",
    "amount": "as the names of data sets spell it: `own` is the run's own rate",
    "num_samples": "of the distribution",
}
_STEP = {"run": "name of the run", "seed": "of the run", "step": "of training [environment steps of one seed]"}
_SAMPLE = {"sample": "index in the distribution"}
_RETURN = {"return": "undiscounted return of an episode [rewards]"}
_OF_WALK = {
    **_OF_POLICY,
    "heuristic": "the walk's `heuristic_id`",
    "check_interval": "updates of one proposal",
    "max_steps": "updates that are tried",
    "walk_seed": "`experiment.seed` of the walk",
}
_PROPOSAL = {"proposal": "0 is the root's own measurement"}
_OF_ROLL_OUT = {
    **_OF_POLICY,
    **_OF_NEIGHBOURHOOD,
    "role": "`median` or `left_tail`",
    "rank": "0 is the nearest to the median, or the lowest return",
    **_SAMPLE,
    "step": "of the episode, from 1 [environment steps]",
    "time": "since its start [seconds]",
}

KINDS: Mapping[str, Kind] = {
    "curves": Kind(
        "an evaluation of a seed during training",
        {**_STEP, "return": "mean over its episodes [rewards]", "num_episodes": "of the evaluation"},
        Path,
        _curves_of,
        _evaluations,
    ),
    "episodes": Kind(
        "an episode of an evaluation", {**_STEP, "episode": "index", **_RETURN}, Path, _curves_of, _episodes
    ),
    "training": Kind(
        "a metric of a seed at a log point, where it was reported",
        {**_STEP, "metric": "name", "value": "mean since the log point before"},
        Path,
        _curves_of,
        _training,
    ),
    "purds": Kind(
        "a sample of a return distribution in a policy's neighbourhood",
        {
            **_OF_POLICY,
            **_OF_NEIGHBOURHOOD,
            **_SAMPLE,
            **_RETURN,
            "discounted_return": "sum of discount^t r_t [rewards]",
            "length": "of the episode [environment steps]",
        },
        PurdRecord,
        lambda found: found.purds,
        _purds,
    ),
    "paths": Kind(
        "a sample at a point of a path from the other policy (point 0) to the policy",
        {
            **_OF_POLICY,
            "other_run": "run of the other policy",
            "other_seed": "its seed",
            "other_checkpoint": "its checkpoint [environment steps]",
            **_OF_NEIGHBOURHOOD,
            "learner_from": "`1` or `2`: whose critics and data updates have, this policy's or the other's; else empty",
            "point": "index",
            "alpha": "share of the policy [0 to 1]",
            **_SAMPLE,
            **_RETURN,
        },
        PathRecord,
        lambda found: found.paths,
        _paths,
    ),
    "slices": Kind(
        "a sample at a point of a line or plane through a policy",
        {
            **_OF_POLICY,
            "directions": "what the axes are, as the names of groups spell it",
            **_OF_NEIGHBOURHOOD,
            "x": "coordinate [`axis_labels` of the file]",
            "y": "coordinate, 0 on a line [the same]",
            **_SAMPLE,
            **_RETURN,
        },
        SliceRecord,
        lambda found: found.slices,
        _slices,
    ),
    "walks": Kind(
        "a proposal of a walk",
        {
            **_OF_WALK,
            **_PROPOSAL,
            "accepted": "whether it was",
            "num_updates": "applied after the decision",
            "mean": "of the proposal [rewards]",
            "ltp": "its left-tail probability",
            "cvar": "its CVaR [rewards]",
            "incumbent_mean": "of what it was compared with [rewards]",
            "incumbent_ltp": "the same",
            "incumbent_cvar": "the same [rewards]",
        },
        WalkRecord,
        lambda found: found.walks,
        _proposals,
    ),
    "walk_purds": Kind(
        "a sample of the measurement of a proposal",
        {**_OF_WALK, **_PROPOSAL, **_SAMPLE, **_RETURN},
        WalkRecord,
        lambda found: found.walks,
        _walk_purds,
    ),
    "walk_fresh": Kind(
        "a sample that was measured afresh at the end of a walk",
        {**_OF_WALK, "policy": "`root`, `improved` or `control`", **_SAMPLE, **_RETURN},
        WalkRecord,
        lambda found: found.walks,
        _walk_fresh,
    ),
    "trajectories": Kind(
        "where a link is after a step of a recorded roll-out",
        {
            **_OF_ROLL_OUT,
            "link": "name",
            **dict.fromkeys("xyz", "position [metres]"),
            **dict.fromkeys(("qw", "qx", "qy", "qz"), "unit quaternion"),
        },
        TrajectoryRecord,
        lambda found: found.trajectories,
        _trajectories,
    ),
    "rewards": Kind(
        "a step of a recorded roll-out",
        {**_OF_ROLL_OUT, "reward": "of the step"},
        TrajectoryRecord,
        lambda found: found.trajectories,
        _rewards,
    ),
}
"""Every kind by its name, which is that of its CSV file."""
