"""What a terminal or a log file shows of a job: its plan, its progress, tables, the files it wrote, its one error.

Knows text and time only; knows nothing of what is trained or measured, and decides nothing.

On a terminal this is rich's; in a pipe, a file or a SLURM log it is plain lines, whole at any width: no number and no
path is ever shortened. Everything goes to stdout except errors. Text is shown as it is: `[seed0]` is not markup.
"""

import math
import re
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 100_000
"""Columns of what is not a terminal: wider than any line, so that nothing is wrapped or cut."""
_LINE_SECONDS = 30.0
"""The least time between two plain lines of progress."""
_RATE_SECONDS = 120.0
"""For how long an interval counts in the rate of progress: its weight falls by e in this time."""
_GUESS_REPORTS, _GUESS_SECONDS, _GUESS_SHARE = 10, 5.0, 0.1
"""What the first guess rests on: so many reports over so many seconds, or this share of the work. A measurement reports
ten times in the time of its longest episode, and the short ones, which end first, say little about the others."""
_LISTED_FILES = 12
"""Up to so many files are shown one a line."""

_NUMBERED = re.compile(r"(?P<start>.*?_)(?P<number>\d+(?:_\d+)*)(?P<end>\.\w+)")


def human_bytes(count: float) -> str:
    """A number of bytes in decimal units with two or three digits: "512 B", "5.1 GB", "31 GB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000.0
    digits = 0 if unit == "B" or abs(value) >= 9.95 else 1
    return f"{value:.{digits}f} {unit}"


def human_duration(seconds: float) -> str:
    """A length of time in its two largest units: "0.4 s", "41 s", "3 min 20 s", "1 h 08 min", "2 d 03 h"."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def human_count(count: float) -> str:
    """A count, rounded to a whole number, with every digit: "1,000,000"."""
    return f"{round(count):,}"


def print_plan(title: str, rows: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Prints what a job is about to do: `title`, then one line for each of `rows`."""
    width = max(map(len, rows), default=0)
    lines = (Text(f"  {name:<{width}}  {value}") for name, value in rows.items())
    _print_lines(_console(stream), Text(title, style="bold"), *lines)


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
    _print_lines(_console(stream), Text(title, style="bold"), table)


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
    _print_lines(_console(stream), Text(f"Wrote {total}", style="bold"), *(Text(f"  {line}") for line in lines))


def one_line_error(error: BaseException, stream: TextIO | None = None) -> None:
    """Prints what went wrong on one line, to stderr unless told otherwise; without a message, the error's kind."""
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"error: {message}", file=stream or sys.stderr, flush=True)


