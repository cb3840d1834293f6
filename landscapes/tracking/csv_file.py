"""Metrics as one tidy CSV file in the run folder: a row for each number, with the columns step, seed, name and value.

Knows CSV and how metrics name their seed; knows nothing of what they are.
"""

import csv
import io
import os
from collections.abc import Collection, Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from landscapes.tracking.local_files import replace_whole
from landscapes.tracking.tracker import Told, split_seed

COLUMNS = ("step", "seed", "name", "value")
"""Of the file; `seed` is empty for what is of no one seed, `step` for what describes the whole job."""

_Key = tuple[str, str, str]


def csv_path(told: Told) -> Path:
    """Where the file of a job lies: `metrics.csv`, of a study of a run `metrics_{what it is called}.csv`."""
    return told.directory / ("metrics.csv" if told.makes_run else f"metrics_{told.file_name}.csv")


class CsvTracker:
    """Appends to the file; its methods raise OSError where that fails, so put it into a `Forgiving` one.

    A row that is told again takes the place of the one before. Histograms are not in it.
    """

    def __init__(self, told: Told) -> None:
        self._path = csv_path(told)
        self._seed, self._in_order = told.seed, told.in_order
        self._begun = False
        self._present: set[_Key] | None = None
        """Steps, seeds and names that are in the file; None before it was looked at."""
        self.run_id: str | None = None
        self.where: Mapping[str, str] = {"csv": str(self._path)}

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        if self._in_order and not self._begun:
            self._look(from_step=int(step))
        self._begun = True
        self._add([(*self._key(name, str(int(step))), float(value)) for name, value in metrics.items()])

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Does nothing: what it shows is in the result files."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Numbers only: words would make another column of `value`."""
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, Real)}
        self._add([(*self._key(name, ""), value) for name, value in numbers.items()])

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Does nothing."""

    def finish(self, error: BaseException | None = None) -> None:
        """Does nothing: every row is on disk as soon as it is told."""

    def _key(self, name: str, step: str) -> _Key:
        seed, plain = split_seed(name)
        seed = self._seed if seed is None else seed
        return step, "" if seed is None else str(seed), plain

    def _add(self, rows: list[tuple[str, str, str, float]]) -> None:
        present = self._look() if self._present is None else self._present
        keys = {row[:3] for row in rows}
        if keys & present:
            present = self._look(without=keys)
        self._present = present | keys
        # One write to a file that is only ever appended to: rows of jobs that run at the same time stay whole.
        data = _text(rows).encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def _look(self, from_step: int | None = None, without: Collection[_Key] = ()) -> set[_Key]:
        """What the file holds by now, from which the rows of `from_step` on and those of `without` are removed."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        kept = [
            row
            for row in _rows(text)
            if tuple(row[:3]) not in without and (from_step is None or not row[0] or int(row[0]) < from_step)
        ]
        whole = _text([COLUMNS, *kept])
        if text != whole:  # new, longer, or ended within a row
            replace_whole(self._path, whole.encode())
        self._present = {(row[0], row[1], row[2]) for row in kept}
        return self._present


def _rows(text: str) -> list[list[str]]:
    """The whole rows of a file, without its header and without a last line that has no end."""
    rows = csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    return [row for row in rows if len(row) == len(COLUMNS) and (row[0].lstrip("-").isdecimal() or not row[0])]


def _text(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
