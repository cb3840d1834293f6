"""`experiment=landscape_slice`: returns on a line or a plane through a stored policy.

Knows the job's settings, run folders and the measurement of many points; knows no algorithm and no maths. A slice that
has been measured is not measured again, nor what was done of one that was not complete.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eval_policy.measured import measured_before
from eval_policy.policies import check_alike
from eval_policy.stored import StoredPolicy, slice_policies
from landscapes import console, loading, statistics, storage
from landscapes.config.job import Job
from landscapes.config.schemas import LandscapeSlice
from landscapes.jobs.blocks import Samples, measure_by_blocks, unfinished_purd
from landscapes.jobs.closing import print_end
from landscapes.jobs.find_run import finder
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.statistics import tables
from landscapes.studies import measurement, neighborhood, paths
from landscapes.types import Agent, Policy, TrainState

SCHEMA_VERSION = 1

RADII = {"random": 1.0, "update": 10.0, "policies": 1.5}
"""Of each kind of directions, where none is given: the norms of the weights, ten updates, the others well inside."""


class _Slice(NamedTuple):
    """Which slice of which landscape: what the settings name, opened and checked."""

    settings: LandscapeSlice
    centre: StoredPolicy
    others: tuple[StoredPolicy, ...]
    x: np.ndarray
    y: np.ndarray

    @property
    def path(self) -> Path:
        return self.centre.run.slice_path(self.centre.seed)

    @property
    def group(self) -> str:
        """Where in the file it lies."""
        s = self.settings
        size, noise = f"{s.num_x}x{s.num_y}", f"{s.noise_type}/{storage.amount_name(s.noise_amount)}/{s.num_samples}"
        return f"{self.centre.ckpt}/{self._directions_name}_radius{_radius(s)}/{size}/{noise}"

    @property
    def policies(self) -> list[StoredPolicy]:
        """All that it leads through, the one in the middle first."""
        return [self.centre, *self.others]

    @property
    def _directions_name(self) -> str:
        named = "_".join(f"{run.name}.{seed}.{ckpt}" for run, seed, ckpt in self.others)
        return f"policies_{named}" if self.others else f"{self.settings.directions}{self.settings.direction_seed}"

    @property
    def axis_labels(self) -> list[str]:
        """What the coordinates along x and y count."""
        labels = [f"towards {other} (share of the way)" for other in self.others]
        if self.settings.directions == "update":
            labels = ["update direction (updates)"]
        of = {"random": "weights", "update": "update", "policies": "way"}[self.settings.directions]
        labels += [f"random direction {i} (layer norms of the {of})" for i in range(1, 3)]
        return [labels[0], labels[1] if self.settings.num_y > 1 else "none"]

    @property
    def decisive(self) -> list[str]:
        """Keys that change what is measured and stand in no name of a data set."""
        keys = ["random_seed", "experiment.episode_length"]
        return [*keys, "experiment.direction_seed"] if len(self.others) == 1 and self.settings.num_y > 1 else keys


def run(job: Job) -> None:
    """Measures the slice, all of its points together."""
    s = job.settings
    assert isinstance(s, LandscapeSlice)
    asked = _open(job, s)
    env, agent = loading.rebuild(asked.centre.run, s.episode_length)
    rate = neighborhood.amount_sets_rate(agent, s.noise_type, s.noise_amount)
    sampling = measurement.Sampling(s.noise_type, s.num_samples, amount_sets_rate=rate, num_points=s.num_x * s.num_y)
    measure = measurement.make_measure(env, agent, sampling, s.batch_size)
    neighborhood.check_amounts(agent, s.noise_type, [s.noise_amount], "experiment.noise_amount")
    if _makes_updates(s):
        loading.check_has_data(*asked.centre, "experiment.ckpt")
    found = {} if storage.starts_over(job.overwrite) else _found_before(job, asked)
    pace = _pace(asked, measure)
    run, name = asked.centre.run, job.member_name or f"{asked.centre.run.name}-s{s.seed}-slice"
    tracked = Tracked(name, "landscape_slice", run.name, seed=s.seed)
    _print_plan(asked, measure, pace)
    print_tracking(job, run.path, tracked)
    if job.dry_run:
        return
    tracker = job_tracker(job, run, tracked)
    try:
        returns = found.get(f"{asked.group}/returns")
        if returns is None:
            unfinished = _unfinished(job, asked, measure)
            returns = _measure(job, asked, agent, measure, unfinished, pace)
            _write(job, asked, returns, measure)
            unfinished.discard()
        rows, share = _summary(asked, returns)
        tracker.summary({"share in the left tail": share})
        tracker.artifact(name, "slice", [asked.path])
    finally:
        tracker.finish(sys.exception())
    title = f"{asked.centre}, {_in_words(s)}: {s.num_samples} samples at each of {s.num_x * s.num_y} points"
    console.print_table(title, ["point", "x", "y", *tables.purd_columns(0.1)], rows)
    print(f"{100.0 * share:.1f} % of the points have a mean below half of the checkpoint's")
    print_end([asked.path], tracker)


def _open(job: Job, s: LandscapeSlice) -> _Slice:
    """The policies that the settings name; raises UserError where one is missing or of another shape."""
    centre, others = slice_policies(finder(job), s)
    for index, other in enumerate(others):
        check_alike(centre.run, other.run, f"experiment.others[{index}].run_name")
    storage.check_results_writable(centre.run.seed_directory(s.seed))
    x, y = (paths.axis(num, _radius(s)) for num in (s.num_x, s.num_y))
    return _Slice(s, centre, tuple(others), x, y)


def _radius(s: LandscapeSlice) -> float:
    return RADII[s.directions] if s.radius is None else s.radius


def _found_before(job: Job, asked: _Slice) -> dict[str, np.ndarray]:
    runs = [policy.run for policy in asked.policies]
    found = measured_before(asked.path, {f"{asked.group}/returns": runs}, job.resolved, asked.decisive)
    if found:
        print("this slice was measured before and is not measured again (overwrite=true would)")
    return found


def _pace(asked: _Slice, measure: measurement.Measure) -> Pace:
    s = asked.settings
    program = Program(s.noise_type, s.episode_length, measure.program_shape)
    return of_measuring("slice", asked.centre.run, program, "roll-outs")


def _print_plan(asked: _Slice, measure: measurement.Measure, pace: Pace) -> None:
    s = asked.settings
    roll_outs = s.num_x * s.num_y * s.num_samples
    axes = zip("xy", asked.axis_labels, (s.num_x, s.num_y), strict=True)
    console.print_plan(
        f"Slice through {asked.centre}",
        {
            **{axis: f"{label}, {num} from {-_radius(s)} to {_radius(s)}" for axis, label, num in axes if num > 1},
            "measured": f"{s.num_samples} samples at each point, {_in_words(s)}",
            "roll-outs": f"{console.human_count(roll_outs)} in all",
            "environment steps": f"at most {console.human_count(roll_outs * s.episode_length)}",
            "side by side": measurement.side_by_side(measure.program_shape),
            "time": pace.told(roll_outs),
        },
    )


def _in_words(s: LandscapeSlice) -> str:
    return f"{s.noise_type} {storage.amount_name(s.noise_amount)}"


def _makes_updates(s: LandscapeSlice) -> bool:
    return s.directions == "update" or s.noise_type not in neighborhood.GENERIC_KINDS


def _measure(
    job: Job,
    asked: _Slice,
    agent: Agent,
    measure: measurement.Measure,
    unfinished: storage.Unfinished,
    pace: Pace,
) -> np.ndarray:
    """Returns `[num_x, num_y, num_samples]`."""
    s = asked.settings
    total = s.num_x * s.num_y * s.num_samples
    with (
        stopping.stop_requests() as stop,
        console.Progress("slice", total, s.tqdm, unit="roll-outs") as progress,
        told_to(progress.meanwhile),
    ):

        def show(done: int, mean: float | None) -> None:
            stop.leave()
            progress.advance_to(done, None if mean is None else f"mean return {mean:.1f}")

        state = loading.load_state(*asked.centre, agent, with_log=_makes_updates(s))
        others = [_load_policy(other) for other in asked.others]
        points = jax.jit(partial(_points, asked, agent))(state, others)
        samples = Samples(jax.random.key(job.random_seed), state, s.noise_amount, total, points=points)
        purd = measure_by_blocks(measure, samples, show, unfinished, job.save_interval)
    pace.note(progress)
    returns = purd.returns.astype(np.float32).reshape(s.num_samples, s.num_x, s.num_y)
    return np.ascontiguousarray(np.moveaxis(returns, 0, -1))


def _unfinished(job: Job, asked: _Slice, measure: measurement.Measure) -> storage.Unfinished:
    """What of it was measured by a job that was stopped."""
    about = {
        "result": f"{asked.path.name}/{asked.group}",
        storage.STANDS_ON: storage.footing(asked.policies),
        "episode_length": asked.settings.episode_length,
        "direction_seed": asked.settings.direction_seed,
    }
    key = jax.random.key(job.random_seed)
    return unfinished_purd(job.overwrite, asked.path.parent, about, measure, key, asked.settings.noise_amount)


def _load_policy(stored: StoredPolicy) -> Policy:
    run, seed, ckpt = stored
    policy: Policy = loading.load_state(run, seed, ckpt, loading.rebuild(run)[1], with_log=False).learner.policy
    return policy


def _points(asked: _Slice, agent: Agent, state: TrainState, others: Sequence[Policy]) -> paths.Points:
    """The grid around the policy of `state`, in one direction or two: those asked for, and random ones if they are
    fewer, with the layers' norms of the first or else of the weights."""
    s, policy = asked.settings, state.learner.policy
    key_update, *random_keys = jax.random.split(jax.random.key(s.direction_seed), 3)
    ends = list(others)
    if s.directions == "update":
        ends.append(neighborhood.one_update(agent, False)(key_update, state, jnp.float32(0.0)))
    directions = [paths.difference(end, policy) for end in ends]
    like = directions[0] if directions else policy
    directions += [paths.random_direction(key, like) for key in random_keys]
    return paths.plane(policy, directions[: 2 if s.num_y > 1 else 1], asked.x, asked.y)