class Progress:
    """Shows how far a job is: a live bar on a terminal, else a plain line at most every 30 s, the first and the last.

    A context manager; `advance_to` is called from the job's loop, `meanwhile` around what makes no progress, such as
    compiling, which is left out of the rate. The rate is a recent one, and neither it nor the time that is left is
    told before there is something to guess them from.
    """

    def __init__(
        self,
        description: str,
        total: int,
        enabled: bool = True,
        unit: str = "steps",
        start: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start` is what a resumed job has already done; `clock` gives seconds."""
        self._description = description
        self._total = total
        self._enabled = enabled
        self._unit = unit
        self._console = _console(stream)
        self._clock = clock
        self._done = start
        self._latest: str | None = None
        self._began = clock()
        self._rate = self._rate_from(start, self._began)
        self._line_time = self._began
        self._doing: str | None = None
        self._has_begun = False
        self._has_guessed = False
        self._shown_done: int | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._began = self._line_time = self._clock()
        self._rate = self._rate_from(self._done, self._began)
        if self._enabled and self._console.is_terminal:
            self._live = Live(get_renderable=self._bar, console=self._console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._enabled and self._shown_done != self._done:
            self._print_line()

    @property
    def worked(self) -> tuple[int, float]:
        """How many were done, and in how many seconds: without compiling, and what `begin_at` leaves out."""
        return self._rate.worked

    @property
    def elapsed(self) -> float:
        """Seconds since it was entered."""
        return self._clock() - self._began

    def advance_to(self, done: int, latest: str | None = None) -> None:
        """Notes that `done` of the total are done; `latest` is a result to show, kept until the next one."""
        now = self._clock()
        self._done = done
        self._latest = latest if latest is not None else self._latest
        self._rate.update(done, now)
        is_first = self._rate.is_known and not self._has_guessed
        self._show(is_first or done >= self._total)

    def begin_at(self, done: int) -> None:
        """Starts counting the rate anew at `done`: what came before says nothing about the rest."""
        self._done = done
        self._rate = self._rate_from(done, self._clock())
        self._show(False)

    def _show(self, now: bool) -> None:
        """A line where there is no bar, if it is wanted now or is due."""
        if self._enabled and self._live is None and (now or self._clock() - self._line_time >= _LINE_SECONDS):
            self._print_line()

    @contextmanager
    def meanwhile(self, doing: str) -> Iterator[None]:
        """Says that the job is `doing` something else ("compiling"), whose time is not that of its steps."""
        before, began, self._doing = self._doing, self._clock(), doing
        if self._enabled and self._live is None:
            self._line_time = began
            _print_lines(self._console, Text(f"{self._description}: {doing}"))
        try:
            yield
        finally:
            self._doing, now = before, self._clock()
            if self._has_begun:
                self._rate.leave_out(now - began)
            else:  # what came before the first was no work: reading what an earlier job did, or the state to begin from
                self._has_begun = True
                self._rate = self._rate_from(self._done, now)

    def _rate_from(self, done: int, now: float) -> "_RecentRate":
        return _RecentRate(done, now, self._total - done)

    def _counts(self) -> str:
        share = f"{100.0 * self._done / self._total:.1f} %" if self._total else "100.0 %"
        return f"{human_count(self._done)}/{human_count(self._total)} {self._unit} ({share})"

    def _times(self) -> list[str]:
        elapsed = f"elapsed {human_duration(self._clock() - self._began)}"
        if self._doing:
            return [self._doing, elapsed]
        if not self._rate.is_known:
            return [elapsed]
        parts = [f"{human_rate(self._rate.per_second)} {self._unit}/s", elapsed]
        if self._done < self._total:
            parts.append(f"left {human_duration(self._seconds_left())}")
        return parts

    def _seconds_left(self) -> float:
        return (self._total - self._done) / self._rate.per_second

    def _print_line(self) -> None:
        parts = [f"{self._description}: {self._counts()}", *self._times()]
        if self._rate.is_known and self._done < self._total and not self._has_guessed:
            whole = human_duration(self._clock() - self._began + self._seconds_left())
            parts.append(f"in total about {whole} (first guess, with compiling)")
            self._has_guessed = True
        if self._latest:
            parts.append(self._latest)
        self._line_time, self._shown_done = self._clock(), self._done
        _print_lines(self._console, Text(", ".join(parts)))

    def _bar(self) -> Table:
        """Two lines, so that they fit 80 columns."""
        first = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self._total, 1), completed=min(self._done, self._total), width=24)
        first.add_row(Text(self._description, style="bold"), bar, Text(self._counts()))
        both = Table.grid()
        both.add_row(first)
        both.add_row(Text("  " + ", ".join([*self._times(), *filter(None, [self._latest])])))
        return both


class _RecentRate:
    """How many a second, over intervals whose weight decays with their age."""

    def __init__(self, done: int, now: float, left: int) -> None:
        self._begun_at, self._enough = done, _GUESS_SHARE * left
        self._done, self._now = done, now
        self._count = self._seconds = 0.0
        self._reports, self._worked = 0, 0.0

    @property
    def is_known(self) -> bool:
        """Whether there is something to guess from."""
        if self._seconds <= 0:
            return False
        many = self._reports >= _GUESS_REPORTS and self._worked >= _GUESS_SECONDS
        return many or self._done - self._begun_at >= self._enough

    @property
    def worked(self) -> tuple[int, float]:
        """How many were done since the beginning, in how many seconds."""
        return self._done - self._begun_at, self._worked

    @property
    def per_second(self) -> float:
        """Only while it is known."""
        return self._count / self._seconds

    def update(self, done: int, now: float) -> None:
        seconds, count = now - self._now, done - self._done
        self._reports += 1
        if count <= 0:
            return  # nothing done yet: the interval goes on
        weight = math.exp(-seconds / _RATE_SECONDS)
        self._count = weight * self._count + count
        self._seconds = weight * self._seconds + seconds
        self._worked += seconds
        self._done, self._now = done, now

    def leave_out(self, seconds: float) -> None:
        """These do not belong to the interval that goes on."""
        self._now += seconds


def human_rate(per_second: float) -> str:
    """So many a second: "1,234", "3.52"."""
    if not math.isfinite(per_second):
        return "?"
    return human_count(per_second) if per_second >= 100 else f"{per_second:.3g}"


def _console(stream: TextIO | None) -> Console:
    """A console that shows text as it is; off a terminal it is wider than any line and has no colour."""
    stream = stream or sys.stdout
    is_terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if is_terminal else _PLAIN_WIDTH,
        force_terminal=is_terminal,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _print_lines(console: Console, *renderables: Text | Table) -> None:
    """Prints and flushes; off a terminal without the blanks with which rich fills a table's last column.

    Text is left to the terminal to wrap, so that a path that is copied from there holds no line breaks.
    """
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable, soft_wrap=isinstance(renderable, Text))
    text = capture.get()
    if not console.is_terminal:
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    console.file.write(text)
    console.file.flush()


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
