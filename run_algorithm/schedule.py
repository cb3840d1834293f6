"""When a training run evaluates, logs and stores.

Knows steps and iterations; knows neither files nor algorithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Everything in iterations of the algorithm; `env_steps` environment steps make one."""

    env_steps: int
    total: int
    evaluations: frozenset[int]
    checkpoints: frozenset[int]
    log_interval: int

    def next_stop(self, done: int) -> int:
        """The next iteration count at which something is to be done."""
        later = [i for i in (*self.evaluations, *self.checkpoints, self.total) if i > done]
        return min(*later, (done // self.log_interval + 1) * self.log_interval, self.total)


def every(interval: int, total: int) -> frozenset[int]:
    """0, interval, 2·interval, ... and the end."""
    return frozenset(range(0, total + 1, interval)) | {total}


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
    wanted = {(start + j * step) // env_steps for start in starts for j in range(num)}
    return Schedule(
        env_steps,
        total,
        every(max(1, eval_interval // env_steps), total),
        frozenset(i for i in wanted if i <= total),
        max(1, log_interval // env_steps),
    )


def on_policy_schedule(
    total_timesteps: int, batch_size: int, eval_interval: int | None, num_checkpoints: int
) -> Schedule:
    """`batch_size` environment steps an iteration; a checkpoint before each `num_iterations // num_checkpoints`-th."""
    num_iterations = total_timesteps // batch_size
    between = max(1, num_iterations // num_checkpoints) if num_checkpoints else num_iterations + 1
    evaluation = max(1, round((eval_interval or total_timesteps / 20) / batch_size))
    checkpoints = frozenset(k * between - 1 for k in range(1, num_iterations // between + 1))
    return Schedule(batch_size, num_iterations, every(evaluation, num_iterations), checkpoints, 1)
