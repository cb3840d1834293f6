"""Test episodes of stored policies of one run, by their mode and by what is drawn from them, and how they are told.

Knows the measurement of distributions and the statistics of few seeds; knows no experiment and no algorithm.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval_policy.distributions import Distributions, Measured, Wanted, measure_all
from landscapes import console, storage
from landscapes.config.job import Job
from landscapes.jobs.closing import print_end
from landscapes.jobs.pace import Pace, Program, of_measuring
from landscapes.jobs.tracker import job_tracker, print_tracking, tracked_measurement
from landscapes.statistics import tables
from landscapes.statistics.corrected import mean_of_groups
from landscapes.studies import measurement
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment


class Episodes:
    """The tests of one job, ready to run."""

    def __init__(
        self, job: Job, stored: storage.Run, wanted: Sequence[Wanted], made: tuple[Environment, Agent]
    ) -> None:
        """One of `wanted` for each way to act, otherwise the same; raises UserError for what does not fit `made`."""
        self._job, self._stored, self._wanted = job, stored, wanted[0]
        self._parts = [Distributions(job, stored, each, made) for each in wanted]

    def run(self, name: str) -> None:
        """Tests all, policy by policy, shows and logs it under this name, and prints the files."""
        wanted, stored = self._wanted, self._stored
        pace = self._pace()
        self._print_plan(pace)
        tracked = tracked_measurement(name, self._job.kind, stored, wanted.seeds)
        print_tracking(self._job, stored.path, tracked)
        if self._job.dry_run:
            return
        tracker = job_tracker(self._job, stored, tracked)
        try:
            found, files = self._measure(tracker, pace)
            tracker.artifact(f"{stored.name}-test", "returns", files)
        except BaseException as error:
            tracker.finish(error)
            raise
        tracker.finish()
        self._print_policies(found)
        if len(wanted.seeds) > 1:
            self._print_seeds(found)
        print_end(files, tracker)

    def _measure(self, tracker: Tracker, pace: Pace) -> tuple[list[Measured], list[Path]]:
        found: list[Measured] = []

        def told(one: Measured) -> None:
            found.append(one)
            if one.is_new:
                self._log(tracker, one)

        return found, measure_all(self._parts, "test episodes", pace, told)

    def _pace(self) -> Pace:
        kinds = "+".join(part.wanted.kind for part in self._parts)
        program = Program(kinds, self._wanted.episode_length, self._parts[0].program_shape)
        return of_measuring("test", self._stored, program, "episodes")

    def _print_plan(self, pace: Pace) -> None:
        wanted = self._wanted
        of_policy = wanted.num_samples * len(self._parts)
        episodes = of_policy * len(wanted.policies)
        done = sum(part.num_found for part in self._parts) * wanted.num_samples
        acting = " and ".join(_acting(part.wanted.kind) for part in self._parts)
        console.print_plan(
            f"Test episodes of {self._stored.name}, seed{'s' if len(wanted.seeds) > 1 else ''} "
            f"{', '.join(map(str, wanted.seeds))}",
            {
                "acting": f"{acting}, {wanted.num_samples} episodes each, from the same starts",
                "checkpoints": wanted.checkpoints_told(),
                "episodes": f"{console.human_count(episodes)} in all",
                "environment steps": f"at most {console.human_count(episodes * wanted.episode_length)}",
                "side by side": measurement.side_by_side(self._parts[0].program_shape),
                "time": pace.told(episodes - done),
            },
        )

    def _log(self, tracker: Tracker, one: Measured) -> None:
        of_seed = f"seed{one.seed}/" if len(self._wanted.seeds) > 1 else ""
        returns, lengths = one.purd.returns, one.purd.lengths
        metrics = {"test return": np.mean(returns, dtype=np.float64), "test length": np.mean(lengths, dtype=np.float64)}
        named = {f"{of_seed}{name} ({_acting(one.kind)})": float(value) for name, value in metrics.items()}
        tracker.log(named, one.step)
        if np.isfinite(returns).all():
            tracker.histogram(f"{of_seed}test returns ({_acting(one.kind)})", returns, one.step)

    def _print_policies(self, found: Sequence[Measured]) -> None:
        best = {seed: one.step for seed, one in storage.best_checkpoints(self._stored).items()}
        rows = [
            [
                one.seed,
                f"{one.step}{' (best)' if best.get(one.seed) == one.step else ''}",
                _acting(one.kind),
                *tables.episode_cells(tables.episode_summary(one.purd.returns, one.purd.lengths)),
            ]
            for one in found
        ]
        title = f"{self._stored.name}: {self._wanted.num_samples} test episodes, 95 % intervals over episodes"
        console.print_table(title, ["seed", "checkpoint", "acting", *tables.episode_columns()], rows)

    def _print_seeds(self, found: Sequence[Measured]) -> None:
        """Means over seeds with Student's interval, as each seed has its own luck; of policies that stand for each
        other: those of the same step, or the one chosen of each seed."""
        one_each = len(self._wanted.policies) == len(self._wanted.seeds)
        groups: dict[tuple[object, str], list[Measured]] = {}
        for one in found:
            groups.setdefault((0 if one_each else one.step, one.kind), []).append(one)
        rows = []
        for (_, kind), of_group in groups.items():
            means = [float(np.mean(one.purd.returns, dtype=np.float64)) for one in of_group]
            mean = mean_of_groups(means, [one.seed for one in of_group])
            interval = "" if np.isnan(mean.low) else f" ({mean.low:.1f} .. {mean.high:.1f})"
            length = float(np.mean([np.mean(one.purd.lengths, dtype=np.float64) for one in of_group]))
            steps = sorted({one.step for one in of_group})
            shown = str(steps[0]) if len(steps) == 1 else f"{steps[0]} .. {steps[-1]}"
            rows.append([shown, _acting(kind), len(of_group), f"{mean.value:.1f}{interval}", f"{length:.1f}"])
        columns = ["checkpoint", "acting", "seeds", "mean", "length"]
        console.print_table(f"{self._stored.name}: means over seeds, Student's 95 % intervals", columns, rows)


def _acting(kind: str) -> str:
    return storage.TEST_KINDS[kind]
