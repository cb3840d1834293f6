"""How the jobs of a published experiment are launched: under which names, where, by which scheduler.

Knows the keys that every such command has; knows no experiment and no key of a job's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscapes.machine.folders import results_directory
from landscapes.stages import reading
from landscapes.stages.running import RunCommands, Stage, run_stages, show

KEYS: dict[str, reading.Read] = {
    "name": reading.run_name,
    "results_dir": reading.text,
    "job_config": reading.preset,
    "use_wandb": reading.truth,
    "dry_run": reading.truth,
}


@dataclass(frozen=True)
class Launch:
    """As it was asked for."""

    name: str
    """What the names of runs begin with."""
    results_dir: str | None
    job_config: str
    use_wandb: bool
    dry_run: bool
    given_on: tuple[str, ...]
    """Words that every job is given as they are."""

    @property
    def results(self) -> Path:
        return results_directory(self.results_dir)

    @property
    def side_by_side(self) -> bool:
        """Whether the commands of a stage are started together: where a scheduler runs them."""
        return not self.job_config.startswith("local_")

    @property
    def is_default_preset(self) -> bool:
        return self.job_config == "local_default"

    def job_words(self, typed: Callable[[str, str], str]) -> list[str]:
        """What every job is told; `typed(key, text)` is the word for a setting."""
        words = [] if self.use_wandb else ["use_wandb=false"]
        words += [] if self.results_dir is None else [typed("results_dir", self.results_dir)]
        words += [] if self.is_default_preset else [f"job_config={self.job_config}"]
        return [*words, *self.given_on]

    @property
    def elsewhere(self) -> list[str]:
        """What a command that reads results is told of where they are."""
        return [] if self.results_dir is None else ["--results-dir", self.results_dir]

    def go(self, stages: Sequence[Stage], run: RunCommands) -> int:
        """Runs all stages, or shows them where no more was asked for; an exit code."""
        if self.dry_run:
            for stage in stages:
                show(stage)
            return 0
        return run_stages(stages, run, self.side_by_side)


def make_launch(told: Mapping[str, Any], name: str, given_on: Sequence[str]) -> Launch:
    """From the values of `KEYS` that were told; `name` is that of runs where it was not."""
    return Launch(
        name=told.get("name", name),
        results_dir=told.get("results_dir"),
        job_config=told.get("job_config", "local_default"),
        use_wandb=told.get("use_wandb", False),
        dry_run=told.get("dry_run", False),
        given_on=tuple(given_on),
    )
