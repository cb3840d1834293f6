"""The training job: a host loop around the compiled trainer that evaluates, logs, stores and shows progress.

Knows run folders, trackers and the algorithm record; knows no concrete algorithm and no maths.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from landscapes import console, replay, statistics, storage, training
from landscapes.algorithms import make_algorithm
from landscapes.config.job import Job
from landscapes.config.schemas import algorithm_settings
from landscapes.envs import make_environment
from landscapes.job_tracker import job_tracker
from landscapes.tracking import Tracker
from landscapes.types import Algorithm, Environment
from run_algorithm.curves import Curves
from run_algorithm.plan import print_plan
from run_algorithm.schedule import Schedule

SECONDS_PER_CALL = 2.0
"""How long one call of the compiled loop should take, so that progress shows and an interrupt is heard."""

SECONDS_PER_SAVE = 60.0
"""The curves are written at least this often."""

ROWS_PER_SEGMENT = 200_000
"""A stored piece of the replay log has at most so many rows."""


@dataclass
class EvaluationSettings:
    """How policies are evaluated while they train."""

    episodes: int
    episode_length: int


def train(
    job: Job,
    *,
    env_name: str,
    backend: str,
    reset_interval: int,
    num_seeds: int,
    seed: int,
    evaluation: EvaluationSettings,
    make_schedule: Callable[[Algorithm], Schedule],
    changed_settings: dict[str, Any],
    env_key: str,
    show_progress: bool,
) -> storage.Run:
    """Trains all seeds to the end of the schedule and returns the run they are stored in."""
    name, settings = algorithm_settings(job.settings)  # type: ignore[arg-type]  # the border hands out training settings
    settings |= {key: value for key, value in changed_settings.items() if key in settings}
    env = make_environment(env_name, backend, reset_interval, env_key)
    algorithm = make_algorithm(name, settings, env, "experiment.algo")
    schedule = make_schedule(algorithm)
    results = storage.results_directory(job.results_dir)
    storage.check_results_writable(results)
    run_name = (
        job.member_name
        or storage.slurm_run_name()
        or storage.unique_run_name(f"{algorithm.name}-{env.name.rpartition('.')[2]}")
    )
    record = {
        "experiment": job.experiment_name,
        "config": job.resolved,
        "environment": {"name": env_name, "backend": backend, "episode_length": reset_interval},
        "algorithm": {"name": name, "config": settings},
        "num_seeds": num_seeds,
        "random_seed": seed,
        **storage.environment_record(),
        "parent": None,
        "diverged": {},
        "status": "running",
    }
    run = storage.create_run(results, run_name, record, job.overwrite)
    print_plan(run, env, algorithm, backend, num_seeds, schedule)
    tracker = job_tracker(job, run, run_name, "train")
    run = run.write_record(wandb_id=tracker.run_id)
    loop = _TrainingLoop(run, tracker, env, algorithm, schedule, evaluation, num_seeds, seed, show_progress)
    status = "stopped"
    try:
        loop.go()
        status = "finished"
    finally:
        files = loop.finish(status)
        tracker.artifact(f"{run_name}-curves", "curves", [loop.curves.run.curves_path])
        tracker.artifact(f"{run_name}-checkpoints", "checkpoints", files)
        tracker.finish(failed=status != "finished")
    _print_results(loop)
    console.print_files([run.path / "run.json", run.curves_path, *files])
    if tracker.where:
        print(f"wandb: {tracker.where}")
    print(f"run: {run.name}")
    return loop.run


class _TrainingLoop:
    """One training run while it runs."""

    def __init__(
        self,
        run: storage.Run,
        tracker: Tracker,
        env: Environment,
        algorithm: Algorithm,
        schedule: Schedule,
        evaluation: EvaluationSettings,
        num_seeds: int,
        seed: int,
        show_progress: bool,
    ) -> None:
        self.run = run
        self.tracker = tracker
        self.algorithm = algorithm
        self.schedule = schedule
        self.num_seeds = num_seeds
        self.show_progress = show_progress
        self.curves = Curves(run, num_seeds)
        self.files: list[Path] = []
        self.diverged: dict[int, int] = {}
        self.rows_stored = 0
        self.log = jax.eval_shape(algorithm.init, jax.random.key(0)).experience.log
        self.log_capacity = self.log.data.reward.shape[0] if isinstance(self.log, replay.Replay) else None
        self.keys = training.member_keys(seed, num_seeds)
        self.trainer = training.make_trainer(algorithm)
        measured = env._replace(episode_length=evaluation.episode_length)
        if evaluation.episode_length != env.episode_length:
            stored = run.record["environment"]
            measured = make_environment(stored["name"], stored["backend"], evaluation.episode_length)
        self.evaluate = training.make_evaluator(measured, algorithm, num_seeds, evaluation.episodes)
        self.seconds_per_iteration: float | None = None

    def go(self) -> None:
        members = self.trainer.init(self.keys.init)
        done, total, scale, compiled = 0, self.schedule.total, self.schedule.env_steps, False
        description = f"{self.algorithm.name}, {self.num_seeds} seed{'s' if self.num_seeds > 1 else ''}"
        with console.Progress(description, total * scale, self.show_progress) as progress:
            self._look(members, done)
            parts: list[tuple[int, dict[str, np.ndarray]]] = []
            while done < total:
                stop = self.schedule.next_stop(done)
                while done < stop:
                    count = min(stop - done, self._iterations_per_call(), self._room(done))
                    began = time.monotonic()
                    members, metrics = self.trainer.advance(self.keys.train, members, done, done + count)
                    seconds = (time.monotonic() - began) / count
                    parts.append((count, metrics))
                    done += count
                    self._store_full_ring(members, done)
                    if compiled:
                        self.seconds_per_iteration = seconds
                        progress.advance_to(done * scale, self._latest())
                    else:  # the first call compiles; it says nothing about the second
                        compiled = True
                        progress.begin_at(done * scale)
                if done % self.schedule.log_interval == 0 or done == total:
                    self._log_training(done * scale, parts)
                    parts = []
                self._look(members, done)
            progress.advance_to(done * scale, self._latest())

    def finish(self, status: str) -> list[Path]:
        """Writes what is still unwritten; returns the checkpoints and pieces of the log that were stored."""
        self.curves.save()
        self.run = self.run.write_record(
            status=status, diverged={str(seed): step for seed, step in self.diverged.items()}
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
            returns = self.evaluate(self.keys.evaluate, members.policies(), done)
            self.curves.add_evaluation(step, returns)
            self._log_evaluation(step, returns.mean(axis=1))
        if done in self.schedule.checkpoints:
            self._store(members, step, done)
        if time.monotonic() - self.curves.saved_at > SECONDS_PER_SAVE:
            self.curves.save()

    def _note_divergence(self, members: training.Members, step: int) -> None:
        finite = self.trainer.finite(members)
        for seed in self.healthy:
            if not finite[seed]:
                self.diverged[seed] = step
                print(
                    f"seed {seed} has diverged by step {step}: its policy is not finite; the others go on", flush=True
                )

    def _log_evaluation(self, step: int, means: np.ndarray) -> None:
        metrics = {f"seed{seed}/return": float(value) for seed, value in enumerate(means)}
        healthy = means[self.healthy]
        if len(healthy):
            metrics |= {
                "return/mean": float(healthy.mean()),
                "return/iqm": statistics.interquartile_mean(healthy),
            }
        self.tracker.log(metrics, step)

    def _log_training(self, step: int, parts: list[tuple[int, dict[str, np.ndarray]]]) -> None:
        metrics: dict[str, np.ndarray] = {}
        for name in sorted({name for _, part in parts for name in part}):
            told = [(n, part[name]) for n, part in parts if np.isfinite(part[name]).any()]
            blank = np.full(self.num_seeds, np.nan)
            metrics[name] = np.average([v for _, v in told], 0, [n for n, _ in told]) if told else blank
        if not any(np.isfinite(v).any() for v in metrics.values()):
            return  # warming up
        self.curves.add_training(step, metrics)
        flat = {f"seed{seed}/{name}": float(v[seed]) for name, v in metrics.items() for seed in range(self.num_seeds)}
        flat |= {f"mean/{name}": float(v[self.healthy].mean()) for name, v in metrics.items() if self.healthy}
        self.tracker.log(flat, step)

    # Storing

    def _last_checkpoint(self) -> int:
        return max(self.schedule.checkpoints, default=-1)

    def _room(self, done: int) -> int:
        """Iterations until the replay log would overwrite rows, or pass a segment's size, that are still to store."""
        if self.log_capacity is None or done >= self._last_checkpoint():
            return self.schedule.total
        rows = self.rows_stored + min(self.log_capacity, ROWS_PER_SEGMENT) - done * self.schedule.env_steps
        return max(1, rows // self.schedule.env_steps)

    def _store_full_ring(self, members: training.Members, done: int) -> None:
        if self.log_capacity is None or done >= self._last_checkpoint():
            return
        unstored = done * self.schedule.env_steps - self.rows_stored
        if unstored + self.schedule.env_steps > min(self.log_capacity, ROWS_PER_SEGMENT):
            self._store_log(members)

    def _store_log(self, members: training.Members) -> None:
        """Appends the rows that are not yet stored, for every seed."""
        if self.log_capacity is None:
            return
        logs = members.part(lambda states: states.experience.log)
        end = int(logs.part(lambda log: log.count).member(0))  # members insert in step
        if end == self.rows_stored:
            return
        for seed in range(self.num_seeds):
            rows = replay.rows(jax.tree.map(np.asarray, logs.member(seed)), self.rows_stored, end)
            self.files.append(storage.append_segment(self.run, seed, self.rows_stored, rows))
        self.rows_stored = end

    def _store(self, members: training.Members, step: int, iteration: int) -> None:
        """One checkpoint of every seed that has not diverged, after the data it has seen."""
        self._store_log(members)
        seen = replay.without_rows(self.log, self.rows_stored) if isinstance(self.log, replay.Replay) else self.log
        without_log = members.part(lambda s: s._replace(experience=s.experience._replace(log=())))
        for seed in self.healthy:
            state = jax.tree.map(np.asarray, without_log.member(seed))
            state = state._replace(experience=state.experience._replace(log=seen))
            self.files.append(storage.save_checkpoint(self.run, seed, step, state, {"iteration": iteration}))


def _print_results(loop: _TrainingLoop) -> None:
    returns = loop.curves.returns[-1].mean(axis=1)
    rows = [
        [f"seed {seed}", f"{value:.1f}", f"diverged by step {loop.diverged[seed]}" if seed in loop.diverged else ""]
        for seed, value in enumerate(returns)
    ]
    healthy = returns[loop.healthy]
    if len(healthy):
        rows.append(["mean", f"{healthy.mean():.1f}", ""])
        low, high = statistics.iqm_interval(healthy) if len(healthy) > 1 else (float("nan"), float("nan"))
        interval = f"95 % interval {low:.1f} .. {high:.1f}" if len(healthy) > 1 else ""
        rows.append(["IQM", f"{statistics.interquartile_mean(healthy):.1f}", interval])
    console.print_table(f"Return after {loop.curves.steps[-1]} steps per seed", ["", "return", ""], rows)