def _write(job: Job, asked: _Slice, returns: np.ndarray, measure: measurement.Measure) -> None:
    s = asked.settings
    policies = asked.policies
    storage.check_still_there(asked.centre.run)
    about = {
        "random_seed": job.random_seed,
        "config": job.resolved,
        storage.STANDS_ON: storage.footing(policies),
    }
    datasets = {
        "returns": returns,
        "x": asked.x,
        "y": asked.y,
        # The centre is the origin, and each other policy lies where its own coordinate is 1.
        "policies": np.eye(3, 2, k=-1)[: len(policies)],
    }
    attributes: dict[str, dict[str, object]] = {
        "returns": {
            "axes": "x,y,sample",
            "units": "undiscounted return",
            "axis_labels": asked.axis_labels,
            "keys": "sample i draws from fold_in(key(random_seed), i), at all points the same",
            "episode_length": s.episode_length,
            "program_shape": measure.program_shape,
            "noise_type": s.noise_type,
            "noise_amount": s.noise_amount,
        },
        "x": {"axes": "x", "units": asked.axis_labels[0]},
        "y": {"axes": "y", "units": asked.axis_labels[1]},
        "policies": {
            "axes": "policy,coordinate",
            "units": "as x and y",
            "policies": [dict(zip(("run", "seed", "ckpt"), policy.key, strict=True)) for policy in policies],
        },
    }
    storage.merge_hdf5(
        asked.path,
        {f"{asked.group}/{name}": values for name, values in datasets.items()},
        {"schema_version": SCHEMA_VERSION, "seed": s.seed, **asked.centre.run.provenance()},
        {f"{asked.group}/{name}": {**about, **own} for name, own in attributes.items()},
    )


def _summary(asked: _Slice, returns: np.ndarray) -> tuple[list[Sequence[object]], float]:
    """The rows of the closing table, and the share of points in the left tail of the checkpoint.

    The checkpoint stands for itself by the grid's nearest point, which is it where the numbers of points are odd.
    """
    means = statistics.over_samples(statistics.mean, returns)
    ranked = np.where(np.isfinite(means), means, -np.inf)  # what diverged is the worst
    middle = (len(asked.x) // 2, len(asked.y) // 2)
    best, worst = (np.unravel_index(index, means.shape) for index in (ranked.argmax(), ranked.argmin()))
    rows: list[Sequence[object]] = []
    for name, (i, j) in (("checkpoint", middle), ("best", best), ("worst", worst)):
        cells = tables.purd_cells(statistics.summarize(returns[i, j]))
        rows.append([name, f"{asked.x[i]:.4g}", f"{asked.y[j]:.4g}", *cells])
    return rows, statistics.share_in_left_tail(means, float(means[middle]))
