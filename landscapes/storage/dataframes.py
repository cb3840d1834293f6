"""Results as pandas data frames: `landscapes.to_dataframe(runs, kind)`, and the method of that name of every record.

Knows pandas, which is imported only when a frame is asked for; what the columns are is said in `tables.KINDS`.
"""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscapes.errors import UserError
from landscapes.machine.folders import results_directory
from landscapes.storage.measurements import find_measurements
from landscapes.storage.records import Measurements
from landscapes.storage.runs import Run, open_run
from landscapes.storage.tables import KINDS, read_table, read_tables
from landscapes.storage.tabulation import Table

if TYPE_CHECKING:
    import pandas


def to_dataframe(
    runs: str | Run | Sequence[str | Run], kind: str, results_dir: str | Path | None = None
) -> "pandas.DataFrame":
    """All results of one kind of one run or several, one number or few in a row.

    Args: runs: names, or runs that are open; kind: one of `tables.KINDS`; results_dir: as the key of that name. The
    frame's `attrs["columns"]` say what each column holds, and its unit. It has no rows where nothing is stored. Warns
    of files that are damaged, and raises UserError for a run or kind that there is not, ModuleNotFoundError without
    pandas.
    """
    several = [runs] if isinstance(runs, str | Run) else runs
    results = results_directory(None if results_dir is None else str(results_dir))
    opened = [run if isinstance(run, Run) else open_run(results, run, "runs") for run in several]
    return measurements_frame([find_measurements(run) for run in opened], kind)


def measurements_frame(several: Iterable[Measurements], kind: str) -> "pandas.DataFrame":
    """All of one kind that was found; warns and raises as `to_dataframe`."""
    check_kind("kind", kind)
    tables: list[Table] = []
    problems: list[str] = []
    for found in several:
        problems += found.unreadable
        tables += read_tables(found, kind, problems.append)
    for line in problems:
        warnings.warn(f"left out: {line}", stacklevel=3)
    return _frame(tables, kind)


def record_frame(record: Any, kind: str) -> "pandas.DataFrame":
    """One record; raises as `to_dataframe`."""
    check_kind("kind", kind)
    if not isinstance(record, KINDS[kind].record):
        own = [name for name, each in KINDS.items() if isinstance(record, each.record)]
        raise UserError("kind", kind, f"a {type(record).__name__} has {', '.join(own)}")
    return _frame([read_table(record, kind)], kind)


def check_kind(key: str, kind: str) -> None:
    """Raises UserError under `key` unless there is such a kind."""
    if kind not in KINDS:
        raise UserError(key, kind, f"must be one of {', '.join(KINDS)}")


def _frame(tables: Sequence[Table], kind: str) -> "pandas.DataFrame":
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("data frames need pandas: pip install pandas") from error
    frames = [pandas.DataFrame(table.columns, index=range(table.num_rows)) for table in tables if table.num_rows]
    frame = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame(columns=list(KINDS[kind].columns))
    frame.attrs["columns"] = dict(KINDS[kind].columns)
    return frame
