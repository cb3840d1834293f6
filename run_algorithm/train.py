"""The training job: a host loop around the compiled trainer that evaluates, logs, stores and shows progress.

Knows run folders, trackers and the algorithm record; knows no concrete algorithm and no maths.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from landscapes import console, statistics, storage, training
from landscapes.config.job import Job
from landscapes.config.training import Training
from landscapes.envs import make_environment
from landscapes.errors import UserError
from landscapes.experience import replay
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace
from landscapes.jobs.run_folder import continued, is_finished, new_run_name, open_or_create
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.loading import make_agent
from landscapes.machine import stopping
from landscapes.machine.compilation import compile_together, told_to
from landscapes.tracking import SilentTracker, Tracker
from landscapes.types import Agent, Environment
from run_algorithm.checks import MAY_CHANGE
from run_algorithm.curves import Curves
from run_algorithm.plan import Estimate, estimate, print_plan
from run_algorithm.resume import Saves, Standing, Stored
from run_algorithm.schedule import Schedule

SECONDS_PER_CALL = 2.0
"""How long one call of the compiled loop should take, so that progress shows and an interrupt is heard."""

ROWS_PER_SEGMENT = 200_000
"""A stored piece of the replay log has at most so many rows."""


@dataclass
class EvaluationSettings:
    """How policies are evaluated while they train."""

    episodes: int
    episode_length: int
    sampled: bool = False
    """Whether also by actions drawn from the policy."""


@dataclass(frozen=True)
class Task:
    """What an experiment wants trained, beside the settings of its algorithm."""

    env_name: str
    env_key: str
    """The setting that names the environment."""
    backend: str
    env_options: dict[str, Any]
    episode_length: int
    num_seeds: int
    seed: int
    evaluation: EvaluationSettings
    make_schedule: Callable[[Agent], Schedule]
    length_key: str | None
    """The setting that may become larger when the run goes on; None where nothing may."""
    show_progress: bool

    def estimate(self, job: Job) -> Estimate:
        """What it will take."""
        _, _, _, agent = self.agent(job)
        return estimate(agent, self.num_seeds, self.make_schedule(agent), ROWS_PER_SEGMENT)

    def agent(self, job: Job) -> tuple[str, dict[str, Any], Environment, Agent]:
        """The algorithm's name and settings, the environment and the algorithm."""
        assert isinstance(job.settings, Training)
        name, settings = job.settings.algorithm, job.settings.algorithm_settings()
        env = self.environment(self.episode_length, training=True)
        return name, settings, env, make_agent(name, settings, env, "experiment.algorithm")

    def environment(self, episode_length: int, training: bool) -> Environment:
        """The task as it is trained on, or as it is measured."""
        return make_environment(
            self.env_name, self.backend, episode_length, self.env_key, self.env_options, training=training
        )


def train(job: Job, task: Task) -> storage.Run | None:
    """Trains all seeds to the end of the schedule and returns the run they are stored in; None where only the plan was
    wanted.

    A run of this name and these settings is continued, or left alone if it is finished.
    """
    name, settings, env, agent = task.agent(job)
    schedule = task.make_schedule(agent)
    results = storage.results_directory(job.results_dir)
    storage.check_results_writable(results)
    run_name = new_run_name(job, f"{agent.name}-{env.name.rpartition('.')[2]}")
    record = {
        "experiment": job.experiment_name,
        "config": job.resolved,
        "environment": {
            "name": task.env_name,
            "backend": task.backend,
            "episode_length": task.episode_length,
            "options": task.env_options,
        },
        "algorithm": {"name": name, "config": settings},
        "num_seeds": task.num_seeds,
        "random_seed": task.seed,
        **storage.environment_record(),
        "parent": None,
        "diverged": {},
        "dead": {},
        "status": "running",
    }
    pace = _pace(job, task, record)
    if job.dry_run:
        _show_plan(job, task, results / run_name, (env, agent, schedule), pace)
        return None
    run, changed = open_or_create(job, results, run_name, record, MAY_CHANGE, task.length_key)
    longer = task.length_key in changed
    if not longer and is_finished(run):
        return run
    with storage.hold_run(run):
        return _train(job, task, run.with_record(**continued(record)), (env, agent, schedule), longer, pace)


def _tracked(job: Job, task: Task, name: str) -> Tracked:
    return Tracked(name, "train", job.sweep_name, seeds=tuple(range(task.num_seeds)), makes_run=True)


def _pace(job: Job, task: Task, record: dict[str, Any]) -> Pace:
    assert isinstance(job.settings, Training)
    algorithm = {"name": job.settings.algorithm, **job.settings.unlimited_settings()}
    shape = {"environment": record["environment"], "algorithm": algorithm, "num_seeds": task.num_seeds}
    return Pace({"job": "train", **shape, "evaluation": dataclasses.asdict(task.evaluation)}, "steps")


