"""One run of wandb for each seed, in one group, each with plain names of metrics: what its grouped plots expect.

Knows how metrics name their seed; knows nothing of what they are.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from numpy.typing import ArrayLike

from landscapes.tracking import wandb_tracker
from landscapes.tracking.tracker import split_seed
from landscapes.tracking.wandb_tracker import WandbTracker


class WandbSeeds:
    """Tells the run of seed k as `return` what it is told as `seed{k}/return`.

    What is of no seed (means over them, artifacts, the summary) goes to the run of the first one.
    """

    def __init__(self, trackers: Mapping[int, WandbTracker], run_id: str, group: str) -> None:
        """`run_id` is what the ids of the runs have in common."""
        self._trackers = dict(trackers)
        self._first = next(iter(self._trackers.values()))
        self.run_id: str | None = run_id
        self.where: Mapping[str, str] = {"wandb": self._told(group)}

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        by_tracker: dict[int | None, dict[str, float]] = {}
        for name, value in metrics.items():
            seed, plain = self._split(name)
            by_tracker.setdefault(seed, {})[plain] = value
        for seed, values in by_tracker.items():
            self._of(seed).log(values, step)

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        seed, plain = self._split(name)
        self._of(seed).histogram(plain, values, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._first.summary(values)

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        self._first.artifact(name, type, paths)

    def finish(self, error: BaseException | None = None) -> None:
        """All at once: the longest wait is that of a single run."""
        for tracker in self._trackers.values():
            tracker.begin_finish(error)
        deadline = time.monotonic() + wandb_tracker._FINISH_SECONDS
        for tracker in self._trackers.values():
            tracker.end_finish(deadline)

    def _of(self, seed: int | None) -> WandbTracker:
        return self._first if seed is None else self._trackers[seed]

    def _split(self, name: str) -> tuple[int | None, str]:
        seed, plain = split_seed(name)
        return (seed, plain) if seed in self._trackers else (None, name)

    def _told(self, group: str) -> str:
        """The address of the group; else the commands that upload the runs, which mostly are one."""
        told = [tracker.where["wandb"] for tracker in self._trackers.values()]
        if any(line.startswith("wandb sync ") for line in told):
            return " && ".join(dict.fromkeys(told))
        project, _, _ = told[0].rpartition("/runs/")
        return f"{project}/groups/{quote(group, safe='')}" if project else told[0]
