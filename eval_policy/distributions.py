"""Distributions of returns of stored policies of one run, each on disk as soon as it is measured.

Knows run folders, files and the measurement; knows no experiment, no algorithm, no maths, and not how results are
told. What has been measured is not measured again.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from eval_policy.measured import measured_before
from eval_policy.trajectories import Recorder, Recording
from landscapes import console, loading, storage
from landscapes.config.job import Job
from landscapes.jobs.blocks import Samples, measure_by_blocks, unfinished_purd
from landscapes.jobs.pace import Pace
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.studies import measurement, neighborhood
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

    @property
    def num_distributions(self) -> int:
        return len(self.policies) * len(self.amounts)

    def names(self, amount: float | None) -> tuple[str, str, str]:
        """The data sets that hold one distribution, in the order of its fields."""
        name = f"{self.kind}/{storage.amount_name(amount)}/{self.num_samples}"
        return f"und_returns/{name}", name, f"lengths/{name}"

    def checkpoints_told(self) -> str:
        """Which checkpoints, in words."""
        by_seed = {tuple(self.steps(seed)) for seed in self.seeds}
        steps = ", ".join(map(str, next(iter(by_seed)))) if len(by_seed) == 1 else "not the same of each seed"
        return f"{steps}: {len(self.policies)} in all" if len(self.seeds) > 1 else steps


class Measured(NamedTuple):
    """One distribution: of which policy, and whether it was measured just now."""

    kind: str
    seed: int
    step: int
    amount: float | None
    purd: measurement.Purd
    is_new: bool


class Distributions:
    """All distributions of one kind that a job wants, ready to be measured one by one."""

    def __init__(self, job: Job, stored: storage.Run, wanted: Wanted, made: tuple[Environment, Agent]) -> None:
        """`made` are the run's environment, of the wanted episode length, and its agent in it.

        Raises UserError for what does not fit them, before anything is measured.
        """
        self._job, self.stored, self.wanted = job, stored, wanted
        env, self._agent = made
        experiment = {**job.resolved["experiment"], "episode_length": wanted.episode_length}
        self._config = {**job.resolved, "experiment": experiment}
        for seed in wanted.seeds:
            storage.check_results_writable(stored.seed_directory(seed))
        self._measures = self._make_measures(env, self._agent)
        neighborhood.check_amounts(self._agent, wanted.kind, wanted.amounts, wanted.amounts_key)
        self._makes_updates = neighborhood.is_update(self._agent, wanted.kind)
        if self._makes_updates:
            for seed, step in wanted.policies:
                loading.check_has_data(stored, seed, step, wanted.ckpt_key)
        self._measured = {} if storage.starts_over(job.overwrite) else self._measured_before()
        recording = Recording(wanted.kind, wanted.num_samples, wanted.episode_length, wanted.num_recorded)
        self._recorder = Recorder(job, stored, recording, env, self._measures)
        self._rows = max(loading.stored_rows(stored, seed, step) for seed, step in wanted.policies)

    @property
    def program_shape(self) -> dict[str, int | str]:
        return next(iter(self._measures.values())).program_shape

    @property
    def num_found(self) -> int:
        """How many distributions have been measured before."""
        return len(self._measured)

    def state(self, seed: int, step: int) -> TrainState:
        """The state of a checkpoint, with the replay log where updates are made of it."""
        return loading.load_state(self.stored, seed, step, self._agent, self._rows, with_log=self._makes_updates)

    def measure(
        self, seed: int, step: int, amount: float | None, state_of: "StateOf", show: measurement.Progress
    ) -> tuple[Measured, list[Path]]:
        """One distribution, and the file that it was written to; none where it had been measured before."""
        found = self._measured.get((seed, step, amount))
        if found is not None:
            return Measured(self.wanted.kind, seed, step, amount, found, is_new=False), []
        purd, path = self._one(seed, step, amount, state_of(seed, step), show)
        return Measured(self.wanted.kind, seed, step, amount, purd, is_new=True), [path]

    def record(self, one: Measured, state_of: "StateOf") -> list[Path]:
        """The file with the roll-outs of it that are to be recorded, where there are any."""
        rate = neighborhood.amount_sets_rate(self._agent, self.wanted.kind, one.amount)
        return self._recorder.record(one.seed, one.step, one.amount, rate, one.purd.returns, state_of)

    def _one(
        self, seed: int, step: int, amount: float | None, state: TrainState, show: measurement.Progress
    ) -> tuple[measurement.Purd, Path]:
        """One PURD measured, and the file that it was written to."""
        job, wanted = self._job, self.wanted
        measure = self._measures[neighborhood.amount_sets_rate(self._agent, wanted.kind, amount)]
        key = jax.random.key(job.random_seed)
        about = {
            storage.STANDS_ON: storage.footing([(self.stored, seed, step)]),
            "noise_type": wanted.kind,
            "episode_length": wanted.episode_length,
            "discount": wanted.discount,
        }
        folder = self.stored.seed_directory(seed)
        unfinished = unfinished_purd(job.overwrite, folder, about, measure, key, amount)
        count = wanted.num_samples
        purd = measure_by_blocks(measure, Samples(key, state, amount, count), show, unfinished, job.save_interval)
        path = self._write(seed, step, amount, purd, measure)
        unfinished.discard()
        return purd, path

    def _make_measures(self, env: Environment, agent: Agent) -> dict[bool, measurement.Measure]:
        """By whether the amount sets the rate of updates."""
        wanted, measures = self.wanted, {}
        for amount in wanted.amounts:
            rate = neighborhood.amount_sets_rate(agent, wanted.kind, amount)
            if rate not in measures:
                measures[rate] = measurement.make_measure(
                    env,
                    agent,
                    measurement.Sampling(wanted.kind, wanted.num_samples, amount_sets_rate=rate),
                    wanted.batch_size,
                    wanted.discount,
                )
        return measures

    def _measured_before(self) -> dict[tuple[int, int, float | None], measurement.Purd]:
        """What has been measured already, under the same settings; says how much."""
        wanted, found = self.wanted, {}
        by_amount = {amount: wanted.names(amount) for amount in wanted.amounts}
        names = {name: [self.stored] for of_amount in by_amount.values() for name in of_amount}
        for seed, step in wanted.policies:
            data = measured_before(self.stored.returns_path(seed, step), names, self._config, DECISIVE)
            for amount, of_amount in by_amount.items():
                if all(name in data for name in of_amount):
                    found[seed, step, amount] = measurement.Purd(*(data[name] for name in of_amount))
        if found:
            counted = f"{len(found)} of {wanted.num_distributions}"
            print(f"{counted} were measured before and are not measured again (overwrite=true would)")
        return found

    def _write(
        self, seed: int, step: int, amount: float | None, purd: measurement.Purd, measure: measurement.Measure
    ) -> Path:
        stored, wanted = self.stored, self.wanted
        storage.check_still_there(stored)
        about = {
            "axes": "sample",
            "random_seed": self._job.random_seed,
            "keys": "sample i draws from fold_in(key(random_seed), i)",
            "episode_length": wanted.episode_length,
            "program_shape": measure.program_shape,
            storage.STANDS_ON: storage.footing([(stored, seed, step)]),
            "config": self._config,
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


StateOf = Callable[[int, int], TrainState]
"""The state of a seed and checkpoint."""


def measure_all(parts: Sequence[Distributions], label: str, pace: Pace, told: Callable[[Measured], None]) -> list[Path]:
    """Measures what is not there yet, policy by policy, and tells of each distribution; the files that were written.

    `parts` are of the same policies of one run, and each policy is loaded once for all of them.
    """
    wanted, files = parts[0].wanted, list[Path]()
    total = sum(part.wanted.num_distributions * part.wanted.num_samples for part in parts)
    done = sum(part.num_found * part.wanted.num_samples for part in parts)
    with (
        stopping.stop_requests() as stop,
        console.Progress(label, total, wanted.show_progress, unit="samples", start=done) as progress,
        told_to(progress.meanwhile),
    ):
        state_of = functools.lru_cache(maxsize=1)(parts[0].state)
        for part, seed, step, amount in _in_order(parts):

            def show(samples: int, mean: float | None, before: int = done) -> None:
                stop.leave()
                progress.advance_to(before + samples, None if mean is None else f"mean return {mean:.1f}")

            one, written = part.measure(seed, step, amount, state_of, show)
            files += written
            done += part.wanted.num_samples * one.is_new
            told(one)
            stop.leave()
            if part.wanted.num_recorded:
                with progress.meanwhile("recording roll-outs"):
                    files += part.record(one, state_of)
    pace.note(progress)
    return list(dict.fromkeys(files))


def _in_order(parts: Sequence[Distributions]) -> Iterator[tuple[Distributions, int, int, float | None]]:
    for seed, step in parts[0].wanted.policies:
        for part in parts:
            for amount in part.wanted.amounts:
                yield part, seed, step, amount