def _show_plan(job: Job, task: Task, path: Path, made: tuple[Environment, Agent, Schedule], pace: Pace) -> None:
    """What the training of the run at `path` will take, and where its metrics will be."""
    env, agent, schedule = made
    needed = estimate(agent, task.num_seeds, schedule, ROWS_PER_SEGMENT)
    duration = pace.told(schedule.total * schedule.env_steps)
    print_plan(path, env, agent, task.num_seeds, schedule, needed, duration)
    print_tracking(job, path, _tracked(job, task, path.name))


def _train(
    job: Job, task: Task, run: storage.Run, made: tuple[Environment, Agent, Schedule], longer: bool, pace: Pace
) -> storage.Run:
    """The rest of `train`, on a run that no other process works on; `longer` if it was shorter when it began."""
    env, agent, schedule = made
    _show_plan(job, task, run.path, made, pace)
    loop = _TrainingLoop(run, env, agent, schedule, task, job.save_interval)
    at = loop.restore(rescheduled=longer)
    tracker = job_tracker(job, run, _tracked(job, task, run.name))
    status = "stopped"
    try:
        loop.go(at, tracker)
        status = "finished"
    finally:
        files = loop.finish(status)
        tracker.artifact(f"{run.name}-curves", "curves", [loop.curves.run.curves_path])
        tracker.artifact(f"{run.name}-checkpoints", "checkpoints", files)
        tracker.finish(sys.exception())
    _print_results(loop)
    if loop.progress is not None:
        pace.note(loop.progress)
    print_end([run.path / "run.json", run.curves_path, *files], tracker)
    print(f"run: {run.name}")
    return loop.run


