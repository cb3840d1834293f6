"""Measures the paths between pairs of stored policies, one path after the other.

Knows the job's settings, run folders and the measurement of many points; knows no algorithm and no maths, nor which
pairs an experiment chooses. What has been measured is on disk at once, and is not measured again; nor is what was done
of a path when the job was stopped.
"""

import functools
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from eval_policy.measured import measured_before
from eval_policy.stored import Pair, StoredPolicy
from landscapes import console, loading, statistics, storage
from landscapes.config.job import Job
from landscapes.config.schemas import InterpolationSettings
from landscapes.jobs.blocks import Samples, measure_by_blocks, unfinished_purd
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.studies import measurement, neighborhood, paths
from landscapes.types import Agent, Policy, TrainState

SCHEMA_VERSION = 1

DECISIVE = ("random_seed", "experiment.episode_length")
"""Keys that change what is measured and stand in no name of a data set."""

MAX_POLICIES = 1024
"""Drawn policies in memory at once, whatever `batch_size` and `num_points` multiply to."""

PLAIN_KIND = "init_parameter"
"""The kind that with an amount of 0 is the policy itself; as published, also the one that no group is named after."""


class _Item(NamedTuple):
    """One data set of returns of a path: `[num_samples, num_points]`, or `[num_points]` without noise."""

    pair: Pair
    path: Path
    group: str
    name: str
    kind: str | None
    """None: the points themselves, without noise."""
    amount: float | None
    num_samples: int

    @property
    def dataset(self) -> str:
        return f"{self.group}/{self.name}"


class _Study(NamedTuple):
    """What is compiled once for all paths of one algorithm in one environment."""

    agent: Agent
    measures: dict[str | None, measurement.Measure]


def measure_paths(job: Job, pairs: Sequence[Pair], name: str) -> None:
    """Measures the paths between all of `pairs` and shows what they hold; `name` is what wandb calls the job."""
    s = job.settings
    assert isinstance(s, InterpolationSettings)
    work = _Paths(job, s, pairs)
    pace = work.pace()
    work.print_plan(pace)
    first = pairs[0].one.run
    tracked = Tracked(job.member_name or name, str(job.experiment_name), first.name)
    print_tracking(job, first.path, tracked)
    if job.dry_run:
        return
    tracker = job_tracker(job, first, tracked)
    table: list[Sequence[object]] = []
    try:
        with (
            stopping.stop_requests() as stop,
            console.Progress("paths", work.total, s.tqdm, unit="roll-outs", start=work.done) as progress,
            told_to(progress.meanwhile),
        ):

            def show(done: int, mean: float | None) -> None:
                stop.leave()
                progress.advance_to(done, None if mean is None else f"mean return {mean:.1f}")

            for index, pair in enumerate(pairs):
                means = work.means(pair, show)
                valley = statistics.valley(means)
                found = {"return 1": means[-1], "return 2": means[0], "lowest": means.min(), "valley": valley.depth}
                tracker.log({**found, "valley share": valley.share}, index)
                cells = [f"{value:.1f}" for value in found.values()]
                table.append([str(pair.one), str(pair.two), *cells, f"{valley.share:.3f}"])
        pace.note(progress)
        tracker.artifact(name, "paths", work.files)
    finally:
        tracker.finish(sys.exception())
    columns = ["policy 1", "policy 2", "return 1", "return 2", "lowest", "valley", "of the lower end"]
    console.print_table(f"Paths of {s.num_points} points, {_in_words(s)}", columns, table)
    print_end(work.files, tracker)


