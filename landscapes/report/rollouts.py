"""Recorded roll-outs, read back beside the distributions that their samples are from.

Knows trajectory files; knows nothing of how a roll-out is drawn. What does not belong to the returns that are stored
now is left out and named.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from landscapes import statistics, storage
from landscapes.console import human_count
from landscapes.errors import UserError


class Poses(NamedTuple):
    """Where the links of a body are: positions `[T, num_links, 3]` in metres, rotations `[T, num_links, 4]`."""

    positions: NDArray[np.float32]
    rotations: NDArray[np.float32]


class Frames(NamedTuple):
    """Pictures `[T, height, width, 3]` uint8."""

    pictures: NDArray[np.uint8]


class Rollout(NamedTuple):
    """One roll-out of T steps, with rewards `[T]`."""

    sample: int
    """Its index in the distribution."""
    rank: int
    seen: Poses | Frames
    rewards: NDArray[np.float32]
    recorded_return: float
    stored_return: float
    seconds_per_step: float
    terminated: bool

    @property
    def num_steps(self) -> int:
        """Steps until the episode ended."""
        return len(self.rewards)


class Recorded(NamedTuple):
    """A distribution of returns `[num_samples]` of which some samples' roll-outs were recorded."""

    purd: storage.PurdRecord
    returns: NDArray[np.float64]
    scene: dict[str, Any]
    median: tuple[Rollout, ...]
    """Those nearest to the median, the nearest first."""
    left_tail: tuple[Rollout, ...]
    """Those of the lowest returns, the lowest first."""

    @property
    def title(self) -> str:
        """Which neighbourhood of which policy."""
        return f"{self.policy}: {self.neighbourhood}"

    @property
    def is_test(self) -> bool:
        """Whether it is of the policy itself."""
        return self.purd.is_test

    @property
    def roles(self) -> tuple[str, str]:
        """What a roll-out near the median is called, and one of the lowest returns."""
        return ("Typical episode", "Lowest return") if self.is_test else ("Typical neighbour", "Left tail")

    @property
    def neighbourhood(self) -> str:
        """Which neighbourhood."""
        if self.is_test:
            return f"test episodes, {storage.TEST_KINDS[self.purd.kind]}"
        return f"{self.purd.kind} {self.purd.amount}"

    @property
    def policy(self) -> str:
        """Which policy."""
        run, seed, step = self.purd.policy
        return f"{run}, seed {seed}, {human_count(step)} steps"


def read_recorded(found: storage.Measurements) -> tuple[list[Recorded], list[str]]:
    """What was recorded of a run, in the order of seeds and checkpoints, and one line for each thing left out."""
    recorded: list[Recorded] = []
    problems: list[str] = []
    purds = {(x.policy, x.kind, x.amount, x.num_samples): x for x in (*found.purds, *found.tests)}
    for key, records in itertools.groupby(found.trajectories, lambda x: (x.policy, x.kind, x.amount, x.num_samples)):
        listed = list(records)
        where = f"{listed[0].path}: {listed[0].group.rpartition('/')[0]}"
        if key not in purds:
            problems.append(f"{where} has roll-outs, but its returns are not stored")
            continue
        try:
            recorded.append(_read(purds[key], listed))
        except UserError as error:
            problems.append(str(error))
        except (KeyError, ValueError) as error:
            problems.append(f"{where} cannot be shown: {error}")
    return recorded, problems


def same_mean_pairs(recorded: Sequence[Recorded]) -> list[tuple[Recorded, Recorded]]:
    """Pairs (calmer, noisier) of neighbourhoods of equal mean return, of those measured in the same way; the widest
    apart first."""
    pairs: list[tuple[Recorded, Recorded]] = []
    for alike in _alike(one for one in recorded if not one.is_test):
        found = statistics.same_mean_pairs([one.returns for one in alike])
        pairs += [(alike[calm], alike[noisy]) for calm, noisy in found]
    return sorted(pairs, key=lambda pair: statistics.std(pair[0].returns) - statistics.std(pair[1].returns))


def noisiest(recorded: Sequence[Recorded]) -> int:
    """The index of the one whose returns spread the most."""
    return int(np.argmax([statistics.std(one.returns) for one in recorded]))


def _alike(recorded: Iterable[Recorded]) -> Iterable[list[Recorded]]:
    """Groups that share their kind and amount, and the body or the picture that is seen."""
    groups: dict[tuple[str, str, str], list[Recorded]] = {}
    for one in recorded:
        key = (one.purd.kind, one.purd.amount, json.dumps(one.scene, sort_keys=True))
        groups.setdefault(key, []).append(one)
    return groups.values()


def _read(purd: storage.PurdRecord, records: Sequence[storage.TrajectoryRecord]) -> Recorded:
    returns = storage.read_hdf5(purd.path, "file")[0][purd.dataset].astype(np.float64)
    datasets, attributes = storage.read_hdf5_nodes(records[0].path, "file")
    roles: dict[str, list[Rollout]] = {"median": [], "left_tail": []}
    for record in sorted(records, key=lambda x: x.rank):
        rollout = _rollout(record, datasets, attributes[record.group])
        if rollout.stored_return != returns[rollout.sample]:
            raise ValueError("it is of an earlier measurement of this checkpoint; record it again")
        roles[record.role].append(rollout)
    scene = json.loads(str(datasets["scene"]))
    return Recorded(purd, returns, scene, tuple(roles["median"]), tuple(roles["left_tail"]))


def _rollout(record: storage.TrajectoryRecord, datasets: Mapping[str, NDArray[Any]], about: Any) -> Rollout:
    rewards = datasets[f"{record.group}/rewards"]
    seen = _seen(record.group, datasets)
    if any(len(values) != len(rewards) for values in seen) or len(rewards) == 0:
        raise ValueError(f"{_shapes(seen)} and rewards {rewards.shape} disagree")
    return Rollout(
        sample=int(about["sample"]),
        rank=record.rank,
        seen=seen,
        rewards=rewards,
        recorded_return=float(about["return"]),
        stored_return=float(about["stored_return"]),
        seconds_per_step=float(about["seconds_per_step"]),
        terminated=bool(about["terminated"]),
    )


def _seen(group: str, datasets: Mapping[str, NDArray[Any]]) -> Poses | Frames:
    if f"{group}/frames" in datasets:
        frames = Frames(datasets[f"{group}/frames"])
        if frames.pictures.ndim != 4 or frames.pictures.shape[3] != 3 or frames.pictures.dtype != np.uint8:
            raise ValueError(f"{_shapes(frames)} {frames.pictures.dtype} are no pictures in colour")
        return frames
    poses = Poses(datasets[f"{group}/positions"], datasets[f"{group}/rotations"])
    if poses.positions.shape[:2] != poses.rotations.shape[:2]:
        raise ValueError(f"{_shapes(poses)} disagree")
    return poses


def _shapes(seen: Poses | Frames) -> str:
    return " and ".join(f"{name} {values.shape}" for name, values in seen._asdict().items())
