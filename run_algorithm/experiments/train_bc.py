"""`experiment=train_bc`: behaviour cloning of a stored policy, into a run that is measured like any other.

Knows the job's settings, run folders, trackers and the regression; knows no algorithm and no maths. A checkpoint is
the root's, with the clone's policy in the place of its own.
"""

import contextlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes import console, loading, statistics, storage, training
from landscapes.config.job import Job
from landscapes.config.schemas import TrainBc
from landscapes.errors import UserError
from landscapes.experience import replay
from landscapes.jobs.closing import print_end
from landscapes.jobs.find_run import at_root, finder
from landscapes.jobs.pace import Pace, shape_of
from landscapes.jobs.run_folder import continued, is_finished, open_or_create
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.machine import stopping
from landscapes.machine.compilation import compiling, told_to
from landscapes.studies import cloning
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment, TrainState
from run_algorithm.checks import clone_name
from run_algorithm.curves import Curves
from run_algorithm.resume import named, under
from run_algorithm.schedule import Every, Listed, Schedule

OWN_ROWS = 100_000
"""Environment steps of the policy's own that stand in for a replay log, unless the job asks for another number."""

SECONDS_PER_CALL = 2.0
"""How long one call of the compiled loop should take, so that progress shows and a request to stop is heard."""


def run(job: Job) -> None:
    """Clones as the job says; a run of this name and these settings is continued, or left alone if it is finished."""
    job, parent = at_root(job, finder(job))
    s = job.settings
    assert isinstance(s, TrainBc)
    root = s.root_policy_conf
    results = storage.results_directory(job.results_dir)
    env, agent = loading.rebuild(parent)
    cloning.check_can_be_cloned(agent, "experiment.root_policy_conf.run_name")
    state = loading.load_state(parent, root.seed, root.step, agent)
    num_rows = _num_rows(s, state)
    record = _record(job, s, parent)
    name = job.member_name or clone_name(s, parent.name)
    pace = Pace({"job": "clone", **shape_of(parent), "num_seeds": s.num_seeds, "batch_size": s.batch_size}, "updates")
    plan = _Plan(f"{agent.name} on {env.name} ({env.backend})", state, num_rows, pace)
    tracked = Tracked(name, "train_bc", parent.name, seeds=tuple(range(s.num_seeds)), makes_run=True)
    if job.dry_run:
        _print_plan(s, parent, results / name, plan)
        print_tracking(job, results / name, tracked)
        return
    child, _ = open_or_create(job, results, name, record, parent=parent)
    if is_finished(child):
        return
    with storage.hold_run(child):
        _print_plan(s, parent, child.path, plan)
        print_tracking(job, child.path, tracked)
        tracker = job_tracker(job, child, tracked)
        child = child.write_record(**continued(record), wandb_id=tracker.run_id)
        loop = _Cloning(job.save_interval, s, _From(parent, env, agent, state), child, tracker)
        error: BaseException | None = None
        try:
            loop.go(num_rows)
        except BaseException as raised:
            error = raised
            raise
        finally:
            diverged = {str(seed): step for seed, step in loop.diverged.items()}
            child = child.write_record(status="stopped" if error else "finished", diverged=diverged)
            tracker.artifact(f"{child.name}-checkpoints", "checkpoints", [p for p in loop.files if p.exists()])
            tracker.finish(error)
        loop.print_results()
        if loop.progress is not None:
            pace.note(loop.progress)
        print_end([child.path / "run.json", child.curves_path, *loop.files], tracker)
        print(f"run: {child.name}")


def _num_rows(s: TrainBc, state: TrainState) -> int:
    """How many observations the policy is asked about; raises UserError for a log of fewer than two rows."""
    log = state.log
    if not isinstance(log, replay.Replay):
        return s.num_rows or OWN_ROWS
    stored = min(int(log.count), log.data.reward.shape[0])
    if stored < 2:
        raise UserError("experiment.root_policy_conf.ckpt", s.root_policy_conf.step, f"its log has {stored} rows")
    return min(stored, s.num_rows or stored)


