"""The rejection job: root, proposals, decisions, and at the end fresh measurements of where the walk has led.

Knows run folders, trackers and the rejection loop; knows no algorithm and no maths.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from improve_ltp.names import heuristic_id, walk_name
from landscapes import console, loading, statistics, storage
from landscapes.config.job import Job
from landscapes.config.schemas import RejectLtp
from landscapes.errors import UserError
from landscapes.experience import replay
from landscapes.figures import rejection_figure
from landscapes.jobs.blocks import Samples, measure_by_blocks, unfinished_purd
from landscapes.jobs.closing import print_end
from landscapes.jobs.find_run import at_root, finder
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.run_folder import continued, is_finished, open_or_create
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.statistics import sequential, tables
from landscapes.studies import measurement, neighborhood, rejection
from landscapes.tracking import Tracker
from landscapes.types import Agent, TrainState

SCHEMA_VERSION = 1

CHILD_SEED = 0
"""The one member of the run that a walk makes."""


_WHOLE = "one data set each"
"""How a save holds measurements, where some end early."""


def group(s: RejectLtp) -> str:
    """Where in the rejection file the data sets of these settings lie."""
    return f"{heuristic_id(s)}/{s.check_interval}check/{s.max_steps}steps/seed{s.seed}"


def num_measurements(s: RejectLtp) -> int:
    """How many PURDs a walk takes at most: of the root, of the proposals, and the fresh ones at its end."""
    proposals = -(-s.max_steps // s.check_interval)
    again = s.remeasure_incumbent and not s.common_random_numbers
    return 1 + proposals * (2 if again else 1) + s.fresh_purds * (3 if s.control else 2)


def walk(job: Job) -> None:
    """Runs the whole experiment."""
    job, parent = at_root(job, finder(job))
    s = job.settings
    assert isinstance(s, RejectLtp)
    root = s.root_policy_conf
    results = storage.results_directory(job.results_dir)
    env, agent = loading.rebuild(parent, s.episode_length, s.start_noise)
    kind = _update_kind(agent, job, s)
    _check_trains(parent, s, agent)
    sets_rate = s.lr is not None
    sampling = measurement.Sampling(kind, s.eval_episodes, amount_sets_rate=sets_rate)
    samples = measurement.make_measure(env, agent, sampling, s.batch_size)
    rows = loading.stored_rows(parent, root.seed, root.step)
    state = loading.load_state(parent, root.seed, root.step, agent, rows + s.max_steps)
    record = _record(job, s, parent)
    name = job.member_name or walk_name(s, parent.name)
    _check_place(job, s, parent, results, name)
    pace = of_measuring("walk", parent, Program(kind, s.episode_length, samples.program_shape), "samples")
    told = _Told(f"{agent.name} on {env.name} ({env.backend})", kind, measurement.side_by_side(samples.program_shape))
    tracked = Tracked(name, "reject_ltp", parent.name, makes_run=True)
    if job.dry_run:
        _print_plan(s, parent, results / name, told, pace)
        print_tracking(job, results / name, tracked)
        return
    child, _ = open_or_create(job, results, name, record, parent=parent)
    if is_finished(child):
        return
    with storage.hold_run(child):
        _print_plan(s, parent, child.path, told, pace)
        print_tracking(job, child.path, tracked)
        tracker = job_tracker(job, child, tracked)
        child = child.write_record(**continued(record), wandb_id=tracker.run_id)

        job_of_walk = _Walk(job, s, _From(parent, agent, samples, state), child, tracker)
        status = "stopped"
        try:
            job_of_walk.go()
            status = "finished"
        finally:
            child = child.write_record(status=status)
            tracker.artifact(f"{child.name}-results", "rejection", [p for p in job_of_walk.files if p.exists()])
            tracker.finish(sys.exception())
        job_of_walk.print_results()
        if job_of_walk.progress is not None:
            pace.note(job_of_walk.progress)
        print_end([child.path / "run.json", *job_of_walk.files], tracker)
        print(f"run: {child.name}")


def _update_kind(agent: Agent, job: Job, s: RejectLtp) -> str:
    """The perturbation that is one plain update of this algorithm; raises UserError where the experiment is for none of
    its kinds."""
    if s.update_kind is not None:
        if s.update_kind not in agent.update_kinds:
            allowed = f"measures {s.update_kind}, which {agent.name} has not; experiment=reject_ltp is for all"
            raise UserError("experiment", job.experiment_name, allowed)
        return s.update_kind
    return neighborhood.own_update(agent, "experiment")


def _check_place(job: Job, s: RejectLtp, parent: storage.Run, results: Path, name: str) -> None:
    """Raises UserError where a new walk would write over that of another run, which is still there."""
    path = parent.rejection_path(s.root_policy_conf.seed, s.root_policy_conf.step)
    node = f"{group(s)}/accepted"
    if storage.starts_over(job.overwrite) or storage.find_run(results, name) is not None or not path.exists():
        return
    if node not in storage.read_hdf5_names(path, "file"):
        return
    about = storage.read_node_attributes(path, "file", [node])[node]
    made = about.get("child_run")
    holder = storage.find_run(results, str(made)) if made else None
    if holder is not None and about.get("child_id", holder.id) == holder.id:
        allowed = f"{path} has the walk of run {holder.name} under {group(s)}, where that of this run would lie"
        raise UserError("run_name", name, f"{allowed}; take another experiment.seed, or overwrite=true to replace it")


def _check_trains(parent: storage.Run, s: RejectLtp, agent: Agent) -> None:
    """Raises UserError for a root at which training had not begun: its first proposals would update nothing."""
    root, key = s.root_policy_conf, "experiment.root_policy_conf.ckpt"
    done = loading.stored_iteration(parent, root.seed, root.step)
    if done < agent.warm_up_steps:
        allowed = f"must be a checkpoint after the first update: {agent.warm_up_steps} iterations of run {parent.name}"
        raise UserError(key, root.step, f"{allowed} act at random and learn nothing, and {done} are done there")
    loading.check_has_data(parent, root.seed, root.step, key)


def _record(job: Job, s: RejectLtp, parent: storage.Run) -> dict[str, Any]:
    """The record of the run that the walk makes."""
    root = s.root_policy_conf
    return {
        "experiment": job.experiment_name,
        "config": job.resolved,
        "environment": parent.record["environment"],
        "algorithm": parent.record["algorithm"],
        "num_seeds": 1,
        "random_seed": s.seed,
        **storage.environment_record(),
        "parent": {"run": parent.name, "seed": root.seed, "step": root.step, "id": parent.id},
        "rejection": {"file": str(parent.rejection_path(root.seed, root.step)), "group": group(s)},
        "diverged": {},
        "status": "running",
    }


class _Told(NamedTuple):
    """What a plan says beside the settings."""

    policy: str
    kind: str
    side_by_side: str


def _print_plan(s: RejectLtp, parent: storage.Run, path: Path, told: _Told, pace: Pace) -> None:
    root = s.root_policy_conf
    proposals = -(-s.max_steps // s.check_interval)
    measurements = num_measurements(s)
    steps = measurements * s.eval_episodes * s.episode_length
    early = {}
    if s.sequential_error is not None:
        looks = ", ".join(map(str, sequential.look_sizes(s.eval_episodes)))
        when = f"after {looks} samples, error at most {s.sequential_error}" if looks else "never, with so few samples"
        early = {"refused early": when}
    console.print_plan(
        f"Rejection ({heuristic_id(s)}) from {parent.name}, seed {root.seed}, checkpoint {root.step}",
        {
            "run": str(path),
            "policy": told.policy,
            "proposals": f"{proposals}, each of {s.check_interval} update(s)",
            "measurements": f"{measurements} PURDs of {s.eval_episodes} samples ({told.kind})",
            **early,
            "environment steps": f"at most {console.human_count(steps)} in roll-outs",
            "side by side": told.side_by_side,
            "time": pace.told(measurements * s.eval_episodes),
        },
    )


class _From(NamedTuple):
    """What a walk begins with: a stored policy, the agent that it is one of, and how both are measured."""

    run: storage.Run
    agent: Agent
    measure: measurement.Measure
    state: TrainState
    """With room in its log for the walk's own rows."""


