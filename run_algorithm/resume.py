"""Where a training run stands, saved and restored: all that continues it to the numbers of an unbroken run.

Knows the trainer's states and the saves of a run folder; knows neither schedule nor progress.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from landscapes import storage, training
from landscapes.types import Agent, TrainState
from run_algorithm.experience import MemberLogs


class Standing(NamedTuple):
    """Where a run stands after `iteration` iterations."""

    iteration: int
    members: training.Members
    tallies: training.Members
    """Of the metrics since the last log point."""


class Stored(NamedTuple):
    """What a run has stored by then: rows of the replay log in segments, and seeds that diverged by a step."""

    rows: int
    diverged: dict[int, int]


class Saves:
    """Makes the saves of one run, and restores the latest."""

    def __init__(
        self, run: storage.Run, agent: Agent, trainer: training.Trainer, num_seeds: int, interval: float
    ) -> None:
        """A save is due every `interval` seconds."""
        self.run = run
        self.trainer = trainer
        self.num_seeds = num_seeds
        self.interval = interval
        self.template: TrainState = jax.eval_shape(agent.init, jax.random.key(0))
        self.logs = MemberLogs(self.template, num_seeds)
        self.saved_at = time.monotonic()
        self.tail_end = 0
        self.needed = 0  # the first row that the last save needs from the tail

    @property
    def due(self) -> bool:
        return time.monotonic() - self.saved_at >= self.interval

    def write(self, standing: Standing, stored: Stored, curves: Mapping[str, np.ndarray]) -> None:
        """Makes a save. Only rows that are in no segment and in no earlier save are written."""
        members = standing.members
        count, needed = self._write_tail(members, stored.rows)
        datasets = {
            **named("members", storage.flatten_tree(members.part(_without_log).arrays())),
            **named("tallies", storage.flatten_tree(standing.tallies.arrays())),
            **named("curves", curves),
        }
        attributes = {
            "iteration": standing.iteration,
            "log_rows": count,
            "rows_in_segments": stored.rows,
            "diverged": {str(seed): step for seed, step in stored.diverged.items()},
        }
        storage.write_save(self.run, datasets, attributes)
        storage.drop_tail(self.run, self.needed)  # the save before this one is still there, and needs these
        self.needed = needed
        self.saved_at = time.monotonic()

    def restore(self) -> tuple[Standing, Stored, dict[str, np.ndarray]] | None:
        """The latest save, its members on their devices, and the curves; None where nothing was saved yet."""
        save = storage.read_save(self.run)
        if save is None:
            return None
        datasets, attributes = save
        one = _without_log(self.template)
        stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.num_seeds, *x.shape), x.dtype), one)
        states = storage.restore_tree(stacked, under("members", datasets), self.run.path)
        tallies = storage.restore_tree(
            self.trainer.blank(self.num_seeds).arrays(), under("tallies", datasets), self.run.path
        )
        count, rows = int(str(attributes["log_rows"])), int(str(attributes["rows_in_segments"]))
        logs: list[Any] = [self.template.log] * self.num_seeds
        if self.logs.template is not None:
            logs = storage.load_logs(self.run, count, self.logs.template)
        members = [_with_log(_member(states, seed), logs[seed]) for seed in range(self.num_seeds)]
        self.tail_end, self.needed = count, max(rows, self.logs.oldest(count))
        standing = Standing(
            int(str(attributes["iteration"])),
            self.trainer.place(members),
            self.trainer.place([_member(tallies, seed) for seed in range(self.num_seeds)]),
        )
        diverged: Any = attributes["diverged"]
        stored = Stored(rows, {int(seed): int(step) for seed, step in diverged.items()})
        return standing, stored, under("curves", datasets)

    def _write_tail(self, members: training.Members, rows_in_segments: int) -> tuple[int, int]:
        """How many rows there are, and the first of them that lies in the tail and still in the ring."""
        count = self.logs.count(members)
        needed = max(rows_in_segments, self.logs.oldest(count))
        first = max(self.tail_end, needed)
        if first < count:
            rows = self.logs.rows(members, first, count)
            storage.append_tail(self.run, first, jax.tree.map(lambda *xs: np.stack(xs), *rows))
        self.tail_end = count
        return count, needed


def _without_log(state: TrainState) -> TrainState:
    return state._replace(log=())


def _with_log(state: TrainState, log: Any) -> TrainState:
    return state._replace(log=log)


def _member(tree: Any, seed: int) -> Any:
    return jax.tree.map(lambda x: x[seed], tree)


def named(prefix: str, datasets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The data sets of one part of a save, as they are called in it."""
    return {f"{prefix}/{name}": values for name, values in datasets.items()}


def under(prefix: str, datasets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The way back: those of a save's data sets that are of one part."""
    return {name.removeprefix(f"{prefix}/"): x for name, x in datasets.items() if name.startswith(f"{prefix}/")}
