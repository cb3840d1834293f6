"""Test episodes of stored policies of one run, by their mode and by what is drawn from them, and how they are told.

Knows how distributions are told and the statistics of few seeds; knows no experiment and no algorithm.
"""

from collections.abc import Sequence

import numpy as np

from eval_policy.distributions import Measured, Wanted
from eval_policy.evaluation import Evaluation
from landscapes import console, storage
from landscapes.config.job import Job
from landscapes.jobs.pace import Pace
from landscapes.statistics import tables
from landscapes.statistics.corrected import mean_of_groups
from landscapes.studies import measurement
from landscapes.tracking import Tracker
from landscapes.types import Agent, Environment


class Episodes(Evaluation):
    """The tests of one job, ready to run: a distribution for each way to act."""

    name_of_pace = "test"
    unit = "episodes"

    def __init__(
        self, job: Job, stored: storage.Run, wanted: Sequence[Wanted], made: tuple[Environment, Agent]
    ) -> None:
        super().__init__(job, stored, wanted, made)
        self._found: list[Measured] = []

    @property
    def _label(self) -> str:
        return "test episodes"

    @property
    def _artifact(self) -> str:
        return f"{self._stored.name}-test"

    def _print_plan(self, pace: Pace) -> None:
        wanted, episodes = self._wanted, self._num_samples
        acting = " and ".join(_acting(part.wanted.kind) for part in self._parts)
        console.print_plan(
            f"Test episodes of {self._stored.name}, {self._seeds_told}",
            {
                "acting": f"{acting}, {wanted.num_samples} episodes each, from the same starts",
                "checkpoints": wanted.checkpoints_told(),
                "episodes": f"{console.human_count(episodes)} in all",
                "environment steps": f"at most {console.human_count(episodes * wanted.episode_length)}",
                "side by side": measurement.side_by_side(self._program_shape),
                "time": pace.told(self._num_left),
            },
        )

    def _note(self, one: Measured, tracker: Tracker) -> None:
        self._found.append(one)
        if one.is_new:
            self._log(tracker, one)

    def _log(self, tracker: Tracker, one: Measured) -> None:
        of_seed = self._of_seed(one.seed)
        returns, lengths = one.purd.returns, one.purd.lengths
        metrics = {"test return": np.mean(returns, dtype=np.float64), "test length": np.mean(lengths, dtype=np.float64)}
        named = {f"{of_seed}{name} ({_acting(one.kind)})": float(value) for name, value in metrics.items()}
        tracker.log(named, one.step)
        if np.isfinite(returns).all():
            tracker.histogram(f"{of_seed}test returns ({_acting(one.kind)})", returns, one.step)

    def _print_results(self) -> None:
        self._print_policies(self._found)
        if self._several_seeds:
            self._print_seeds(self._found)

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
            length = float(np.mean([np.mean(one.purd.lengths, dtype=np.float64) for one in of_group]))
            steps = sorted({one.step for one in of_group})
            shown = str(steps[0]) if len(steps) == 1 else f"{steps[0]} .. {steps[-1]}"
            rows.append([shown, _acting(kind), len(of_group), tables.with_interval(*mean), f"{length:.1f}"])
        columns = ["checkpoint", "acting", "seeds", "mean", "length"]
        console.print_table(f"{self._stored.name}: means over seeds, Student's 95 % intervals", columns, rows)


def _acting(kind: str) -> str:
    return storage.TEST_KINDS[kind]
