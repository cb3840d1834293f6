"""One job that measures distributions of the stored policies of a run: plan, tracker, measurement, files.

Knows the order in which these come; knows no experiment, no algorithm, no maths, and not how results are told.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from eval_policy.distributions import Distributions, Measured, Wanted, measure_all
from landscapes import storage
from landscapes.config.job import Job
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import job_tracker, print_tracking, tracked_measurement
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment


class Evaluation(ABC):
    """What is measured of the policies of one run, ready to run; those below say how it is told."""

    name_of_pace: ClassVar[str]
    unit: ClassVar[str]
    """What a sample is called."""

    def __init__(
        self, job: Job, stored: storage.Run, wanted: Sequence[Wanted], made: tuple[Environment, Agent]
    ) -> None:
        """One of `wanted` for each kind, otherwise the same. `made` are the run's environment, of the wanted episode
        length, and its agent in it.

        Raises UserError for what does not fit them, before anything is measured.
        """
        self._job, self._stored, self._wanted = job, stored, wanted[0]
        self._parts = [Distributions(job, stored, each, made) for each in wanted]

    def run(self, name: str) -> None:
        """Measures all, policy by policy, shows and logs it under this name, and prints the files."""
        stored, pace = self._stored, self._pace()
        self._print_plan(pace)
        tracked = tracked_measurement(name, self._job.kind, stored, self._wanted.seeds)
        print_tracking(self._job, stored.path, tracked)
        if self._job.dry_run:
            return
        tracker = job_tracker(self._job, stored, tracked)
        try:
            files = measure_all(self._parts, self._label, pace, lambda one: self._note(one, tracker))
            files = [*files, *self._figures()]
            tracker.artifact(self._artifact, "returns", files)
        except BaseException as error:
            tracker.finish(error)
            raise
        tracker.finish()
        self._print_results()
        print_end(files, tracker)

    @property
    def _several_seeds(self) -> bool:
        return len(self._wanted.seeds) > 1

    @property
    def _seeds_told(self) -> str:
        """Which seeds, in words."""
        return f"seed{'s' if self._several_seeds else ''} {', '.join(map(str, self._wanted.seeds))}"

    def _of_seed(self, seed: int) -> str:
        """What the names of a seed's metrics begin with."""
        return f"seed{seed}/" if self._several_seeds else ""

    @property
    def _num_samples(self) -> int:
        """Of all distributions."""
        return sum(part.wanted.num_distributions * part.wanted.num_samples for part in self._parts)

    @property
    def _num_left(self) -> int:
        """Of those, how many have not been measured before."""
        return self._num_samples - sum(part.num_found * part.wanted.num_samples for part in self._parts)

    @property
    def _program_shape(self) -> dict[str, int | str]:
        return self._parts[0].program_shape

    def _pace(self) -> Pace:
        kinds = "+".join(part.wanted.kind for part in self._parts)
        program = Program(kinds, self._wanted.episode_length, self._program_shape)
        return of_measuring(self.name_of_pace, self._stored, program, self.unit)

    @property
    @abstractmethod
    def _label(self) -> str:
        """What the progress bar is called."""

    @property
    @abstractmethod
    def _artifact(self) -> str:
        """What the tracker calls the files."""

    @abstractmethod
    def _print_plan(self, pace: Pace) -> None: ...

    @abstractmethod
    def _note(self, one: Measured, tracker: Tracker) -> None:
        """Keeps of a distribution what `_print_results` will need, and logs what was measured just now."""

    def _figures(self) -> list[Path]:
        """Draws what was measured; the files."""
        return []

    @abstractmethod
    def _print_results(self) -> None: ...