class _TrainingLoop:
    """One training run while it runs."""

    def __init__(
        self,
        run: storage.Run,
        env: Environment,
        agent: Agent,
        schedule: Schedule,
        task: Task,
        save_interval: float,
    ) -> None:
        self.run = run
        self.tracker: Tracker = SilentTracker()
        self.progress: console.Progress | None = None
        self.agent = agent
        self.schedule = schedule
        self.num_seeds = task.num_seeds
        self.show_progress = task.show_progress
        self.curves = Curves(run, task.num_seeds)
        self.files: list[Path] = []
        self.diverged: dict[int, int] = {}
        self.dead: dict[int, int] = {}
        self.rows_stored = 0
        self.keys = training.member_keys(task.seed, task.num_seeds)
        self.trainer = training.make_trainer(agent)
        measured = env
        if task.env_options or task.evaluation.episode_length != env.episode_length:
            measured = task.environment(task.evaluation.episode_length, training=False)
        sizes = (task.num_seeds, task.evaluation.episodes)
        self.evaluator = training.make_evaluator(measured, agent, *sizes)
        self.sampled_evaluator: training.Evaluator | None = None
        if task.evaluation.sampled and agent.sample is not None:
            self.sampled_evaluator = training.make_evaluator(measured, agent, *sizes, agent.sample)
        elif task.evaluation.sampled:
            print(f"{agent.name} has no stochastic policy to sample from: its deterministic one is evaluated alone")
        self.seconds_per_iteration: float | None = None
        self.saves = Saves(run, agent, self.trainer, task.num_seeds, save_interval)
        self.logs = self.saves.logs

    def restore(self, rescheduled: bool) -> Standing | None:
        """Where the latest save stands, None if there is none; `rescheduled` if it was made on another schedule."""
        found = self.saves.restore()
        at = None
        if found is not None:
            at, stored, curves = found
            self.rows_stored, self.diverged = stored
            self.curves.restore(curves)
            self.dead = self.curves.dead()
            print(f"goes on from step {console.human_count(at.iteration * self.schedule.env_steps)}", flush=True)
        if rescheduled:
            self._discard_after(0 if at is None else at.iteration)
        return at

    def go(self, at: Standing | None, tracker: Tracker) -> None:
        """Trains from there, or from the start."""
        self.tracker = tracker
        self.run = self.run.write_record(wandb_id=tracker.run_id)
        total, scale, compiled = self.schedule.total, self.schedule.env_steps, False
        description = f"{self.agent.name}, {self.num_seeds} seed{'s' if self.num_seeds > 1 else ''}"
        done = 0 if at is None else at.iteration
        with (
            stopping.stop_requests() as stop,
            console.Progress(description, total * scale, self.show_progress, start=done * scale) as progress,
            told_to(progress.meanwhile),
        ):
            self.progress = progress
            if done < total:
                self._compile(fresh=at is None)
            at = at or self._start()
            while at.iteration < total:
                pause = self.schedule.next_stop(at.iteration)
                count = min(pause - at.iteration, self._iterations_per_call(), self._room(at.iteration))
                at, seconds = self._advance(at, count)
                if compiled:
                    self.seconds_per_iteration = seconds
                # The first call is slow, and random actions are fast: neither says anything about the rest.
                if compiled and at.iteration > self.agent.warm_up_steps:
                    progress.advance_to(at.iteration * scale, self._latest())
                else:
                    progress.begin_at(at.iteration * scale)
                compiled = True
                if at.iteration == pause:
                    at = self._pause(at)
                if self.saves.due or stop.asked or at.iteration == total:
                    self._save(at)
                stop.leave()
            progress.advance_to(total * scale, self._latest())

    def _discard_after(self, done: int) -> None:
        """Removes what was stored after a save: on another schedule it may come out in other pieces.

        Raises UserError where the log of new checkpoints would have a hole: after the last checkpoint of a schedule,
        rows are kept no longer than the ring keeps them.
        """
        steps = done * self.schedule.env_steps
        oldest = self.logs.oldest(steps)
        if done < self._last_checkpoint() and self.rows_stored < oldest:
            gone = f"rows {self.rows_stored}..{oldest - 1} of the replay log, which its new"
            raise UserError("run_name", self.run.name, f"{gone} checkpoints would see, were not kept")
        for seed in range(self.num_seeds):
            for step in self.run.checkpoint_steps(seed):
                if step > steps:
                    self.run.checkpoint_path(seed, step).unlink()
            storage.discard_log(self.run, seed, self.rows_stored)

    def _compile(self, fresh: bool) -> None:
        """All that training will call, side by side; its start only where it is to start."""
        loop, start = self.trainer.programs(self.keys)
        evaluators = [self.evaluator, self.sampled_evaluator] if self.schedule.evaluations else []
        programs = [loop, *(each.program(self.keys.evaluate) for each in evaluators if each is not None)]
        compile_together([*programs, start] if fresh else programs)

    def _start(self) -> Standing:
        members = self.trainer.init(self.keys.init)
        self._look(members, 0)
        return Standing(0, members, self.trainer.blank(self.num_seeds))

    def _advance(self, at: Standing, count: int) -> tuple[Standing, float]:
        """`count` iterations more, and the seconds that each took."""
        began = time.monotonic()
        end = at.iteration + count
        members, tallies = self.trainer.advance(self.keys.train, at.members, at.tallies, at.iteration, end)
        jax.block_until_ready(tallies)
        self._store_full_ring(members, end)
        return Standing(end, members, tallies), (time.monotonic() - began) / count

    def _pause(self, at: Standing) -> Standing:
        """What the schedule wants after this iteration."""
        if at.iteration % self.schedule.log_interval == 0 or at.iteration == self.schedule.total:
            self._log_training(at.iteration * self.schedule.env_steps, training.means(at.tallies))
            at = at._replace(tallies=self.trainer.blank(self.num_seeds))
        self._look(at.members, at.iteration)
        return at

    def _save(self, at: Standing) -> None:
        self.saves.write(at, Stored(self.rows_stored, self.diverged), self.curves.datasets())
        self.curves.save()

    def finish(self, status: str) -> list[Path]:
        """Writes what is still unwritten; returns the checkpoints and pieces of the log that were stored."""
        if self.curves.steps:  # else nothing has begun, and the curves on disk are better
            self.curves.save()
        self.run = self.run.write_record(
            status=status,
            diverged={str(seed): step for seed, step in self.diverged.items()},
            dead={str(seed): step for seed, step in self.dead.items()},
        )
        return self.files

    @property
    def healthy(self) -> list[int]:
        """Seeds that have not diverged."""
        return [seed for seed in range(self.num_seeds) if seed not in self.diverged]

    def _iterations_per_call(self) -> int:
        if self.seconds_per_iteration is None:
            return 1
        return max(1, int(SECONDS_PER_CALL / max(self.seconds_per_iteration, 1e-6)))

    def _latest(self) -> str | None:
        if not self.curves.returns:
            return None
        means = self.curves.returns[-1].mean(axis=1)[self.healthy]
        return f"return {means.mean():.1f}" if len(means) else "every seed has diverged"

    def _look(self, members: training.Members, done: int) -> None:
        """Evaluates and stores where the schedule says so, and notes seeds that have diverged."""
        step = done * self.schedule.env_steps
        self._note_divergence(members, step)
        if done in self.schedule.evaluations:
            policies = members.policies()
            returns = self.evaluator.evaluate(self.keys.evaluate, policies, done)
            sampled = None
            if self.sampled_evaluator is not None:
                sampled = self.sampled_evaluator.evaluate(self.keys.evaluate, policies, done)
            self.curves.add_evaluation(step, returns, sampled)
            self._log_evaluation(step, returns, sampled)
        if done in self.schedule.checkpoints:
            self._store(members, step, done)

    def _note_divergence(self, members: training.Members, step: int) -> None:
        finite = self.trainer.finite(members)
        for seed in self.healthy:
            if not finite[seed]:
                self.diverged[seed] = step
                print(
                    f"seed {seed} has diverged by step {step}: its policy is not finite; the others go on", flush=True
                )

    def _note_dead(self, step: int) -> None:
        """Names seeds whose policy has lost its gradient, and those that have it again."""
        dead = {seed: since for seed, since in self.curves.dead().items() if seed not in self.diverged}
        for seed in sorted(dead.keys() - self.dead.keys()):
            print(f"seed {seed} is dead at step {step}: its policy's gradient is 0; all seeds go on", flush=True)
        for seed in sorted(self.dead.keys() - dead.keys() - self.diverged.keys()):
            print(f"seed {seed} learns again at step {step}: its policy has a gradient", flush=True)
        self.dead = dead

    def _log_evaluation(self, step: int, returns: np.ndarray, sampled: np.ndarray | None) -> None:
        metrics: dict[str, float] = {}
        for name, episodes in {"return": returns, "sampled_return": sampled}.items():
            if episodes is None:
                continue
            means = episodes.mean(axis=1)
            metrics |= {f"seed{seed}/{name}": float(value) for seed, value in enumerate(means)}
            healthy = means[self.healthy]
            if len(healthy):
                metrics |= {
                    f"{name}/mean": float(healthy.mean()),
                    f"{name}/iqm": statistics.interquartile_mean(healthy),
                }
        self.tracker.log(metrics, step)

    def _log_training(self, step: int, metrics: dict[str, np.ndarray]) -> None:
        if not any(np.isfinite(v).any() for v in metrics.values()):
            return  # warming up
        self.curves.add_training(step, metrics)
        self._note_dead(step)
        flat = {f"seed{seed}/{name}": float(v[seed]) for name, v in metrics.items() for seed in range(self.num_seeds)}
        flat |= {f"mean/{name}": float(v[self.healthy].mean()) for name, v in metrics.items() if self.healthy}
        self.tracker.log(flat, step)

    # Storing

    def _last_checkpoint(self) -> int:
        return max(self.schedule.checkpoints, default=-1)

    def _room(self, done: int) -> int:
        """Iterations until the replay log would overwrite rows, or pass a segment's size, that are still to store."""
        if self.logs.capacity is None or done >= self._last_checkpoint():
            return self.schedule.total
        rows = self.rows_stored + min(self.logs.capacity, ROWS_PER_SEGMENT) - done * self.schedule.env_steps
        return max(1, rows // self.schedule.env_steps)

    def _store_full_ring(self, members: training.Members, done: int) -> None:
        if self.logs.capacity is None or done >= self._last_checkpoint():
            return
        unstored = done * self.schedule.env_steps - self.rows_stored
        if unstored + self.schedule.env_steps > min(self.logs.capacity, ROWS_PER_SEGMENT):
            self._store_log(members)

    def _store_log(self, members: training.Members) -> None:
        """Appends the rows that are not yet stored, for every seed."""
        end = self.logs.count(members)
        if end == self.rows_stored:
            return
        for seed, rows in enumerate(self.logs.rows(members, self.rows_stored, end)):
            self.files.append(storage.append_segment(self.run, seed, self.rows_stored, rows))
        self.rows_stored = end

    def _store(self, members: training.Members, step: int, iteration: int) -> None:
        """One checkpoint of every seed that has not diverged, after the data it has seen."""
        self._store_log(members)
        log = self.logs.template
        seen = () if log is None else replay.without_rows(log, self.rows_stored)
        without_log = members.part(lambda s: s._replace(log=()))
        for seed in self.healthy:
            state = jax.tree.map(np.asarray, without_log.member(seed))
            state = state._replace(log=seen)
            self.files.append(storage.save_checkpoint(self.run, seed, step, state, {"iteration": iteration}))


def _print_results(loop: _TrainingLoop) -> None:
    returns = loop.curves.returns[-1].mean(axis=1)
    notes = {seed: f"dead since step {step}" for seed, step in loop.dead.items()}
    notes |= {seed: f"diverged by step {step}" for seed, step in loop.diverged.items()}
    rows = [[f"seed {seed}", f"{value:.1f}", notes.get(seed, "")] for seed, value in enumerate(returns)]
    healthy = returns[loop.healthy]
    if len(healthy):
        rows.append(["mean", f"{healthy.mean():.1f}", ""])
        low, high = statistics.iqm_interval(healthy) if len(healthy) > 1 else (float("nan"), float("nan"))
        interval = f"95 % interval {low:.1f} .. {high:.1f}" if len(healthy) > 1 else ""
        rows.append(["IQM", f"{statistics.interquartile_mean(healthy):.1f}", interval])
    console.print_table(f"Return after {loop.curves.steps[-1]} steps per seed", ["", "return", ""], rows)
