"""What a job tells while it runs, and whom: the contract of trackers, and the one that keeps nothing.

Knows names of metrics; knows no file, no service and nothing of what is trained.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from numpy.typing import ArrayLike

STEP_METRIC = "env_step"
"""The metric that is the horizontal axis of every other one."""

_OF_SEED = re.compile(r"seed([0-9]+)/(.+)", re.DOTALL)

_NOT_IN_FILES = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Told:
    """What trackers are told of a job before it begins."""

    name: str
    """What the job is called: as its run, where it makes one."""
    directory: Path
    """The run folder, below which everything is written."""
    job_type: str
    config: Mapping[str, Any]
    group: str | None = None
    run_id: str | None = None
    """Where the job goes on: that of its tracker before."""
    makes_run: bool = True
    """Whether it made the run folder, and is not one of many studies of it."""
    seeds: tuple[int, ...] = ()
    """Of which it tells under `seed{k}/` each."""
    seed: int | None = None
    """The one that all metrics without such a prefix are of, if there is one."""
    in_order: bool = True
    """Whether a job that is run again tells again all from some step on, and so replaces what was told from there on;
    else only what it tells under the same name at the same step."""

    @property
    def file_name(self) -> str:
        """The name as one of a file or folder."""
        return _NOT_IN_FILES.sub("-", self.name)[:200]


def split_seed(name: str) -> tuple[int | None, str]:
    """The seed that a metric is of, and what it is called without it: `seed3/return` is `return` of 3."""
    match = _OF_SEED.fullmatch(name)
    return (int(match[1]), match[2]) if match else (None, name)


class Tracker(Protocol):
    """Takes what a job has to tell while it runs; no method raises because of where it is sent."""

    run_id: str | None
    """The id under which the same run is continued; None where nothing is recorded."""
    where: Mapping[str, str]
    """One line for the user by the name of what records: an address, a file, or a command that shows or uploads it."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Records `metrics` at environment step `step`; steps may repeat or come out of order, values may be nan."""

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Records the distribution of `values` (any shape) at environment step `step`."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Sets numbers or words that describe the whole run."""

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Records files that the run has written, as one named and typed set."""

    def finish(self, error: BaseException | None = None) -> None:
        """Ends the recording; nothing is taken afterwards. `error` is what ended the job, if it has not come to its
        end: a request to stop leaves the run as one that will go on, anything else as one that failed."""


class SilentTracker:
    """Takes everything and keeps nothing."""

    run_id: str | None = None
    where: Mapping[str, str] = MappingProxyType({"wandb": "not recorded"})

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Does nothing."""

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Does nothing."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Does nothing."""

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Does nothing."""

    def finish(self, error: BaseException | None = None) -> None:
        """Does nothing."""


class Forgiving:
    """Another tracker, of which no failure reaches the job: one line on stderr says what is no longer recorded."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker: Tracker | None = tracker
        self.run_id = tracker.run_id
        self.where = tracker.where

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._tell("log", metrics, step)

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        self._tell("histogram", name, values, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._tell("summary", values)

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        self._tell("artifact", name, type, list(paths))

    def finish(self, error: BaseException | None = None) -> None:
        self._tell("finish", error)
        self._tracker = None

    def _tell(self, what: str, *arguments: Any) -> None:
        if self._tracker is None:
            return
        tracker = self._tracker
        try:
            getattr(tracker, what)(*arguments)
        except Exception as error:  # a disk that is full, a damaged file: hours of training are worth more
            self._tracker = None
            with suppress(Exception):
                tracker.finish(error)
            warn(f"{', '.join(self.where)} no longer records this run ({what}: {one_line(error)}); the job goes on")


class Several:
    """All of several trackers at once."""

    def __init__(self, trackers: Iterable[Tracker]) -> None:
        self._trackers = list(trackers)
        ids = [tracker.run_id for tracker in self._trackers if tracker.run_id is not None]
        self.run_id: str | None = ids[0] if ids else None
        self.where: Mapping[str, str] = {name: told for each in self._trackers for name, told in each.where.items()}

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        for tracker in self._trackers:
            tracker.log(metrics, step)

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        for tracker in self._trackers:
            tracker.histogram(name, values, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        for tracker in self._trackers:
            tracker.summary(values)

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        files = list(paths)
        for tracker in self._trackers:
            tracker.artifact(name, type, files)

    def finish(self, error: BaseException | None = None) -> None:
        for tracker in self._trackers:
            tracker.finish(error)


def one_line(error: Exception) -> str:
    """What it says, without its line ends; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def warn(message: str) -> None:
    """Prints one line on stderr."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
