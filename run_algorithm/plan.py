"""What a training job says before it takes anything: steps, memory, files.

Knows sizes of states and the schedule; allocates nothing.
"""

from pathlib import Path
from typing import Any

import jax

from landscapes import console, storage, training
from landscapes.console import human_bytes, human_count
from landscapes.types import Algorithm, Environment
from run_algorithm.schedule import Schedule


def print_plan(
    run: storage.Run, env: Environment, algorithm: Algorithm, backend: str, num_seeds: int, schedule: Schedule
) -> None:
    """Prints the plan, and a warning where the state will not fit the memory that is free."""
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    per_seed = _num_bytes(state)
    steps = schedule.total * schedule.env_steps
    log = _num_bytes(state.experience.log)
    small = _num_bytes(state.learner) + _num_bytes(state.experience.snapshot)
    rows = max(schedule.checkpoints, default=0)
    capacity = state.experience.log.data.reward.shape[0] if log else 1
    disk = num_seeds * (len(schedule.checkpoints) * small + (log // capacity) * rows)
    num, _ = training.layout(num_seeds)
    members = training.places(num_seeds).size
    memory = members * per_seed
    free = _free_memory()
    device = jax.devices()[0]
    tight = f" (the machine has {human_bytes(free)} free)" if free is not None and device.platform == "cpu" else ""
    console.print_plan(
        f"{algorithm.name} on {env.name} ({backend})",
        {
            "run": str(run.path),
            "seeds": f"{num_seeds}, in one program on {num} device{'s' if num > 1 else ''}",
            "environment steps": f"{human_count(steps)} per seed, {human_count(steps * num_seeds)} in all",
            "evaluations": str(len(schedule.evaluations)),
            "checkpoints": f"{len(schedule.checkpoints)} per seed, about {human_bytes(disk)} on disk"
            if schedule.checkpoints
            else "none: no checkpoint lies within these steps",
            "memory": f"{human_bytes(memory)}, of which replay logs {human_bytes(members * log)}{tight}",
            "device": f"{device.device_kind} ({device.platform})",
            "time": "shown as soon as it is compiled and has run a little",
        },
    )
    if tight and free is not None and memory > free:
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
