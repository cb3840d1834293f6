"""`experiment=policy_interpolation_seed`: the paths between all checkpoints of one seed, or of two.

Knows which pairs there are; how a path is measured is in `eval_policy.interpolation`.
"""

from eval_policy.interpolation import Pair, measure_paths
from eval_policy.policies import check_stored
from landscapes import storage
from landscapes.config.fields import shown
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyInterpolationSeed
from landscapes.errors import UserError
from landscapes.jobs.find_run import find_run


def run(job: Job) -> None:
    """Measures the path of each ordered pair of checkpoints, or of the half of them that was asked for."""
    s = job.settings
    assert isinstance(s, PolicyInterpolationSeed)
    stored = find_run(job, storage.results_directory(job.results_dir), s.run_name)
    pairs = _half(_all_pairs(stored, s), s.first_half)
    if not pairs:
        allowed = f"leaves no pair of the checkpoints of run {s.run_name}; null takes them all"
        raise UserError("experiment.first_half", shown(s.first_half), allowed)
    measure_paths(job, pairs, f"{stored.name}-s{s.seed}-paths")


def _all_pairs(stored: storage.Run, s: PolicyInterpolationSeed) -> list[Pair]:
    """From each checkpoint of the seed to each of the same seed or of the other one, but not to itself."""
    storage.check_seed(stored, s.seed, "experiment.seed")
    other = s.seed
    if not s.same_seed:
        other = s.seed + 1 if s.other_seed is None else s.other_seed
        storage.check_seed(stored, other, "experiment.other_seed")
    ends = [
        [
            check_stored(stored, seed, step, "experiment.seed", "experiment.ckpt_indexes")
            for step in s.ckpt_indexes or stored.checkpoint_steps(seed)
        ]
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