def _schedule(s: TrainBc) -> Schedule:
    """In updates, each taken for one step."""
    checkpoints = Listed(step for step in s.ckpt_steps if step <= s.max_steps)
    return Schedule(1, s.max_steps, Every(s.eval_interval, s.max_steps), checkpoints, s.log_interval)


def _record(job: Job, s: TrainBc, parent: storage.Run) -> dict[str, Any]:
    root = s.root_policy_conf
    return {
        "experiment": job.experiment_name,
        "config": job.resolved,
        "environment": parent.record["environment"],
        "algorithm": parent.record["algorithm"],
        "num_seeds": s.num_seeds,
        "random_seed": s.seed,
        **storage.environment_record(),
        "parent": {"run": parent.name, "seed": root.seed, "step": root.step, "id": parent.id},
        "diverged": {},
        "status": "running",
    }


class _Plan(NamedTuple):
    """What a plan says beside the settings."""

    policy: str
    state: TrainState
    num_rows: int
    pace: Pace


def _print_plan(s: TrainBc, parent: storage.Run, path: Path, plan: _Plan) -> None:
    root, schedule, state, num_rows = s.root_policy_conf, _schedule(s), plan.state, plan.num_rows
    has_log = isinstance(state.log, replay.Replay)
    source = "the newest rows of its replay log" if has_log else "steps of its own, exploring as in training"
    device = jax.devices()[0]
    size = sum(x.nbytes for x in jax.tree.leaves((state.learner, state.lanes)))
    on_disk = console.human_bytes(size * s.num_seeds * len(schedule.checkpoints))
    console.print_plan(
        f"Cloning of {parent.name}, seed {root.seed}, checkpoint {root.step}",
        {
            "run": str(path),
            "policy": plan.policy,
            "data": f"{console.human_count(num_rows)}: {source}; every tenth is held out",
            "clones": f"{s.num_seeds}, in one program",
            "updates": f"{console.human_count(s.max_steps)} of {s.batch_size} rows each",
            "evaluations": str(len(schedule.evaluations)),
            "checkpoints": f"{len(schedule.checkpoints)} per clone, about {on_disk} on disk",
            "device": f"{device.device_kind} ({device.platform})",
            "time": plan.pace.told(s.max_steps),
        },
    )


class _Standing(NamedTuple):
    """Where a cloning stands after `done` updates."""

    done: int
    clones: cloning.Clone


class _From(NamedTuple):
    """What is cloned: the policy of a stored state, and the agent and environment that it is of."""

    run: storage.Run
    env: Environment
    agent: Agent
    state: TrainState


