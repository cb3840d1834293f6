"""Tables of results written as CSV: one file for each kind, with a header, whole or not at all.

Knows CSV and where files go; knows nothing of what the numbers are.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from landscapes import storage
from landscapes.errors import UserError
from landscapes.storage.files import write_whole
from landscapes.storage.tables import KINDS, read_tables

Row = tuple[Any, ...]


def write_tables(
    found: Sequence[storage.Measurements], folder: Path, kinds: Iterable[str], key: str
) -> tuple[list[Path], list[str]]:
    """Writes `folder`/{kind}.csv for each of `kinds` of which anything was found; answers with the files, and one line
    for each result file that is damaged.

    Values are those of the result files, in full: what is read back is equal. Raises UserError under `key` where a file
    cannot be written.
    """
    written, problems = [], [line for each in found for line in each.unreadable]
    for kind in kinds:
        rows = _rows(found, kind, problems)
        first = next(rows, None)
        if first is not None:
            written.append(
                _write(folder / f"{kind}.csv", tuple(KINDS[kind].columns), itertools.chain([first], rows), key)
            )
    return written, list(dict.fromkeys(problems))


def _rows(found: Sequence[storage.Measurements], kind: str, problems: list[str]) -> Iterator[Row]:
    for of_run in found:
        for table in read_tables(of_run, kind, problems.append):
            yield from table.rows()


def _write(path: Path, header: Row, rows: Iterator[Row], key: str) -> Path:
    storage.Output(key, path)  # raises where nothing can be written

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    try:
        return write_whole(path, fill)
    except UserError as error:
        raise UserError(key, path, error.allowed) if error.value == path else error from error
