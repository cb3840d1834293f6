"""Which stored policies the settings of an experiment name.

Knows settings and run folders; knows no measurement, and imports no JAX: a sweep is checked with it before it is
launched. Every function raises UserError for what is not stored.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from landscapes import storage
from landscapes.config.schemas import (
    LandscapeSlice,
    Neighborhood,
    Paths,
    PolicyInterpolation,
    PolicyInterpolationSeed,
    PolicyTest,
    PolicyVariance,
    between,
)
from landscapes.errors import UserError
from landscapes.jobs.find_run import Find
from landscapes.settings.fields import shown


class StoredPolicy(NamedTuple):
    """A checkpoint of one seed of a run."""

    run: storage.Run
    seed: int
    ckpt: int

    @property
    def key(self) -> tuple[str, int, int]:
        return self.run.name, self.seed, self.ckpt

    def __str__(self) -> str:
        return f"{self.run.name} seed {self.seed} checkpoint {self.ckpt}"


class Pair(NamedTuple):
    """The ends of a path, whose column 0 is policy 2 and whose last one is policy 1."""

    one: StoredPolicy
    two: StoredPolicy


def check_stored(run: storage.Run, seed: int, ckpt: int | str, seed_key: str, ckpt_key: str) -> StoredPolicy:
    """That policy, or the last one of the seed; errors are under these keys."""
    storage.check_seed(run, seed, seed_key)
    return StoredPolicy(run, seed, storage.find_checkpoint(run, seed, ckpt, ckpt_key))


def measured_policies(find: Find, s: PolicyVariance) -> tuple[storage.Run, list[tuple[int, int]]]:
    """A run, and the seed and checkpoints of it that are measured."""
    run = find(s.run_name, "experiment.run_name")
    storage.check_seed(run, s.seed, "experiment.seed")
    return run, [(s.seed, step) for step in _checkpoints(run, s.seed, s.ckpt_indexes, "experiment.ckpt_indexes")]


def pairs_of_run(find: Find, s: Paths) -> list[Pair]:
    """Each pair of the policies that are asked for once."""
    run, chosen = chosen_policies(find, s)
    policies = [StoredPolicy(run, seed, step) for seed, step in chosen]
    if len(policies) < 2:
        raise UserError("experiment.checkpoints", shown(s.checkpoints), f"leaves one policy of run {run.name}, no pair")
    return [Pair(one, two) for one, two in itertools.combinations(policies, 2)]


def chosen_policies(find: Find, s: Neighborhood | PolicyTest | Paths) -> tuple[storage.Run, list[tuple[int, int]]]:
    """A run, and the seeds and checkpoints of it that are asked for."""
    run = find(s.run, "experiment.run")
    chosen = []
    for seed in _chosen(list(range(run.num_seeds)), s.seeds, run, "experiment.seeds"):
        storage.check_seed(run, seed, "experiment.seeds")
        chosen += [(seed, step) for step in _checkpoints(run, seed, s.checkpoints, "experiment.checkpoints")]
    return run, chosen


def _checkpoints(run: storage.Run, seed: int, asked: list[int] | str, key: str) -> Sequence[int]:
    """Steps of the checkpoints of one seed that are asked for; raises UserError under `key` for what is not stored."""
    present = run.checkpoint_steps(seed)
    if not present:
        raise UserError(key, shown(asked), f"seed {seed} of run {run.name} has no checkpoints yet")
    found = [storage.check_best(run, seed, key)] if asked == "best" else _chosen(present, asked, run, key)
    for step in found:
        storage.check_checkpoint(run, seed, step, key)
    return found


def _chosen(present: Sequence[int], asked: list[int] | str, run: storage.Run, key: str) -> Sequence[int]:
    """Those of `present` that are asked for in words, or the list that is asked for, whether or not they are there."""
    if not isinstance(asked, str):
        return asked
    if asked in ("all", "last"):
        return present if asked == "all" else present[-1:]
    ends = between(asked)
    assert ends is not None
    found = [each for each in present if ends[0] <= each <= ends[1]]
    if not found:
        raise UserError(key, asked, f"holds none: run {run.name} has {', '.join(map(str, present))}")
    return found


def pairs_of_seed(find: Find, s: PolicyInterpolationSeed) -> list[Pair]:
    """Each ordered pair of checkpoints, or the half of them that was asked for."""
    stored = find(s.run_name, "experiment.run_name")
    pairs = _half(_all_pairs(stored, s), s.first_half)
    if not pairs:
        allowed = f"leaves no pair of the checkpoints of run {s.run_name}; null takes them all"
        raise UserError("experiment.first_half", shown(s.first_half), allowed)
    return pairs


def given_pairs(find: Find, s: PolicyInterpolation) -> list[Pair]:
    """The pairs in their order, each once."""
    runs2 = {name: find(name, "experiment.run_names2") for name in s.run_names2}
    runs1 = {name: find(name, "experiment.run_names1") for name in s.run_names1}
    pairs: dict[object, Pair] = {}
    for name1, seed1, ckpt1, name2, seed2, ckpt2 in zip(
        s.run_names1, s.seeds1, s.ckpts1, s.run_names2, s.seeds2, s.ckpts2, strict=True
    ):
        one = check_stored(runs1[name1], seed1, ckpt1, "experiment.seeds1", "experiment.ckpts1")
        two = check_stored(runs2[name2], seed2, ckpt2, "experiment.seeds2", "experiment.ckpts2")
        check_comparable(one.run, two.run, "experiment.run_names2")
        pairs[one.key, two.key] = Pair(one, two)
    return list(pairs.values())


def slice_policies(find: Find, s: LandscapeSlice) -> tuple[StoredPolicy, list[StoredPolicy]]:
    """The policy in the middle of a slice, and the others that it goes through."""
    run = find(s.run_name, "experiment.run_name")
    centre = check_stored(run, s.seed, s.ckpt, "experiment.seed", "experiment.ckpt")
    others = []
    for index, other in enumerate(s.others):
        key = f"experiment.others[{index}]"
        found = find(other.run_name, f"{key}.run_name")
        others.append(check_stored(found, other.seed, other.ckpt, f"{key}.seed", f"{key}.ckpt"))
        check_comparable(run, found, f"{key}.run_name")
        if others[-1].key in [centre.key, *(one.key for one in others[:-1])]:
            allowed = "must be another policy than the one in the middle, and than the other: each is a direction"
            raise UserError(key, str(others[-1]), allowed)
    return centre, others


def check_comparable(one: storage.Run, two: storage.Run, key: str) -> None:
    """Raises UserError under `key` unless both runs are of one algorithm in one environment."""
    for of, name in (("environment", "name"), ("environment", "backend"), ("algorithm", "name")):
        found = [run.record[of][name] for run in (one, two)]
        if found[0] != found[1]:
            allowed = (
                f"has {of} {name} {found[1]} and run {one.name} has {found[0]}: no line leads from one to the other"
            )
            raise UserError(key, two.name, allowed)


def _all_pairs(stored: storage.Run, s: PolicyInterpolationSeed) -> list[Pair]:
    """From each checkpoint of the seed to each of the same seed or of the other one, but not to itself."""
    storage.check_seed(stored, s.seed, "experiment.seed")
    other = s.seed
    if not s.same_seed:
        other = s.seed + 1 if s.other_seed is None else s.other_seed
        storage.check_seed(stored, other, "experiment.other_seed")
    asked = "all" if s.ckpt_indexes is None else s.ckpt_indexes
    ends = [
        [StoredPolicy(stored, seed, step) for step in _checkpoints(stored, seed, asked, "experiment.ckpt_indexes")]
        for seed in (s.seed, other)
    ]
    pairs = [Pair(one, two) for one in ends[0] for two in ends[1] if one.key != two.key]
    if not pairs:
        present = ", ".join(map(str, stored.checkpoint_steps(s.seed))) or "none"
        allowed = f"leaves no pair: seed {s.seed} of run {stored.name} has checkpoints {present}"
        raise UserError("experiment.ckpt_indexes", shown(s.ckpt_indexes), allowed)
    return pairs


def _half(pairs: list[Pair], first: bool | None) -> list[Pair]:
    """The first or the second half of the pairs, which has the middle one of an odd number; null for all."""
    if first is None:
        return pairs
    middle = len(pairs) // 2
    return pairs[:middle] if first else pairs[middle:]
