"""What is printed once: a plan, a table, the files that were written, what went wrong.

Knows text only; decides nothing.
"""

import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from landscapes.console.lines import console_on, print_lines
from landscapes.console.quantities import human_count

_LISTED_FILES = 12
"""Up to so many files are shown one a line."""

_NUMBERED = re.compile(r"(?P<start>.*?_)(?P<number>\d+(?:_\d+)*)(?P<end>\.\w+)")


def print_plan(title: str, rows: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Prints what a job is about to do: `title`, then one line for each of `rows`."""
    width = max(map(len, rows), default=0)
    lines = (Text(f"  {name:<{width}}  {value}") for name, value in rows.items())
    print_lines(console_on(stream), Text(title, style="bold"), *lines)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], stream: TextIO | None = None
) -> None:
    """Prints `rows`, each with one entry for every one of `columns`; columns of numbers only are set to the right."""
    cells = [[str(entry) for entry in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        right = bool(cells) and all(_is_number(row[index]) for row in cells)
        table.add_column(Text(column), justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(entry) for entry in row))
    print_lines(console_on(stream), Text(title, style="bold"), table)


def print_files(paths: Iterable[Path], stream: TextIO | None = None) -> None:
    """Prints the path of every file written; raises nothing for none.

    More than 12 are grouped: files of one folder that differ only in a number share a line, as a pattern that a shell
    expands to all of them, after how many there are: `2 x results/calm/seed0/ckpt_{50000,150000}.h5`.
    """
    listed = list(dict.fromkeys(Path(path) for path in paths))
    if not listed:
        return
    if len(listed) <= _LISTED_FILES:
        lines = [str(path) for path in listed]
    else:
        groups = _grouped(listed)
        width = len(str(max(map(len, groups))))
        lines = [f"{len(group):>{width}} x {_pattern(group)}" for group in groups]
    total = "1 file" if len(listed) == 1 else f"{human_count(len(listed))} files"
    print_lines(console_on(stream), Text(f"Wrote {total}", style="bold"), *(Text(f"  {line}") for line in lines))


def one_line_error(error: BaseException, stream: TextIO | None = None) -> None:
    """Prints what went wrong on one line, to stderr unless told otherwise; without a message, the error's kind."""
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"error: {message}", file=stream or sys.stderr, flush=True)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True


def _grouped(paths: list[Path]) -> list[list[Path]]:
    """`paths` in groups that differ only in the number in their names, in the order of each group's first."""
    groups: dict[object, list[Path]] = defaultdict(list)
    for path in paths:
        match = _NUMBERED.fullmatch(path.name)
        groups[(path.parent, match["start"], match["end"]) if match else path].append(path)
    return list(groups.values())


def _pattern(group: list[Path]) -> str:
    """One path, or the shell pattern of several."""
    if len(group) == 1:
        return shlex.quote(str(group[0]))
    matches = [match for path in group if (match := _NUMBERED.fullmatch(path.name))]
    numbers = ",".join(match["number"] for match in matches)
    return f"{shlex.quote(str(group[0].parent / matches[0]['start']))}{{{numbers}}}{matches[0]['end']}"
