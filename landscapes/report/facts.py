"""The tables of the page, and the facts about each run.

Knows what was summarised of runs and how a reader is told; knows nothing of HTML, and defines no statistic.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from landscapes import storage
from landscapes.console import human_count
from landscapes.report.rollouts import Recorded
from landscapes.report.stages import end_of, name_of
from landscapes.runs import listing, numbers
from landscapes.statistics import tables

ALPHA = 0.1

_NUMBER = re.compile(r"[-+]?[0-9]|nan|-?inf")


class Table(NamedTuple):
    """A title, names of columns, and rows of cells."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def of_numbers(self) -> set[int]:
        """The columns in which every cell begins as a number does."""
        return {index for index in range(len(self.columns)) if all(_NUMBER.match(str(row[index])) for row in self.rows)}


class About(NamedTuple):
    """One run: the facts that a reader wants first, and all settings as JSON text."""

    name: str
    facts: Sequence[tuple[str, str]]
    settings: str


def make_tables(told: Sequence[numbers.Numbers], recorded: Sequence[Recorded]) -> list[Table]:
    """Every table that has a row."""
    all_tables = (_final(told), _tests(told), _purds(told), _walks(told), _recorded(recorded))
    return [table for table in all_tables if table.rows]


def about(run: storage.Run, best: Mapping[int, storage.Best]) -> About:
    """What `run.json` says of the run, and the best checkpoint of each seed."""
    record = run.record
    steps = storage.find_result_files(run).checkpoints
    names = ("algorithm", "environment", "seeds", "steps")
    facts = dict(zip(names, listing.identity(run, steps)[1:], strict=True))
    facts["checkpoints"] = ", ".join(map(human_count, steps)) or "none"
    facts["best checkpoints"] = ", ".join(
        f"seed {seed} at {human_count(one.step)} (return {one.mean_return:,.1f})" for seed, one in best.items()
    )
    facts["status"] = str(record.get("status", ""))
    facts["random seed"] = str(record.get("random_seed", ""))
    facts["began at"] = listing.parent(record)
    git = record.get("git") or {}
    facts["source"] = str(git.get("commit") or "") + (", changed since" if git.get("dirty") else "")
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in (record.get("versions") or {}).items())
    facts["machine"] = ", ".join(str(value) for value in (record.get("machine") or {}).values())
    settings = json.dumps(record.get("config") or {}, indent=2)
    return About(run.name, [fact for fact in facts.items() if fact[1]], settings)


def _final(told: Iterable[numbers.Numbers]) -> Table:
    rows = [
        [
            *listing.identity(x.run, storage.find_result_files(x.run).checkpoints),
            human_count(last.step),
            _iqm(last),
            _lowest_highest(last),
        ]
        for x in told
        if (last := x.final) is not None
    ]
    columns = [*listing.COLUMNS[:5], "last evaluation", "IQM over seeds (95 % interval)", "lowest .. highest seed"]
    return Table("Return at the end of training", columns, rows)


def _iqm(x: numbers.Evaluation) -> str:
    return tables.with_interval(x.iqm, x.low, x.high, ",.1f")


def _lowest_highest(x: numbers.Evaluation) -> str:
    return f"{x.lowest:,.1f} .. {x.highest:,.1f}"


def _purds(told: Iterable[numbers.Numbers]) -> Table:
    rows = [
        [
            f"{p.run}, seed {p.seed}, {human_count(p.step)} steps",
            f"{x.record.kind} {x.record.amount}",
            x.record.num_samples,
            *tables.purd_cells(x.summary),
        ]
        for each in told
        for x in each.purds
        if (p := x.record.policy)
    ]
    columns = ["policy", "neighbourhood", "samples", *tables.purd_columns(ALPHA)]
    return Table("Returns in the neighbourhood of stored policies (PURDs), 95 % bootstrap intervals", columns, rows)


def _tests(told: Iterable[numbers.Numbers]) -> Table:
    rows = [
        [
            f"{p.run}, seed {p.seed}, {human_count(p.step)} steps",
            x.acting,
            x.record.amount,
            x.record.num_samples,
            *tables.episode_cells(x.summary),
        ]
        for each in told
        for x in each.tests
        if (p := x.record.policy)
    ]
    columns = ["policy", "acting", "start noise", "episodes", *tables.episode_columns()]
    return Table("Test episodes, 95 % bootstrap intervals over episodes", columns, rows)


def _walks(told: Iterable[numbers.Numbers]) -> Table:
    rows = [
        [
            f"{w.root.run}, seed {w.root.seed}, {human_count(w.root.step)} steps: {w.heuristic}",
            name,
            f"{walk.num_accepted} of {walk.num_proposals}",
            *tables.purd_cells(summary),
        ]
        for each in told
        for walk in each.walks
        for name, summary in walk.fresh.items()
        if (w := walk.record)
    ]
    columns = ["walk from", "policy", "accepted", *tables.purd_columns(ALPHA)]
    return Table("Rejection: fresh samples, which decided nothing, 95 % bootstrap intervals", columns, rows)


def _recorded(recorded: Iterable[Recorded]) -> Table:
    rows = [
        [one.title, name_of(role, x), x.sample, f"{x.recorded_return:,.2f}", f"{x.stored_return:,.2f}", end_of(x)]
        for one in recorded
        for role, rollouts in (("median", one.median), ("left_tail", one.left_tail))
        for x in rollouts
    ]
    columns = ["neighbourhood of", "roll-out", "sample", "return", "as measured", "end"]
    return Table("Recorded roll-outs", columns, rows)
