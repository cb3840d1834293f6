"""Distributions of returns in the neighbourhoods of stored policies of one run, in one process that compiles once.

Knows how the numbers of distributions are told; knows no experiment, no algorithm and no maths.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval_policy.distributions import Measured, Wanted
from eval_policy.evaluation import Evaluation
from landscapes import console, statistics, storage
from landscapes.config.job import Job
from landscapes.figures import purd_histograms
from landscapes.jobs.pace import Pace
from landscapes.statistics import tables
from landscapes.studies import measurement
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment


class Purds(Evaluation):
    """The measurement of one job, ready to run."""

    name_of_pace = "purd"
    unit = "samples"

    def __init__(self, job: Job, stored: storage.Run, wanted: Wanted, made: tuple[Environment, Agent]) -> None:
        """As of any `Evaluation`, of one kind."""
        super().__init__(job, stored, [wanted], made)
        self._rows: list[Sequence[object]] = []

    @property
    def _label(self) -> str:
        return f"PURD ({self._wanted.kind})"

    @property
    def _artifact(self) -> str:
        of_seed = "" if self._several_seeds else f"-s{self._wanted.seeds[0]}"
        return f"{self._stored.name}{of_seed}-{self._wanted.kind}"

    def _print_plan(self, pace: Pace) -> None:
        wanted, samples = self._wanted, self._num_samples
        console.print_plan(
            f"Returns in the neighbourhood of {self._stored.name}, {self._seeds_told}",
            {
                "neighbourhood": f"{wanted.kind}, amounts {', '.join(map(storage.amount_name, wanted.amounts))}",
                "checkpoints": wanted.checkpoints_told(),
                "samples": f"{wanted.num_samples} each, {console.human_count(samples)} in all",
                "environment steps": f"at most {console.human_count(samples * wanted.episode_length)} in roll-outs",
                "side by side": measurement.side_by_side(self._program_shape),
                "time": pace.told(self._num_left),
            },
        )

    def _note(self, one: Measured, tracker: Tracker) -> None:
        if one.is_new:
            self._log(tracker, one)
        summary = statistics.summarize(one.purd.returns)
        of_seed = [one.seed] if self._several_seeds else []
        self._rows.append([*of_seed, one.step, storage.amount_name(one.amount), *tables.purd_cells(summary)])

    def _figures(self) -> list[Path]:
        return [self._figure(seed) for seed in self._wanted.seeds]

    def _figure(self, seed: int) -> Path:
        """Histograms of what was measured of a seed, one panel per amount, the checkpoints overlaid."""
        stored, wanted = self._stored, self._wanted
        panels = [
            (
                f"seed {seed}, {wanted.kind} {storage.amount_name(amount)}",
                stored.returns_path(seed, step),
                wanted.names(amount)[0],
            )
            for amount in wanted.amounts[:12]
            for step in wanted.steps(seed)
        ]
        return purd_histograms(panels, stored.seed_directory(seed) / f"purd_{wanted.kind}.png")

    def _log(self, tracker: Tracker, one: Measured) -> None:
        of_seed, returns = self._of_seed(one.seed), one.purd.returns
        label, summary = storage.amount_name(one.amount), statistics.summarize(returns)
        names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR", "std": "PURD std"}
        tracker.log({f"{of_seed}{shown} ({label})": summary[name] for name, shown in names.items()}, one.step)
        if np.isfinite(returns).all():
            tracker.histogram(f"{of_seed}PURD ({label})", returns, one.step)

    def _print_results(self) -> None:
        wanted = self._wanted
        title = f"{self._stored.name}, {self._seeds_told}: returns under {wanted.kind}"
        console.print_table(
            f"{title}, {wanted.num_samples} samples, 95 % intervals",
            [*(["seed"] if self._several_seeds else []), "checkpoint", "amount", *tables.purd_columns(0.1)],
            self._rows,
        )
