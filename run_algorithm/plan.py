"""What a training job says before it takes anything: steps, memory, files.

Knows sizes of states and the schedule; allocates nothing.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax

from landscapes import console, training
from landscapes.console import human_bytes, human_count
from landscapes.types import Agent, Environment
from run_algorithm.schedule import Schedule


class Estimate(NamedTuple):
    """Bytes that a training takes: memory, of which replay logs, and on disk for checkpoints and for going on."""

    memory: int
    logs: int
    checkpoints: int
    saves: int


def estimate(agent: Agent, num_seeds: int, schedule: Schedule, rows_per_segment: int) -> Estimate:
    """What a training of so many seeds takes; `rows_per_segment` is how far the stored log may lag behind."""
    state = jax.eval_shape(agent.init, jax.random.key(0))
    log = _num_bytes(state.log)
    small = _num_bytes(state.learner) + _num_bytes(state.lanes)
    stored_rows = max(schedule.checkpoints, default=0) * schedule.env_steps
    capacity = state.log.data.reward.shape[0] if log else 1
    row = log // capacity
    last_rows = schedule.total * schedule.env_steps - stored_rows
    tail_rows = min(capacity, max(last_rows, min(rows_per_segment, stored_rows)))
    members = training.places(num_seeds).size
    return Estimate(
        memory=members * _num_bytes(state),
        logs=members * log,
        checkpoints=num_seeds * (len(schedule.checkpoints) * small + row * stored_rows),
        saves=num_seeds * (2 * small + row * tail_rows),
    )


def print_plan(
    path: Path, env: Environment, agent: Agent, num_seeds: int, schedule: Schedule, needed: Estimate, duration: str
) -> None:
    """Prints the plan, and a warning where the state will not fit the memory that is free; `path` is the run's."""
    steps = schedule.total * schedule.env_steps
    num, _ = training.layout(num_seeds)
    free = _free_memory()
    device = jax.devices()[0]
    tight = f" (the machine has {human_bytes(free)} free)" if free is not None and device.platform == "cpu" else ""
    console.print_plan(
        f"{agent.name} on {env.name} ({env.backend})",
        {
            "run": str(path),
            "seeds": f"{num_seeds}, in one program on {num} device{'s' if num > 1 else ''}",
            "environment steps": f"{human_count(steps)} per seed, {human_count(steps * num_seeds)} in all",
            "evaluations": str(len(schedule.evaluations)),
            "checkpoints": f"{len(schedule.checkpoints)} per seed, about {human_bytes(needed.checkpoints)} on disk"
            if schedule.checkpoints
            else "none: no checkpoint lies within these steps",
            "saves": f"about {human_bytes(needed.saves)} on disk",
            "memory": f"{human_bytes(needed.memory)}, of which replay logs {human_bytes(needed.logs)}{tight}",
            "device": f"{device.device_kind} ({device.platform})",
            "time": duration,
        },
    )
    if tight and free is not None and needed.memory > free:
        print("warning: that is more than there is; fewer seeds or a smaller replay_buffer_size need less", flush=True)


def _num_bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _free_memory() -> int | None:
    """Bytes the system could hand out, where it says so."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)
