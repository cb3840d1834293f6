"""When a training run evaluates, logs and stores.

Knows steps and iterations; knows neither files nor algorithms.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from landscapes.config.training import Training
from landscapes.errors import UserError

_EVALUATIONS = 20
"""In a run that does not say how often."""


class Every(Set[int]):
    """0, interval, 2·interval, ... and `total`. Takes no room, however many they are."""

    def __init__(self, interval: int, total: int) -> None:
        self._interval, self._total = interval, total

    def __contains__(self, moment: Any) -> bool:
        return 0 <= moment <= self._total and (moment % self._interval == 0 or moment == self._total)

    def __iter__(self) -> Iterator[int]:
        yield from range(0, self._total, self._interval)
        yield self._total

    def __len__(self) -> int:
        return len(range(0, self._total, self._interval)) + 1

    def after(self, done: int) -> int:
        """The first one after `done`, which lies before the end."""
        return min((done // self._interval + 1) * self._interval, self._total)


class Listed(Set[int]):
    """Some moments, each named by itself."""

    def __init__(self, moments: Iterable[int]) -> None:
        self._moments = sorted(set(moments))

    def __contains__(self, moment: Any) -> bool:
        at = bisect_left(self._moments, moment)
        return at < len(self._moments) and self._moments[at] == moment

    def __iter__(self) -> Iterator[int]:
        return iter(self._moments)

    def __len__(self) -> int:
        return len(self._moments)

    def after(self, done: int) -> int | None:
        """The first one after `done`, None where there is none."""
        at = bisect_right(self._moments, done)
        return self._moments[at] if at < len(self._moments) else None


@dataclass(frozen=True)
class Schedule:
    """Everything in iterations of the algorithm; `env_steps` environment steps make one."""

    env_steps: int
    total: int
    evaluations: Every
    checkpoints: Listed
    log_interval: int

    def next_stop(self, done: int) -> int:
        """The next iteration count at which something is to be done."""
        stored = self.checkpoints.after(done)
        logged = (done // self.log_interval + 1) * self.log_interval
        return min(self.evaluations.after(done), logged, self.total, *([] if stored is None else [stored]))


def make_schedule(env_steps: int, s: Training) -> Schedule:
    """The schedule of a training whose algorithm takes `env_steps` environment steps an iteration.

    Everything is given in environment steps, and each moment is that of the iteration in which it falls. Listed
    checkpoints come in bursts: start + j·spacing, j < burst, for each start, as published for TD3 and SAC; those after
    the end are left out. Raises UserError where not even one iteration fits.
    """
    if s.steps < env_steps:
        allowed = f"must be at least one iteration of the algorithm, which is {env_steps}"
        raise UserError("experiment.steps", s.steps, allowed)
    total = s.steps // env_steps
    if total >= 2**32:  # each has a random key by its number, in uint32
        raise UserError("experiment.steps", s.steps, "must be less than 2^32 iterations of the algorithm")
    evaluation = max(1, round((s.eval_interval or s.steps / _EVALUATIONS) / env_steps))
    logging = max(1, (s.log_interval or 1) // env_steps)
    return Schedule(env_steps, total, Every(evaluation, total), Listed(_checkpoints(env_steps, total, s)), logging)


def _checkpoints(env_steps: int, total: int, s: Training) -> Iterable[int]:
    if not s.checkpoint or not s.checkpoints:
        return ()
    if isinstance(s.checkpoints, int):
        between = max(1, total // s.checkpoints)
        # As published for PPO: of an algorithm that collects its data anew, before each of these iterations.
        before = 1 if env_steps > 1 else 0
        return (k * between - before for k in range(1, total // between + 1))
    end, spacing, burst = (total + 1) * env_steps, s.checkpoint_spacing, s.checkpoint_burst
    return (moment // env_steps for start in s.checkpoints for moment in range(start, end, spacing)[:burst])