class _Walk:
    """One walk while it goes on, and what it leaves behind."""

    def __init__(self, job: Job, s: RejectLtp, begins: _From, child: storage.Run, tracker: Tracker) -> None:
        parent, conf = begins.run, s.root_policy_conf
        self.job, self.s, self.parent, self.child = job, s, parent, child
        self.tracker, self.measure = tracker, begins.measure
        self.root = rejection.Root(begins.state, loading.stored_iteration(parent, conf.seed, conf.step))
        self.footing = storage.footing([(parent, conf.seed, conf.step)])
        self.rows = loading.stored_rows(parent, conf.seed, conf.step)
        self.updater = rejection.make_updater(begins.agent)
        self.proposals: list[rejection.Proposal] = []
        self.fresh: dict[str, np.ndarray] = {}
        self.files: list[Path] = [parent.rejection_path(conf.seed, conf.step)]
        self.stored_rows = self.rows
        self.stored_updates: list[int] = []
        self.measured: list[np.ndarray] = []
        """Of each measurement so far the returns. They alone cost time: a walk goes on by walking again along them."""
        self.num_restored = 0
        self.progress: console.Progress | None = None
        self.saved_at = time.monotonic()

    def go(self) -> None:
        s, conf = self.s, self.s.root_policy_conf
        keys = rejection.rejection_keys(self.job.random_seed, s.seed)
        restored = self._restore()
        if self.rows:
            storage.link_prefix(self.parent, conf.seed, self.child, CHILD_SEED, self.rows)
        self._store(rejection.Accepted(self.root.state, rejection.Score(0, 0, 0), 0))
        total = num_measurements(s) * s.eval_episodes
        start = sum(map(len, restored))
        with (
            stopping.stop_requests() as stop,
            console.Progress("rejection", total, s.tqdm, unit="samples", start=start) as progress,
            told_to(progress.meanwhile),
        ):
            self.progress = progress
            done = 0

            def measured(key: jax.Array, state: TrainState, looks: sequential.Looks | None = None) -> np.ndarray:
                nonlocal done
                before = done

                def show(samples: int, mean: float | None) -> None:
                    stop.leave()
                    told = "" if mean is None else f", mean return {mean:.1f}"
                    progress.advance_to(before + samples, f"{self._tally()}{told}")

                if len(self.measured) < len(restored):
                    returns = restored[len(self.measured)]
                else:
                    returns = self._measure(key, state, show, looks)
                self.measured.append(returns)
                done += len(returns)
                self._save_if_due()
                return returns

            walk = rejection.reject(
                self.updater.advance,
                measured,
                self.root,
                keys,
                self._rule(),
                max_steps=s.max_steps,
                check_interval=s.check_interval,
            )
            try:
                for proposal in walk:
                    if saved := s.eval_episodes - len(proposal.returns):
                        done += saved
                        progress.advance_to(done)
                    self._note(proposal)
                self._store(self.proposals[-1].standing)
                self._measure_fresh(measured, keys)
            finally:
                self._store(self.proposals[-1].standing if self.proposals else None)
                self._save()
        self.files.append(
            rejection_figure(self.files[0], group(self.s), self.child.path / "rejection.png", alpha=self.s.cvar_alpha)
        )

    def _measure(
        self, key: jax.Array, state: TrainState, progress: measurement.Progress, looks: sequential.Looks | None
    ) -> np.ndarray:
        self.measure.compile(key, state, self.s.lr, beside=[self.updater.program(key, state)])
        about = {"measurement": len(self.measured), storage.STANDS_ON: self.footing}
        unfinished = unfinished_purd(self.job.overwrite, self.child.path, about, self.measure, key, self.s.lr)
        samples = Samples(key, state, self.s.lr, self.s.eval_episodes, looks=looks)
        purd = measure_by_blocks(self.measure, samples, progress, unfinished, self.job.save_interval)
        unfinished.discard()  # it is in the next save, or comes again
        return purd.returns

    def _rule(self) -> rejection.Rule:
        s = self.s
        return rejection.Rule(
            str(s.heuristic), s.cvar_alpha, s.common_random_numbers, s.remeasure_incumbent, self._early_refusal()
        )

    def _early_refusal(self) -> rejection.EarlyRefusal | None:
        s = self.s
        if s.sequential_error is None:
            return None
        seeds = (self.job.random_seed, s.seed)
        return rejection.make_early_refusal(s.cvar_alpha, s.eval_episodes, s.sequential_error, seeds)

    def _tally(self) -> str:
        tried = self.proposals[1:]
        return f"{sum(p.accepted for p in tried)} of {len(tried)} accepted"

    def _note(self, proposal: rejection.Proposal) -> None:
        # Only the standing state is kept: every proposal holds one, and a replay log with it.
        if self.proposals:
            last = self.proposals[-1]
            self.proposals[-1] = last._replace(standing=last.standing._replace(state=None))  # type: ignore[arg-type]
        self.proposals.append(proposal)
        names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR"}
        metrics = {shown: getattr(proposal.score, name) for name, shown in names.items()}
        if len(self.measured) > self.num_restored:  # else it was told before
            self.tracker.log(metrics | {"accepted": float(proposal.accepted)}, proposal.number)
            if np.isfinite(proposal.returns).all():
                self.tracker.histogram("PURD", proposal.returns, proposal.number)
        accepted = sum(p.accepted for p in self.proposals[1:])
        if proposal.accepted and proposal.number and self.s.store_every and accepted % self.s.store_every == 0:
            self._store(proposal.standing)

    def _store(self, accepted: rejection.Accepted | None) -> None:
        """The checkpoint of an accepted state, numbered by the updates that led to it, after its own rows."""
        if accepted is None or accepted.num_updates in self.stored_updates:
            return
        log = accepted.state.log
        state = jax.tree.map(np.asarray, accepted.state._replace(log=()))
        if isinstance(log, replay.Replay):
            rows = int(log.count)
            if rows > self.stored_rows:
                own = replay.rows(jax.tree.map(np.asarray, log), self.stored_rows, rows)
                self.files.append(storage.append_segment(self.child, CHILD_SEED, self.stored_rows, own))
                self.stored_rows = rows
            state = state._replace(log=replay.without_rows(log, rows))
        attributes = {"iteration": self.root.iteration + accepted.num_updates, "parent": self.child.record["parent"]}
        self.files.append(storage.save_checkpoint(self.child, CHILD_SEED, accepted.num_updates, state, attributes))
        self.stored_updates.append(accepted.num_updates)

    def _measure_fresh(self, measure: Callable[..., np.ndarray], keys: rejection.RejectionKeys) -> None:
        """Fresh PURDs of root, improved and control under keys that no decision used, the same for all three."""
        if not self.s.fresh_purds:
            return
        standing = self.proposals[-1].standing
        states: dict[str, Callable[[], TrainState]] = {
            "root": lambda: self.root.state,
            "improved": lambda: standing.state,
        }
        if self.s.control:
            states["control"] = partial(
                rejection.control,
                self.updater.advance,
                self.root,
                keys,
                num_updates=standing.num_updates,
                check_interval=self.s.check_interval,
            )
        for name, make in states.items():
            state = make()
            purds = [measure(jax.random.fold_in(keys.fresh, i), state) for i in range(self.s.fresh_purds)]
            self.fresh[name] = np.concatenate(purds)

    def _restore(self) -> list[np.ndarray]:
        """The returns measured before this job; what was stored since the root comes again as the walk passes there."""
        save = storage.read_save(self.child)
        if save is None:
            return []
        if self.s.sequential_error is not None and save.attributes.get("measurements") != _WHOLE:
            told = "was stopped by an earlier version, which saved measurements in parts; overwrite=true starts over"
            raise UserError("run_name", self.child.name, told)
        for step in self.child.checkpoint_steps(CHILD_SEED):
            self.child.checkpoint_path(CHILD_SEED, step).unlink()
        storage.discard_log(self.child, CHILD_SEED, self.rows)
        self.num_restored = len(save.datasets)
        print(f"goes on after {self.num_restored} of at most {num_measurements(self.s)} measurements", flush=True)
        return [save.datasets[f"returns/{i}"] for i in range(self.num_restored)]

    def _save_if_due(self) -> None:
        if time.monotonic() - self.saved_at >= self.job.save_interval:
            self._save()

    def _save(self) -> None:
        """Writes what was measured so far, and the traces, whole."""
        self.saved_at = time.monotonic()
        if len(self.measured) > self.num_restored:
            storage.write_save(
                self.child, {f"returns/{i}": x for i, x in enumerate(self.measured)}, {"measurements": _WHOLE}
            )
        if not self.proposals:
            return
        p = self.proposals
        datasets = {
            "means": np.array([x.score.mean for x in p]),
            "ltps": np.array([x.score.ltp for x in p]),
            "cvars": np.array([x.score.cvar for x in p]),
            "incumbent_means": np.array([x.incumbent.mean for x in p]),
            "incumbent_ltps": np.array([x.incumbent.ltp for x in p]),
            "incumbent_cvars": np.array([x.incumbent.cvar for x in p]),
            "accepted": np.array([x.accepted for x in p]),
            "num_updates": np.array([x.standing.num_updates for x in p], np.int64),
            "purds": np.stack([_padded(x.returns, self.s.eval_episodes) for x in p]),
        }
        staged = self.s.sequential_error is not None
        if staged:
            datasets["num_samples"] = np.array([len(x.returns) for x in p], np.int64)
        datasets |= {f"fresh/{name}": values.astype(np.float32) for name, values in self.fresh.items()}
        beyond = "; purds are nan beyond num_samples" * staged
        about = {
            "axes": f"proposal (0: the root itself), sample; fresh: sample{beyond}",
            "units": "undiscounted return; ltps as published, of non-positive modes too",
            "child_run": self.child.name,
            "child_id": self.child.id,
            storage.STANDS_ON: self.footing,
            "config": self.job.resolved,
            "program_shape": self.measure.program_shape,
            "keys": "advance, measure, fresh = split(fold_in(key(random_seed), seed), 3); fold_in(measure, proposal)",
        }
        conf = self.s.root_policy_conf
        attributes = {
            "schema_version": SCHEMA_VERSION,
            "seed": conf.seed,
            "ckpt": conf.step,
            **self.parent.provenance(),
        }
        storage.check_still_there(self.parent)
        names = {f"{group(self.s)}/{name}": values for name, values in datasets.items()}
        storage.merge_hdf5(self.files[0], names, attributes, dict.fromkeys(names, about))

    def print_results(self) -> None:
        """The walk in two tables: what was measured afresh, and the paired differences."""
        s = self.s
        tried = self.proposals[1:]
        updates = self.proposals[-1].standing.num_updates
        print(f"{sum(p.accepted for p in tried)} of {len(tried)} proposals accepted, {updates} updates applied")
        if s.sequential_error is not None:
            taken, whole = sum(len(p.returns) for p in tried), len(tried) * s.eval_episodes
            early = sum(len(p.returns) < s.eval_episodes for p in tried)
            share = f"{100.0 * (1.0 - taken / whole):.0f} %"
            print(f"{early} refused early: {taken:,} of {whole:,} samples of proposals taken, {share} saved")
        if not self.fresh:
            return
        alpha = s.cvar_alpha
        rows = [
            [name, *tables.purd_cells(statistics.summarize(returns, alpha=alpha))]
            for name, returns in self.fresh.items()
        ]
        title = f"Fresh PURDs, {s.fresh_purds} x {s.eval_episodes} samples each, 95 % intervals"
        console.print_table(title, ["policy", *tables.purd_columns(alpha)], rows)
        differences = [
            [f"improved - {other}", *tables.difference_cells(self.fresh[other], self.fresh["improved"], alpha)]
            for other in ("root", "control")
            if other in self.fresh
        ]
        title = "Paired differences on common random numbers, 95 % intervals"
        console.print_table(title, ["", *tables.purd_columns(alpha)], differences)


def _padded(returns: np.ndarray, size: int) -> np.ndarray:
    """Returns `[n]` as float32 `[size]`, nan behind them."""
    row = np.full(size, np.nan, np.float32)
    row[: len(returns)] = returns
    return row
