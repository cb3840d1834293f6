"""`python -m landscapes.paper dead [key=value ...]`: how often settings kill a seed, counted over many short trainings.

Knows command lines and `run.json`; what makes a seed dead is decided where it trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscapes import console, storage
from landscapes.paper import page, settings
from landscapes.stages import reading
from landscapes.stages.running import Command
from landscapes.statistics import tables
from landscapes.statistics.corrected import wilson
from landscapes.storage.files import write_whole

KEYS: dict[str, reading.Read] = {
    "tasks": settings.tasks,
    "algorithms": reading.several_of("td3", "sac"),
    "scales": reading.numbers,
    "backend": reading.one_of(*settings.BACKENDS),
    "num_seeds": reading.count,
    "max_steps": reading.count,
    "start_training": reading.count,
    "name": reading.run_name,
    "results_dir": reading.text,
    "job_config": reading.preset,
    "out": reading.text,
}
_COLUMNS = ("algorithm", "task", "last layer", "seeds", "steps", "dead", "share (95 % interval)", "since", "diverged")


@dataclass(frozen=True)
class Count:
    """What is to be counted: one training for each algorithm, task and scale of the actor's last layer."""

    algorithm: str
    task: str
    scale: float
    name: str
    command: Command


def main(words: Sequence[str], run: Callable[[Sequence[Command], bool], int]) -> int:
    """Trains what is not trained yet, and prints and writes the table; an exit code."""
    own, on = reading.given_on(words)
    told = reading.read(own, KEYS)
    counts = plan(told, on)
    results = storage.results_directory(told.get("results_dir"))
    preset = told.get("job_config", "local_default")
    if code := run([count.command for count in counts], not preset.startswith("local_")):
        return code
    rows = [row(storage.open_run(results, count.name, "dead"), count) for count in counts]
    console.print_table("Seeds whose policy has lost its gradient", _COLUMNS, rows)
    out = Path(told.get("out", results / f"{told.get('name', 'dead')}.md")).expanduser().absolute()
    text = f"# Dead seeds\n\n{page.markdown(_COLUMNS, rows)}\n"
    console.print_files([write_whole(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))])
    return 0


def plan(told: Mapping[str, Any], on: Sequence[str]) -> list[Count]:
    """The trainings, as command lines: without checkpoints, and evaluated at their end only."""
    max_steps, preset = told.get("max_steps", 6000), told.get("job_config", "local_default")
    shared = [
        f"experiment.backend={told.get('backend', 'spring')}",
        f"experiment.num_seeds={told.get('num_seeds', 20)}",
        f"experiment.steps={max_steps}",
        f"experiment.learning_starts={told.get('start_training', 1000)}",
        f"experiment.eval_interval={max_steps}",
        "experiment.checkpoint=false",
        "use_wandb=false",
        *([] if "results_dir" not in told else [f"results_dir={told['results_dir']}"]),
        *([] if preset == "local_default" else [f"job_config={preset}"]),
        *on,
    ]
    counts = []
    for algorithm in told.get("algorithms", ("td3",)):
        for task in told.get("tasks", ("inverted_pendulum",)):
            for scale in told.get("scales", (2**0.5, 0.01)):
                name = (
                    f"{told.get('name', 'dead')}_{algorithm}_{settings.short(task)}_{f'{scale:.3g}'.replace('+', '')}"
                )
                words = ["run_algorithm", f"run_name={name}", f"experiment=train_{algorithm}"]
                words += [f"experiment.env={task}", f"experiment.final_fc_init_scale={scale!r}", *shared]
                trained = name if preset == "local_default" else f"{name}_0"
                counts.append(Count(algorithm, task, scale, trained, tuple(words)))
    return counts


def row(run: storage.Run, count: Count) -> list[str]:
    """One training as a row of the table."""
    dead = run.record.get("dead") or {}
    low, high = wilson(len(dead) / run.num_seeds, run.num_seeds)
    return [
        count.algorithm,
        f"{settings.short(count.task)} ({run.record['environment']['backend']})",
        f"{count.scale:.3g}",
        str(run.num_seeds),
        page.steps_told(run.record),
        str(len(dead)),
        tables.with_interval(len(dead) / run.num_seeds, low, high, ".2f"),
        ", ".join(map(str, sorted(dead.values()))),
        str(len(run.record.get("diverged") or {})),
    ]
