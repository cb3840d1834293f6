"""How far a job is, how fast it goes and how long it takes yet.

Knows counts and clocks; knows nothing of what is counted.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from landscapes.console.lines import console_on, print_lines
from landscapes.console.quantities import human_count, human_duration, human_rate

_LINE_SECONDS = 30.0
"""The least time between two plain lines of progress."""
_RATE_SECONDS = 120.0
"""For how long an interval counts in the rate of progress: its weight falls by e in this time."""
_GUESS_REPORTS, _GUESS_SECONDS, _GUESS_SHARE = 10, 5.0, 0.1
"""What the first guess rests on: so many reports over so many seconds, or this share of the work. A measurement reports
ten times in the time of its longest episode, and the short ones, which end first, say little about the others."""


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
        self._console = console_on(stream)
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
            print_lines(self._console, Text(f"{self._description}: {doing}"))
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
        print_lines(self._console, Text(", ".join(parts)))

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
