"""The kinds of tables that results make, and what each of their columns holds: `KINDS`.

Knows names, meanings and units; how the numbers are read is said in `tabulation`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from landscapes.errors import UserError
from landscapes.storage import tabulation
from landscapes.storage.hdf5 import reader
from landscapes.storage.records import (
    Measurements,
    PathRecord,
    PurdRecord,
    SliceRecord,
    TrajectoryRecord,
    WalkRecord,
)
from landscapes.storage.tabulation import Read, Table


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
    read = reader("file")
    for record in KINDS[kind].find(found):
        try:
            yield _read(record, kind, read)
        except UserError as error:
            tell(str(error))


def read_table(record: Any, kind: str) -> Table:
    """One record as a table; raises UserError for a damaged file."""
    return _read(record, kind, reader("file"))


def _read(record: Any, kind: str, read: Read) -> Table:
    columns, num_rows = KINDS[kind].read(record, read)
    return Table({name: columns[name] for name in KINDS[kind].columns}, num_rows)


def _curves_of(found: Measurements) -> Sequence[Path]:
    return [] if found.curves is None else [found.curves]


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
        {
            **_STEP,
            "return": "mean over its episodes [rewards]",
            "num_episodes": "of the evaluation",
            "sampled_return": "the same of the policy that is sampled from (`eval_sampled`) [rewards]",
        },
        Path,
        _curves_of,
        tabulation.evaluations,
    ),
    "episodes": Kind(
        "an episode of an evaluation",
        {
            **_STEP,
            "episode": "index",
            **_RETURN,
            "sampled_return": "from the same start by sampled actions (`eval_sampled`) [rewards]",
        },
        Path,
        _curves_of,
        tabulation.episodes,
    ),
    "training": Kind(
        "a metric of a seed at a log point, where it was reported",
        {**_STEP, "metric": "name", "value": "mean since the log point before"},
        Path,
        _curves_of,
        tabulation.training_metrics,
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
        tabulation.purds,
    ),
    "tests": Kind(
        "a test episode of a policy",
        {
            **_OF_POLICY,
            "acting": "`mode` or `sampled`: which of the policy's actions",
            "start_noise": "scale of the start noise of training",
            "num_samples": "of the distribution",
            "episode": "index",
            **_RETURN,
            "discounted_return": "sum of discount^t r_t [rewards]",
            "length": "of the episode [environment steps]",
        },
        PurdRecord,
        lambda found: found.tests,
        tabulation.tests,
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
        tabulation.paths,
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
        tabulation.slices,
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
        tabulation.proposals,
    ),
    "walk_purds": Kind(
        "a sample of the measurement of a proposal",
        {**_OF_WALK, **_PROPOSAL, **_SAMPLE, **_RETURN},
        WalkRecord,
        lambda found: found.walks,
        tabulation.walk_purds,
    ),
    "walk_fresh": Kind(
        "a sample that was measured afresh at the end of a walk",
        {**_OF_WALK, "policy": "`root`, `improved` or `control`", **_SAMPLE, **_RETURN},
        WalkRecord,
        lambda found: found.walks,
        tabulation.walk_fresh,
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
        tabulation.trajectories,
    ),
    "rewards": Kind(
        "a step of a recorded roll-out",
        {**_OF_ROLL_OUT, "reward": "of the step"},
        TrajectoryRecord,
        lambda found: found.trajectories,
        tabulation.rewards,
    ),
}
"""Every kind by its name, which is that of its CSV file."""
