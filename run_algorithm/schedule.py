"""When a training run evaluates, logs and stores.

Knows steps and iterations; knows neither files nor algorithms.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any


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


def off_policy_schedule(
    env_steps: int,
    max_steps: int,
    eval_interval: int,
    log_interval: int,
    starts: Sequence[int],
    step: int,
    num: int,
) -> Schedule:
    """Checkpoints at start + j·step, j < num, for each start, as published; those after the end are left out.

    Everything is given in environment steps. TD3 and SAC take one an iteration; for an algorithm that takes
    `env_steps`, each moment is that of the iteration in which it falls.
    """
    total = max(1, max_steps // env_steps)
    end = (total + 1) * env_steps
    return Schedule(
        env_steps,
        total,
        Every(max(1, eval_interval // env_steps), total),
        Listed(moment // env_steps for start in starts for moment in range(start, end, step)[:num]),
        max(1, log_interval // env_steps),
    )


def on_policy_schedule(
    total_timesteps: int, batch_size: int, eval_interval: int | None, num_checkpoints: int
) -> Schedule:
    """`batch_size` environment steps an iteration; a checkpoint before each `num_iterations // num_checkpoints`-th."""
    num_iterations = total_timesteps // batch_size
    between = max(1, num_iterations // num_checkpoints) if num_checkpoints else num_iterations + 1
    evaluation = max(1, round((eval_interval or total_timesteps / 20) / batch_size))
    checkpoints = Listed(k * between - 1 for k in range(1, num_iterations // between + 1))
    return Schedule(batch_size, num_iterations, Every(evaluation, num_iterations), checkpoints, 1)