class _Cloning:
    """One cloning while it goes on, and what it leaves behind."""

    def __init__(self, save_interval: float, s: TrainBc, begins: _From, child: storage.Run, tracker: Tracker) -> None:
        parent, agent = begins.run, begins.agent
        self.save_interval, self.s, self.parent, self.child = save_interval, s, parent, child
        self.env, self.agent, self.root, self.tracker = begins.env, agent, begins.state, tracker
        self.schedule = _schedule(s)
        self.keys = training.member_keys(s.seed, s.num_seeds)
        self.cloner = cloning.make_cloner(agent, s.lr, s.batch_size)
        measured, _ = loading.rebuild(parent, s.eval_episode_length)
        self.evaluate = training.make_evaluator(measured, agent, s.num_seeds, s.eval_episodes).evaluate
        self.curves = Curves(child, s.num_seeds, steps_are="updates of one clone")
        self.diverged: dict[int, int] = {}
        self.files: list[Path] = []
        self.progress: console.Progress | None = None
        self.saved_at = time.monotonic()
        conf = s.root_policy_conf
        self.rows = loading.stored_rows(parent, conf.seed, conf.step)
        self.iteration = loading.stored_iteration(parent, conf.seed, conf.step)
        self.root_return = float("nan")

    def go(self, num_rows: int) -> None:
        """Clones to the end of the schedule, from the latest save or from the start."""
        pairs = cloning.relabel(self.agent, self.root.learner.policy, self._observations(num_rows))
        fitted, self.held_out = cloning.split(pairs)
        at = self._restore()
        total, seconds_each = self.schedule.total, 0.0
        with (
            stopping.stop_requests() as stop,
            console.Progress("cloning", total, self.s.tqdm, unit="updates", start=at.done if at else 0) as progress,
            told_to(progress.meanwhile),
        ):
            self.progress = progress
            if at is None:
                with compiling():  # the evaluation, at its first call
                    at = self._start()
            while at.done < total:
                pause = self.schedule.next_stop(at.done)
                at_most = max(1, int(SECONDS_PER_CALL / seconds_each)) if seconds_each else 1
                began, end = time.monotonic(), min(pause, at.done + at_most)
                with contextlib.nullcontext() if seconds_each else compiling():  # at its first call
                    clones = self.cloner.advance(self.keys.train, at.clones, fitted, at.done, end)
                    jax.block_until_ready(clones)
                if seconds_each:
                    progress.advance_to(end, self._latest())
                else:
                    progress.begin_at(end)
                seconds_each, at = (time.monotonic() - began) / (end - at.done), _Standing(end, clones)
                if end == pause:
                    at = self._pause(at)
                if stop.asked or end == total or time.monotonic() - self.saved_at >= self.save_interval:
                    self._save(at)
                stop.leave()
        self.root_return = self._return_of_root()

    def print_results(self) -> None:
        """Of each clone how well it fits and what it returns, beside the root."""
        losses = self.curves.training["held_out_loss"][-1]
        returns = self.curves.returns[-1].mean(axis=1)
        rows = [
            [f"clone {seed}", f"{loss:.2e}", f"{value:.1f}", self._told(seed)]
            for seed, (loss, value) in enumerate(zip(losses, returns, strict=True))
        ]
        rows.append(["root", "", f"{self.root_return:.1f}", ""])
        healthy = returns[self._healthy]
        if len(healthy) > 1:
            low, high = statistics.iqm_interval(healthy)
            interval = f"95 % interval {low:.1f} .. {high:.1f}"
            rows.append(["IQM of the clones", "", f"{statistics.interquartile_mean(healthy):.1f}", interval])
        title = f"After {self.curves.steps[-1]} updates: mean squared error on held-out rows, and return"
        console.print_table(title, ["", "error", "return", ""], rows)

    def _told(self, seed: int) -> str:
        return f"diverged by update {self.diverged[seed]}" if seed in self.diverged else ""

    def _observations(self, num_rows: int) -> jax.Array:
        log = self.root.log
        if isinstance(log, replay.Replay):
            end = int(log.count)
            return replay.rows(log, end - num_rows, end).obs
        key = jax.random.fold_in(jax.random.key(self.s.seed), self.s.num_seeds)  # the clones have those before it
        return cloning.own_observations(key, self.env, self.agent, self.root.learner.policy, num_rows)

    def _start(self) -> _Standing:
        conf = self.s.root_policy_conf
        if self.rows:
            for seed in range(self.s.num_seeds):
                storage.link_prefix(self.parent, conf.seed, self.child, seed, self.rows)
        clones = self.cloner.init(self.keys.init, self.root.learner.policy.constants)
        at = _Standing(0, clones)
        self._look(at)
        return at

    def _pause(self, at: _Standing) -> _Standing:
        """What the schedule wants after this update."""
        last = self.curves.training_steps[-1] if self.curves.training_steps else 0
        if at.done % self.schedule.log_interval == 0 or at.done == self.schedule.total:
            metrics = {
                "loss": np.asarray(at.clones.loss_sum, np.float64) / (at.done - last),
                "held_out_loss": np.asarray(self.cloner.losses(at.clones, self.held_out), np.float64),
            }
            self.curves.add_training(at.done, metrics)
            self.tracker.log(
                {f"seed{seed}/{name}": float(v[seed]) for name, v in metrics.items() for seed in range(len(v))}, at.done
            )
            at = at._replace(clones=at.clones._replace(loss_sum=jnp.zeros_like(at.clones.loss_sum)))
        self._look(at)
        return at

    def _look(self, at: _Standing) -> None:
        """Notes clones that have diverged, evaluates and stores where the schedule says so."""
        arrays = jax.tree.map(np.asarray, at.clones.policy)
        for seed in self._healthy:
            if not all(np.isfinite(x[seed]).all() for x in jax.tree.leaves(arrays)):
                self.diverged[seed] = at.done
                print(f"clone {seed} has diverged by update {at.done}; the others go on", flush=True)
        if at.done in self.schedule.evaluations:
            returns = self.evaluate(self.keys.evaluate, at.clones.policy, at.done)
            self.curves.add_evaluation(at.done, returns)
            self._log_returns(at.done, returns.mean(axis=1))
        if at.done in self.schedule.checkpoints:
            for seed in self._healthy:
                self._store(seed, at.done, jax.tree.map(lambda x, seed=seed: x[seed], arrays.params))

    def _log_returns(self, done: int, means: np.ndarray) -> None:
        metrics = {f"seed{seed}/return": float(value) for seed, value in enumerate(means)}
        healthy = means[self._healthy]
        if len(healthy):
            metrics |= {"return/mean": float(healthy.mean()), "return/iqm": statistics.interquartile_mean(healthy)}
        self.tracker.log(metrics, done)

    def _store(self, seed: int, done: int, params: Any) -> None:
        """The root's checkpoint with these parameters, as the checkpoint of a clone after `done` updates."""
        log = self.root.log
        seen = replay.without_rows(log, self.rows) if isinstance(log, replay.Replay) else log
        policy = self.root.learner.policy._replace(params=params)
        learner = self.root.learner._replace(policy=policy)
        state = TrainState(learner, (), self.root.lanes)
        state = jax.tree.map(np.asarray, state)
        state = state._replace(log=seen)
        attributes = {"iteration": self.iteration, "parent": self.child.record["parent"]}
        self.files.append(storage.save_checkpoint(self.child, seed, done, state, attributes))

    def _return_of_root(self) -> float:
        """The mean return of the root itself, on the starts of the clones' last evaluation."""
        policy = self.root.learner.policy
        policies = jax.tree.map(lambda x: jnp.broadcast_to(x, (self.s.num_seeds, *x.shape)), policy)
        return float(self.evaluate(self.keys.evaluate, policies, self.schedule.total).mean())

    def _latest(self) -> str | None:
        losses = self.curves.training.get("held_out_loss")
        return None if losses is None else f"held-out error {losses[-1].mean():.2e}"

    @property
    def _healthy(self) -> list[int]:
        return [seed for seed in range(self.s.num_seeds) if seed not in self.diverged]

    # Going on

    def _save(self, at: _Standing) -> None:
        datasets = named("clones", storage.flatten_tree(at.clones)) | named("curves", self.curves.datasets())
        diverged = {str(seed): step for seed, step in self.diverged.items()}
        storage.write_save(self.child, datasets, {"iteration": at.done, "diverged": diverged})
        self.curves.save()
        self.saved_at = time.monotonic()

    def _restore(self) -> _Standing | None:
        save = storage.read_save(self.child)
        if save is None:
            return None
        template = jax.eval_shape(self.cloner.init, self.keys.init, self.root.learner.policy.constants)
        self.curves.restore(under("curves", save.datasets))
        diverged: Any = save.attributes["diverged"]
        self.diverged = {int(seed): int(step) for seed, step in diverged.items()}
        clones = storage.restore_tree(template, under("clones", save.datasets), self.child.path)
        at = _Standing(int(str(save.attributes["iteration"])), clones)
        print(f"goes on after {console.human_count(at.done)} updates", flush=True)
        return at
