"""Distributions of returns in the neighbourhoods of stored policies of one run, in one process that compiles once.

Knows run folders, files and the PURD measurement; knows no experiment, no algorithm and no maths. What has been
measured is on disk at once, and is not measured again.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from eval_policy.measured import measured_before
from eval_policy.trajectories import Recorder, Recording
from landscapes import console, loading, statistics, storage
from landscapes.config.job import Job
from landscapes.figures import purd_histograms
from landscapes.jobs.blocks import Samples, measure_by_blocks, unfinished_purd
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import Tracked, job_tracker, print_tracking
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.statistics import tables
from landscapes.studies import measurement, neighborhood
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment, TrainState

SCHEMA_VERSION = 1

DECISIVE = ("random_seed", "experiment.episode_length", "experiment.discount")
"""Keys that change what is measured and stand in no name of a data set."""


@dataclass(frozen=True)
class Wanted:
    """What is to be measured of a run."""

    policies: Sequence[tuple[int, int]]
    """Seeds and checkpoints, in order."""
    kind: str
    amounts: Sequence[float | None]
    num_samples: int
    """Of each policy and amount."""
    batch_size: int
    episode_length: int
    discount: float
    num_recorded: int
    """Roll-outs to record of the median and of the left tail each."""
    show_progress: bool
    ckpt_key: str
    """The setting that names checkpoints."""
    amounts_key: str

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for seed, _ in self.policies))

    def steps(self, seed: int) -> list[int]:
        """The checkpoints of one seed."""
        return [step for other, step in self.policies if other == seed]

    def names(self, amount: float | None) -> tuple[str, str, str]:
        """The data sets that hold one PURD, in the order of its fields."""
        name = f"{self.kind}/{storage.amount_name(amount)}/{self.num_samples}"
        return f"und_returns/{name}", name, f"lengths/{name}"


class Purds:
    """The measurement of one job, ready to run."""

    def __init__(self, job: Job, stored: storage.Run, wanted: Wanted, made: tuple[Environment, Agent]) -> None:
        """`made` are the run's environment, of the wanted episode length, and its agent in it.

        Raises UserError for what does not fit them, before anything is measured.
        """
        self._job, self._stored, self._wanted = job, stored, wanted
        env, self._agent = made
        for seed in wanted.seeds:
            storage.check_results_writable(stored.seed_directory(seed))
        self._measures = self._make_measures(env, self._agent)
        neighborhood.check_amounts(self._agent, wanted.kind, wanted.amounts, wanted.amounts_key)
        if neighborhood.is_update(self._agent, wanted.kind):
            for seed, step in wanted.policies:
                loading.check_has_data(stored, seed, step, wanted.ckpt_key)
        self._measured = {} if storage.starts_over(job.overwrite) else self._measured_before()
        recording = Recording(wanted.kind, wanted.num_samples, wanted.episode_length, wanted.num_recorded)
        self._recorder = Recorder(job, stored, recording, env, self._measures)
        self._rows = max(loading.stored_rows(stored, seed, step) for seed, step in wanted.policies)

    def run(self, name: str) -> None:
        """Measures all, policy by policy, shows and logs it under this name, and prints the files."""
        wanted, stored = self._wanted, self._stored
        pace = self._pace()
        self._print_plan(pace)
        several = len(wanted.seeds) > 1
        tracked = Tracked(
            name,
            self._job.kind,
            group=stored.name,
            seeds=tuple(wanted.seeds) if several else (),
            seed=None if several else wanted.seeds[0],
            in_order=False,  # only what is newly measured is told
        )
        print_tracking(self._job, stored.path, tracked)
        if self._job.dry_run:
            return
        tracker = job_tracker(self._job, stored, tracked)
        try:
            table, files = self._measure(tracker, pace)
            figures = [self._figure(seed) for seed in wanted.seeds]
            files = [*dict.fromkeys(files), *figures]
            of_seed = f"-s{wanted.seeds[0]}" if len(wanted.seeds) == 1 else ""
            tracker.artifact(f"{stored.name}{of_seed}-{wanted.kind}", "returns", files)
        except BaseException as error:
            tracker.finish(error)
            raise
        tracker.finish()
        seeds = ", ".join(map(str, wanted.seeds))
        title = f"{stored.name}, seed{'s' if len(wanted.seeds) > 1 else ''} {seeds}: returns under {wanted.kind}"
        console.print_table(
            f"{title}, {wanted.num_samples} samples, 95 % intervals",
            [*(["seed"] if len(wanted.seeds) > 1 else []), "checkpoint", "amount", *tables.purd_columns(0.1)],
            table,
        )
        print_end(files, tracker)

    def _measure(self, tracker: Tracker, pace: Pace) -> tuple[list[Sequence[object]], list[Path]]:
        wanted = self._wanted
        table: list[Sequence[object]] = []
        files: list[Path] = []
        total = len(wanted.policies) * len(wanted.amounts) * wanted.num_samples
        done = len(self._measured) * wanted.num_samples
        label = f"PURD ({wanted.kind})"
        with (
            stopping.stop_requests() as stop,
            console.Progress(label, total, wanted.show_progress, unit="samples", start=done) as progress,
            told_to(progress.meanwhile),
        ):
            state_of = functools.lru_cache(maxsize=1)(self._state)
            for seed, step, amount in self._all():
                purd = self._measured.get((seed, step, amount))
                if purd is None:

                    def show(samples: int, mean: float | None, before: int = done) -> None:
                        stop.leave()
                        progress.advance_to(before + samples, None if mean is None else f"mean return {mean:.1f}")

                    purd, path = self._one(seed, step, amount, state_of(seed, step), show)
                    done += wanted.num_samples
                    files.append(path)
                    self._log(tracker, seed, step, amount, purd.returns)
                summary = statistics.summarize(purd.returns)
                of_seed = [seed] if len(wanted.seeds) > 1 else []
                table.append([*of_seed, step, storage.amount_name(amount), *tables.purd_cells(summary)])
                stop.leave()
                if wanted.num_recorded:
                    with progress.meanwhile("recording roll-outs"):
                        rate = neighborhood.amount_sets_rate(self._agent, wanted.kind, amount)
                        files += self._recorder.record(seed, step, amount, rate, purd.returns, state_of)
        pace.note(progress)
        return table, files

    def _pace(self) -> Pace:
        wanted, shape = self._wanted, next(iter(self._measures.values())).program_shape
        return of_measuring("purd", self._stored, Program(wanted.kind, wanted.episode_length, shape), "samples")

    def _one(
        self, seed: int, step: int, amount: float | None, state: TrainState, show: measurement.Progress
    ) -> tuple[measurement.Purd, Path]:
        """One PURD measured, and the file that it was written to."""
        job, wanted = self._job, self._wanted
        measure = self._measures[neighborhood.amount_sets_rate(self._agent, wanted.kind, amount)]
        key = jax.random.key(job.random_seed)
        about = {
            storage.STANDS_ON: storage.footing([(self._stored, seed, step)]),
            "noise_type": wanted.kind,
            "episode_length": wanted.episode_length,
            "discount": wanted.discount,
        }
        folder = self._stored.seed_directory(seed)
        unfinished = unfinished_purd(job.overwrite, folder, about, measure, key, amount)
        count = wanted.num_samples
        purd = measure_by_blocks(measure, Samples(key, state, amount, count), show, unfinished, job.save_interval)
        path = self._write(seed, step, amount, purd, measure)
        unfinished.discard()
        return purd, path

    def _make_measures(self, env: Environment, agent: Agent) -> dict[bool, measurement.Measure]:
        """By whether the amount sets the rate of updates."""
        wanted, measures = self._wanted, {}
        for amount in wanted.amounts:
            rate = neighborhood.amount_sets_rate(agent, wanted.kind, amount)
            if rate not in measures:
                measures[rate] = measurement.make_measure(
                    env, agent, wanted.kind, wanted.num_samples, wanted.batch_size, wanted.discount, rate
                )
        return measures

    def _all(self) -> Iterator[tuple[int, int, float | None]]:
        for seed, step in self._wanted.policies:
            for amount in self._wanted.amounts:
                yield seed, step, amount

    def _state(self, seed: int, step: int) -> TrainState:
        return loading.load_state(self._stored, seed, step, self._agent, self._rows)

    def _measured_before(self) -> dict[tuple[int, int, float | None], measurement.Purd]:
        """What has been measured already, under the same settings; says how much."""
        wanted, found = self._wanted, {}
        by_amount = {amount: wanted.names(amount) for amount in wanted.amounts}
        names = {name: [self._stored] for of_amount in by_amount.values() for name in of_amount}
        for seed, step in wanted.policies:
            data = measured_before(self._stored.returns_path(seed, step), names, self._job.resolved, DECISIVE)
            for amount, of_amount in by_amount.items():
                if all(name in data for name in of_amount):
                    found[seed, step, amount] = measurement.Purd(*(data[name] for name in of_amount))
        if found:
            total = len(wanted.policies) * len(wanted.amounts)
            print(f"{len(found)} of {total} were measured before and are not measured again (overwrite=true would)")
        return found

    def _print_plan(self, pace: Pace) -> None:
        wanted = self._wanted
        samples = len(wanted.policies) * len(wanted.amounts) * wanted.num_samples
        seeds = ", ".join(map(str, wanted.seeds))
        shape = next(iter(self._measures.values())).program_shape
        console.print_plan(
            f"Returns in the neighbourhood of {self._stored.name}, seed{'s' if len(wanted.seeds) > 1 else ''} {seeds}",
            {
                "neighbourhood": f"{wanted.kind}, amounts {', '.join(map(storage.amount_name, wanted.amounts))}",
                "checkpoints": _checkpoints_told(wanted),
                "samples": f"{wanted.num_samples} each, {console.human_count(samples)} in all",
                "environment steps": f"at most {console.human_count(samples * wanted.episode_length)} in roll-outs",
                "side by side": measurement.side_by_side(shape),
                "time": pace.told(samples - len(self._measured) * wanted.num_samples),
            },
        )

    def _write(
        self, seed: int, step: int, amount: float | None, purd: measurement.Purd, measure: measurement.Measure
    ) -> Path:
        stored, wanted = self._stored, self._wanted
        storage.check_still_there(stored)
        about = {
            "axes": "sample",
            "random_seed": self._job.random_seed,
            "keys": "sample i draws from fold_in(key(random_seed), i)",
            "episode_length": wanted.episode_length,
            "program_shape": measure.program_shape,
            storage.STANDS_ON: storage.footing([(stored, seed, step)]),
            "config": self._job.resolved,
        }
        names = wanted.names(amount)
        datasets = {name: values.astype(np.float32) for name, values in zip(names, purd, strict=True)}
        units = (
            "undiscounted return",
            f"sum over t of {wanted.discount}^t r_t, t from 0",
            "environment steps until the episode ended",
        )
        attributes = {"schema_version": SCHEMA_VERSION, "seed": seed, "ckpt": step, **stored.provenance()}
        each = {name: {**about, "units": unit} for name, unit in zip(names, units, strict=True)}
        return storage.merge_hdf5(stored.returns_path(seed, step), datasets, attributes, each)

    def _figure(self, seed: int) -> Path:
        """Histograms of what was measured of a seed, one panel per amount, the checkpoints overlaid."""
        stored, wanted = self._stored, self._wanted
        panels = [
            (
                f"seed {seed}, {wanted.kind} {storage.amount_name(amount)}",
                stored.returns_path(seed, step),
                wanted.names(amount)[0],
            )
            for amount in wanted.amounts[:12]
            for step in wanted.steps(seed)
        ]
        return purd_histograms(panels, stored.seed_directory(seed) / f"purd_{wanted.kind}.png")

    def _log(self, tracker: Tracker, seed: int, step: int, amount: float | None, returns: np.ndarray) -> None:
        of_seed = f"seed{seed}/" if len(self._wanted.seeds) > 1 else ""
        label, summary = storage.amount_name(amount), statistics.summarize(returns)
        names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR", "std": "PURD std"}
        tracker.log({f"{of_seed}{shown} ({label})": summary[name] for name, shown in names.items()}, step)
        if np.isfinite(returns).all():
            tracker.histogram(f"{of_seed}PURD ({label})", returns, step)


def _checkpoints_told(wanted: Wanted) -> str:
    by_seed = {tuple(wanted.steps(seed)) for seed in wanted.seeds}
    steps = ", ".join(map(str, next(iter(by_seed)))) if len(by_seed) == 1 else "not the same of each seed"
    return f"{steps}: {len(wanted.policies)} in all" if len(wanted.seeds) > 1 else steps
