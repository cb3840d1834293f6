"""Distributions of returns in the neighbourhoods of stored policies of one run, in one process that compiles once.

Knows the measurement of distributions and how their numbers are told; knows no experiment, no algorithm and no maths.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval_policy.distributions import Distributions, Measured, Wanted, measure_all
from landscapes import console, statistics, storage
from landscapes.config.job import Job
from landscapes.figures import purd_histograms
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import job_tracker, print_tracking, tracked_measurement
from landscapes.statistics import tables
from landscapes.studies import measurement
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment


class Purds:
    """The measurement of one job, ready to run."""

    def __init__(self, job: Job, stored: storage.Run, wanted: Wanted, made: tuple[Environment, Agent]) -> None:
        """`made` are the run's environment, of the wanted episode length, and its agent in it.

        Raises UserError for what does not fit them, before anything is measured.
        """
        self._job, self._stored, self._wanted = job, stored, wanted
        self._distributions = Distributions(job, stored, wanted, made)

    def run(self, name: str) -> None:
        """Measures all, policy by policy, shows and logs it under this name, and prints the files."""
        wanted, stored = self._wanted, self._stored
        pace = self._pace()
        self._print_plan(pace)
        tracked = tracked_measurement(name, self._job.kind, stored, wanted.seeds)
        print_tracking(self._job, stored.path, tracked)
        if self._job.dry_run:
            return
        tracker = job_tracker(self._job, stored, tracked)
        try:
            table, files = self._measure(tracker, pace)
            figures = [self._figure(seed) for seed in wanted.seeds]
            files = [*files, *figures]
            of_seed = f"-s{wanted.seeds[0]}" if len(wanted.seeds) == 1 else ""
            tracker.artifact(f"{stored.name}{of_seed}-{wanted.kind}", "returns", files)
        except BaseException as error:
            tracker.finish(error)
            raise
        tracker.finish()
        seeds = ", ".join(map(str, wanted.seeds))
        title = f"{stored.name}, seed{'s' if len(wanted.seeds) > 1 else ''} {seeds}: returns under {wanted.kind}"
        console.print_table(
            f"{title}, {wanted.num_samples} samples, 95 % intervals",
            [*(["seed"] if len(wanted.seeds) > 1 else []), "checkpoint", "amount", *tables.purd_columns(0.1)],
            table,
        )
        print_end(files, tracker)

    def _measure(self, tracker: Tracker, pace: Pace) -> tuple[list[Sequence[object]], list[Path]]:
        table: list[Sequence[object]] = []

        def told(one: Measured) -> None:
            if one.is_new:
                self._log(tracker, one.seed, one.step, one.amount, one.purd.returns)
            summary = statistics.summarize(one.purd.returns)
            of_seed = [one.seed] if len(self._wanted.seeds) > 1 else []
            table.append([*of_seed, one.step, storage.amount_name(one.amount), *tables.purd_cells(summary)])

        files = measure_all([self._distributions], f"PURD ({self._wanted.kind})", pace, told)
        return table, files

    def _pace(self) -> Pace:
        wanted, shape = self._wanted, self._distributions.program_shape
        return of_measuring("purd", self._stored, Program(wanted.kind, wanted.episode_length, shape), "samples")

    def _print_plan(self, pace: Pace) -> None:
        wanted = self._wanted
        samples = wanted.num_distributions * wanted.num_samples
        seeds = ", ".join(map(str, wanted.seeds))
        shape = self._distributions.program_shape
        console.print_plan(
            f"Returns in the neighbourhood of {self._stored.name}, seed{'s' if len(wanted.seeds) > 1 else ''} {seeds}",
            {
                "neighbourhood": f"{wanted.kind}, amounts {', '.join(map(storage.amount_name, wanted.amounts))}",
                "checkpoints": wanted.checkpoints_told(),
                "samples": f"{wanted.num_samples} each, {console.human_count(samples)} in all",
                "environment steps": f"at most {console.human_count(samples * wanted.episode_length)} in roll-outs",
                "side by side": measurement.side_by_side(shape),
                "time": pace.told(samples - self._distributions.num_found * wanted.num_samples),
            },
        )

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

    def _log(self, tracker: Tracker, seed: int, step: int, amount: float | None, returns: np.ndarray) -> None:
        of_seed = f"seed{seed}/" if len(self._wanted.seeds) > 1 else ""
        label, summary = storage.amount_name(amount), statistics.summarize(returns)
        names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR", "std": "PURD std"}
        tracker.log({f"{of_seed}{shown} ({label})": summary[name] for name, shown in names.items()}, step)
        if np.isfinite(returns).all():
            tracker.histogram(f"{of_seed}PURD ({label})", returns, step)
