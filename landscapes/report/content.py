"""What the page says, gathered from the files of its runs.

Knows which parts a page has; leaves reading, drawing, words and numbers to the modules that it calls.
"""

from collections.abc import Sequence
from typing import NamedTuple

from landscapes import storage
from landscapes.figures.gallery import Source
from landscapes.report.facts import About, Table, about, make_tables
from landscapes.report.gaps import Gap, unrecorded, unrecorded_pairs
from landscapes.report.pictures import Picture, draw
from landscapes.report.rollouts import Recorded, read_recorded
from landscapes.report.stages import Stages, make_stages
from landscapes.runs import numbers


class Content(NamedTuple):
    """All that the page shows."""

    about: Sequence[About]
    stages: Stages
    pictures: Sequence[Picture]
    tables: Sequence[Table]
    missing: Sequence[Gap]


def gather(runs: Sequence[storage.Run], results_dir: str | None = None) -> Content:
    """What there is to show of these runs; raises nothing for what is missing or damaged.

    `results_dir` is written into the commands that would make what is missing.
    """
    found = [storage.find_measurements(run) for run in runs]
    told = [numbers.read_numbers(run, each) for run, each in zip(runs, found, strict=True)]
    problems = [line for each in told for line in each.problems]
    recorded: list[Recorded] = []
    for each in found:
        of_run, left_out = read_recorded(each)
        recorded += of_run
        problems += left_out
    pictures, undrawn = draw([Source(run, each) for run, each in zip(runs, found, strict=True)], results_dir)
    gaps = [gap for each in told for gap in unrecorded(each, results_dir)]
    if recorded:
        gaps += unrecorded_pairs(told, [one.purd for one in recorded if not one.is_test], results_dir)
    return Content(
        about=[about(each.run, each.best) for each in told],
        stages=make_stages(recorded),
        pictures=pictures,
        tables=make_tables(told, recorded),
        missing=[*map(Gap, problems), *gaps, *undrawn],
    )
