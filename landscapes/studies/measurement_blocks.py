"""A block of samples while it is measured: the policies drawn so far, the episodes in the lanes, what came of them.

Knows the programs of a measurement and calls them; knows no environment, no algorithm and no file.

A block is one run of the engine, whose policies are drawn in chunks (for kinds that are updates: one `policy_update`
from the same state under many keys). Of D devices, device d has samples d, d + D, ... of the block: what has been
rolled out is always a beginning of the block but for the episodes that still go on, and who may need a beginning only
(`sequential.Looks`) can stop there, with few policies drawn that no lane has taken.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.statistics.sequential import Looks
from landscapes.studies.measurement_programs import Asked, Made

Progress = Callable[[int, float | None], None]
"""Told how many samples' worth of work is done, and the mean return so far (None before the first)."""


class Purd(NamedTuple):
    """Of each sample: undiscounted return, Σ γ^t r_t from t = 0, episode length, all `[num_samples]` (means over the
    sample's episodes where it has several)."""

    returns: np.ndarray
    discounted_returns: np.ndarray
    lengths: np.ndarray


def joined(purds: Sequence[Purd]) -> Purd:
    """Samples of the first, then those of the next, ..."""
    return Purd(*(np.concatenate(fields) for fields in zip(*purds, strict=True)))


class Block:
    """Samples first .. first + size - 1 while they are measured: the policies drawn so far, the lanes, the results."""

    def __init__(
        self,
        made: Made,
        asked: Asked,
        first: int,
        size: int,
        progress: Progress | None = None,
        looks: Looks | None = None,
    ) -> None:
        self.made, self.asked, self.first, self.size, self.progress = made, asked, first, size, progress
        self.looks = looks
        self.counts = made.shape.counts(size)
        self.num_drawn = 0
        """On each device, the last chunk whole."""
        self.num_taken = made.shape.lanes
        """Of those, by the lanes of the device that took most."""
        self.num_finished = 0
        """Episodes, on all devices."""
        self.mean_return: float | None = None
        if made.near.draw is None:
            self.policies, self.num_drawn = made.shared_policy(asked), made.shape.share
        else:
            self.policies = devices.zeros(made.drawn_shapes(asked), made.shape.devices)
        self.draw_until(made.shape.share if looks is None else made.shape.lanes)
        begun = made.programs.begin(*made.begin_arguments(asked, self.policies, first, self.num_listed()))
        self.episodes: rollout.Episodes = begun[0]
        self.running: rollout.EngineState = begun[1]

    def measure(self) -> tuple[Purd, bool]:
        """All samples, or a beginning that is enough, and whether it is."""
        sizes = [] if self.looks is None else [size for size in self.looks.sizes if size <= self.size]
        while True:
            if sizes or self.is_finished:
                known = self.beginning()
                while self.looks is not None and sizes and sizes[0] <= len(known.returns):
                    part = Purd(*(x[: sizes[0]] for x in known))
                    if self.looks.enough(part.returns):
                        return part, True
                    sizes.pop(0)
                if self.is_finished:
                    return known, False
            self.go_on(sparing=bool(sizes))

    @property
    def is_finished(self) -> bool:
        return self.num_finished == self.size * self.made.near.episodes

    def draw_until(self, num: int) -> bool:
        """Draws policies until each device has `num` of them, or all; whether there were any to draw."""
        made, before = self.made, self.num_drawn
        while self.num_drawn < min(num, int(self.counts[0])):
            first = self.first + self.num_drawn * made.shape.devices
            drawn = made.programs.draw(*made.draw_arguments(self.asked, first))
            self.policies = made.programs.put(self.policies, drawn, np.int32(self.num_drawn))
            self.num_drawn += made.shape.chunk
            if self.progress is not None:
                jax.block_until_ready(self.policies)
                self.tell()
        return self.num_drawn > before

    def num_listed(self) -> np.ndarray:
        """Episodes of the samples drawn so far, `[devices]`."""
        return np.minimum(self.counts, np.int32(self.num_drawn)) * np.int32(self.made.near.episodes)

    def list_drawn(self) -> None:
        """Lets lanes take what was drawn since they began."""
        num_listed = devices.put_apart(self.num_listed(), self.made.shape.devices)
        self.episodes = self.episodes._replace(num_episodes=num_listed)

    def go_on(self, sparing: bool) -> None:
        """Some rounds of the engine, with all policies drawn, or `sparing` with about those that lanes will take."""
        made, before = self.made, self.num_taken
        self.num_taken = int(np.asarray(self.running.next_episode).max()) // made.near.episodes
        soon = max(made.shape.lanes // 2, self.num_taken - before)
        if self.draw_until(self.num_taken + soon if sparing else made.shape.share):
            self.list_drawn()
        arguments = made.advance_arguments(self.asked, self.running, self.episodes, self.policies)
        self.running = made.programs.advance(*arguments)
        self.num_finished = int(np.asarray(self.running.num_finished).sum())
        if self.num_finished:
            self.mean_return = float(np.asarray(self.running.results.returns).sum()) / self.num_finished
        if self.progress is not None:
            self.tell()

    def tell(self) -> None:
        """Tells how many samples' worth of work is done."""
        assert self.progress is not None
        drawn = min(self.num_drawn * self.made.shape.devices, self.size)
        rolled_out = self.num_finished / self.made.near.episodes
        drawing = self.made.drawing
        self.progress(self.first + round(drawing * drawn + (1.0 - drawing) * rolled_out), self.mean_return)

    def beginning(self) -> Purd:
        """The samples before the first of which an episode still goes on."""
        num_devices, episodes = self.made.shape.devices, self.made.near.episodes

        def in_order(x: jax.Array) -> np.ndarray:
            rows = np.asarray(x).reshape(num_devices, -1, episodes)
            return rows.swapaxes(0, 1).reshape(-1, episodes)[: self.size]

        results = [in_order(x) for x in self.running.results]
        lengths = results[rollout.EpisodeResult._fields.index("lengths")]
        going_on = np.flatnonzero((lengths == 0).any(axis=1))
        num = going_on[0] if len(going_on) else self.size
        if episodes == 1:
            return Purd(*(x[:num, 0] for x in results))
        return Purd(*(x[:num].mean(axis=1, dtype=np.float64).astype(np.float32) for x in results))
