"""What a study takes: jobs, environment steps, time by stated rates, disk. Said before anything runs.

Knows sizes and rates; the counts are the most that a stage can come to, as episodes may end early and tails be
missing.
"""

from typing import NamedTuple

from landscapes.paper.sizes import CHECKPOINT_BYTES, RATES, ROW_BYTES
from landscapes.paper.study import Study


class Cost(NamedTuple):
    """Of one stage, at most."""

    jobs: int
    steps: float
    """Environment steps, or updates where nothing steps."""
    seconds: float
    disk: float
    """Bytes."""


def costs(study: Study) -> dict[str, Cost]:
    """By the name of the stage; those that take next to nothing are left out."""
    s, tasks = study.size, len(study.tasks)
    slow = RATES.slower[study.backend]
    zero = Cost(0, 0.0, 0.0, 0.0)
    train = measure = within = across = reject = clone = clones = zero
    for algorithm in study.algorithms:
        steps = study.steps(algorithm)
        per_seed = s.total_timesteps if algorithm == "ppo" else s.max_steps
        rows = 0 if algorithm == "ppo" else max(steps)
        stored = study.num_seeds * (len(steps) * CHECKPOINT_BYTES[algorithm] + 2 * rows * ROW_BYTES)
        # Most of an off-policy step is the update, which no backend slows down.
        slower = slow if algorithm == "ppo" else 1.0 + 0.1 * (slow - 1.0)
        all_seeds = float(study.num_seeds * per_seed)
        train = _sum(
            train, Cost(tasks, tasks * all_seeds, tasks * all_seeds / RATES.updates[algorithm] * slower, tasks * stored)
        )
        unroll = s.num_envs * s.num_steps if algorithm == "ppo" else 0
        one = study.samples(algorithm) * (s.episode_length + unroll)
        measure = _sum(measure, _measured(tasks * study.num_seeds, tasks * study.num_seeds * len(steps) * one, slow))
        num = min(s.path_checkpoints, len(steps))
        on_path = s.path_points * s.path_samples * s.episode_length
        seeds = tasks * study.num_seeds if num > 1 else 0
        within = _sum(within, _measured(seeds, seeds * num * (num - 1) * on_path, slow))
        others = tasks * (study.num_seeds - 1) if num > 1 else 0
        across = _sum(across, _measured(others, others * num * num * on_path, slow))
        purds = s.proposals + 1 + 3 * s.fresh_purds
        sample = study.walk_samples(algorithm) * (s.episode_length + unroll)
        reject = _sum(reject, _measured(s.num_roots, s.num_roots * purds * sample, slow))
        policies = tasks * 2 * s.num_pairs
        updates = float(policies * s.num_clones * s.clone_steps)
        size = policies * s.num_clones * CHECKPOINT_BYTES[algorithm]
        clone = _sum(clone, Cost(policies, updates, updates / RATES.clone_updates, size))
        clones = _sum(clones, _measured(policies * s.num_clones, policies * s.num_clones * one, slow))
    names = ("train", "measure", "paths within", "paths across", "reject", "clone", "measure clones")
    told = dict(zip(names, (train, measure, within, across, reject, clone, clones), strict=True))
    return {name: cost for name, cost in told.items() if cost.jobs}


def _sum(one: Cost, two: Cost) -> Cost:
    return Cost(one.jobs + two.jobs, one.steps + two.steps, one.seconds + two.seconds, one.disk + two.disk)


def _measured(jobs: int, steps: float, slow: float) -> Cost:
    return Cost(jobs, float(steps), steps / RATES.measured * slow, steps / 1000 * 16)