class _Paths:
    """The paths of one job: what is compiled for them, what was measured before, and how far the job is."""

    def __init__(self, job: Job, settings: InterpolationSettings, pairs: Sequence[Pair]) -> None:
        self._job, self._settings, self._pairs = job, settings, pairs
        self._is_update = bool(settings.num_purd_samples) and settings.noise_type not in neighborhood.GENERIC_KINDS
        items = [item for pair in pairs for item in self._items(pair)]
        self.files = list(dict.fromkeys(item.path for item in items))
        for folder in {path.parent for path in self.files}:
            storage.check_results_writable(folder)
        self._ends = {end.key: end for pair in pairs for end in pair}
        self._studies = self._make_studies()
        ends = {self._learner_end(pair).key: self._learner_end(pair) for pair in pairs} if self._is_update else {}
        for end in ends.values():
            loading.check_has_data(*end, settings.learner_ckpts)
        self._log_rows = max((loading.stored_rows(*end) for end in ends.values()), default=0)
        self._found = {} if storage.starts_over(job.overwrite) else _found_before(job, items)
        self._state = functools.lru_cache(maxsize=1)(self._load_state)
        self._policy = functools.lru_cache(maxsize=32)(self._load_policy)
        self._agent = functools.cache(self._make_agent)
        self._between = jax.jit(functools.partial(paths.between, num_points=settings.num_points))
        self.total = sum(item.num_samples for item in items) * settings.num_points
        """Roll-outs of the job."""
        self.done = sum(returns.size for returns in self._found.values())
        """Those of them whose returns are on disk."""

    def means(self, pair: Pair, show: measurement.Progress) -> np.ndarray:
        """The mean return at each point of the path, `[num_points]`, under noise if there is any.

        What is in no file is measured and written now; `show` is told how many roll-outs of the job are done.
        """
        returns = [self._returns(pair, item, show) for item in self._items(pair)]
        return statistics.over_samples(statistics.mean, np.atleast_2d(returns[-1]).T)

    def _returns(self, pair: Pair, item: _Item, show: measurement.Progress) -> np.ndarray:
        if (item.path, item.dataset) in self._found:
            return self._found.pop((item.path, item.dataset))
        unfinished = self._unfinished(pair, item)
        returns = self._measure(pair, item, show, unfinished)
        self._write(pair, item, returns)
        unfinished.discard()
        self.done += returns.size
        return returns

    def pace(self) -> Pace:
        """Of roll-outs along such paths."""
        s, study = self._settings, next(iter(self._studies.values()))
        shape = next(iter(study.measures.values())).program_shape
        program = Program(s.noise_type, s.episode_length, shape)
        run, noise = self._pairs[0].one.run, bool(s.num_purd_samples)
        return of_measuring("paths", run, program, "roll-outs", noise=noise)

    def print_plan(self, pace: Pace) -> None:
        """Says what the job is about to do."""
        s, num = self._settings, len(self._pairs)
        runs = dict.fromkeys(end.run.name for pair in self._pairs for end in pair)
        study = next(iter(self._studies.values()))
        plan = {
            "paths": f"{num}, of {s.num_points} points each",
            "measured": _in_words(s),
            "roll-outs": f"{console.human_count(self.total)} in all",
            "environment steps": f"at most {console.human_count(self.total * s.episode_length)}",
            "side by side": measurement.side_by_side(next(iter(study.measures.values())).program_shape),
            "time": pace.told(self.total - self.done),
        }
        if self._is_update:
            plan["updates"] = f"with critics, optimizer and data of policy {s.learner_from}"
        console.print_plan(f"Paths between policies of {', '.join(runs)}", plan)
        if self._found:
            kept = f"{console.human_count(self.done)} of {console.human_count(self.total)} roll-outs"
            print(f"{kept} were measured before and are not measured again (overwrite=true would)")

    def _items(self, pair: Pair) -> list[_Item]:
        s, (one, two) = self._settings, pair
        group = f"{one.run.name}/{one.seed}/{one.ckpt}/{two.run.name}/{two.seed}/{two.ckpt}/{s.num_points}"
        items = [_Item(pair, one.run.interpolation_path(one.seed), group, "returns", None, 0, 1)]
        if s.num_purd_samples:
            kind = "" if s.noise_type == PLAIN_KIND else f"{s.noise_type}/"
            learner = f"learner_from_{s.learner_from}/" if self._is_update else ""
            name = f"{kind}{learner}returns/{storage.amount_name(s.noise_amount)}/{s.num_purd_samples}"
            path = one.run.interpolation_purd_path(one.seed)
            items.append(_Item(pair, path, group, name, s.noise_type, s.noise_amount, s.num_purd_samples))
        return items

    def _measure(
        self, pair: Pair, item: _Item, show: measurement.Progress, unfinished: storage.Unfinished
    ) -> np.ndarray:
        s, before = self._settings, self.done
        key = jax.random.key(self._job.random_seed)
        measure = self._studies[_kin(self._learner_end(pair).run)].measures[item.kind]
        samples = Samples(
            key,
            self._state(self._learner_end(pair).key),
            item.amount,
            item.num_samples * s.num_points,
            points=self._between(self._policy(pair.one.key), self._policy(pair.two.key)),
        )
        purd = measure_by_blocks(
            measure,
            samples,
            lambda done, mean: show(before + done, mean),
            unfinished,
            self._job.save_interval,
        )
        returns = purd.returns.astype(np.float32).reshape(item.num_samples, s.num_points)
        return returns[0] if item.kind is None else returns

    def _unfinished(self, pair: Pair, item: _Item) -> storage.Unfinished:
        """What of it was measured by a job that was stopped."""
        study = self._studies[_kin(self._learner_end(pair).run)]
        key = jax.random.key(self._job.random_seed)
        about = {
            "result": f"{item.path.name}/{item.dataset}",
            storage.STANDS_ON: storage.footing(pair),
            "episode_length": self._settings.episode_length,
        }
        measure, overwrite = study.measures[item.kind], self._job.overwrite
        return unfinished_purd(overwrite, item.path.parent, about, measure, key, item.amount)

    def _learner_end(self, pair: Pair) -> StoredPolicy:
        return pair[self._settings.learner_from - 1]

    def _make_studies(self) -> dict[str, _Study]:
        """By what runs that share it have in common."""
        runs = {_kin(run): run for run in (self._learner_end(pair).run for pair in self._pairs)}
        return {kin: self._make_study(run) for kin, run in runs.items()}

    def _make_study(self, run: storage.Run) -> _Study:
        s = self._settings
        env, agent = loading.rebuild(run, s.episode_length)

        def measure(kind: str, num_samples: int) -> measurement.Measure:
            sets_rate = neighborhood.amount_sets_rate(agent, kind, s.noise_amount)
            policies = min(s.batch_size * s.num_points, MAX_POLICIES)
            return measurement.make_measure(
                env,
                agent,
                measurement.Sampling(kind, num_samples, amount_sets_rate=sets_rate, num_points=s.num_points),
                policies,
            )

        measures: dict[str | None, measurement.Measure] = {}
        if s.num_purd_samples:
            measures[s.noise_type] = measure(s.noise_type, s.num_purd_samples)
            neighborhood.check_amounts(agent, s.noise_type, [s.noise_amount], "experiment.noise_amount")
        # Without noise the same programs serve, if they can.
        measures[None] = measures[PLAIN_KIND] if PLAIN_KIND in measures else measure(PLAIN_KIND, 1)
        return _Study(agent, measures)

    def _load_state(self, key: tuple[str, int, int]) -> TrainState:
        end = self._ends[key]
        agent = self._studies[_kin(end.run)].agent
        return loading.load_state(end.run, end.seed, end.ckpt, agent, self._log_rows, with_log=self._is_update)

    def _load_policy(self, key: tuple[str, int, int]) -> Policy:
        end = self._ends[key]
        agent = self._agent(end.run.name)
        policy: Policy = loading.load_state(end.run, end.seed, end.ckpt, agent, with_log=False).learner.policy
        return policy

    def _make_agent(self, run_name: str) -> Agent:
        """That of a run, of which only the structure of its states matters: any end lends its policy alone."""
        run = next(end.run for end in self._ends.values() if end.run.name == run_name)
        kin = _kin(run)
        return self._studies[kin].agent if kin in self._studies else loading.rebuild(run)[1]

    def _write(self, pair: Pair, item: _Item, returns: np.ndarray) -> None:
        s, end = self._settings, self._learner_end(pair).run
        storage.check_still_there(pair.one.run)
        alpha = paths.shares(s.num_points)
        about: dict[str, object] = {
            "random_seed": self._job.random_seed,
            "episode_length": s.episode_length,
            "config": self._job.resolved,
            storage.STANDS_ON: storage.footing(pair),
        }
        for number, (run, seed, ckpt) in enumerate(pair, 1):
            about |= {f"run{number}": run.name, f"seed{number}": seed, f"ckpt{number}": ckpt}
        of_returns = {
            **about,
            "axes": "point" if item.kind is None else "sample,point",
            "units": "undiscounted return",
            "keys": "sample i draws from fold_in(key(random_seed), i), at all points the same",
            "program_shape": self._studies[_kin(end)].measures[item.kind].program_shape,
            "noise_type": item.kind,
            "noise_amount": None if item.kind is None else item.amount,
            "learner_from": s.learner_from if self._is_update and item.kind is not None else None,
        }
        of_alpha = {**about, "axes": "point", "units": "share of policy 1"}
        storage.merge_hdf5(
            item.path,
            {item.dataset: returns, f"{item.group}/alpha": alpha},
            {"schema_version": SCHEMA_VERSION, "seed": pair.one.seed, **pair.one.run.provenance()},
            {item.dataset: of_returns, f"{item.group}/alpha": of_alpha},
        )


def _kin(run: storage.Run) -> str:
    """Equal for runs that one compiled program serves."""
    return json.dumps([run.record["environment"], run.record["algorithm"]], sort_keys=True)


def _found_before(job: Job, items: Iterable[_Item]) -> dict[tuple[Path, str], np.ndarray]:
    """What lies in files already, by file and data set; each file is read once."""
    names: dict[Path, dict[str, list[storage.Run]]] = defaultdict(dict)
    for item in items:
        names[item.path][item.dataset] = [end.run for end in item.pair]
    found = {path: measured_before(path, wanted, job.resolved, DECISIVE) for path, wanted in names.items()}
    return {(path, name): returns for path, of_path in found.items() for name, returns in of_path.items()}


def _in_words(s: InterpolationSettings) -> str:
    """What is measured at each point."""
    if not s.num_purd_samples:
        return "one return each, without noise"
    noise = f"{s.noise_type} {storage.amount_name(s.noise_amount)}"
    return f"{s.num_purd_samples} samples each under {noise}, and one without noise"
