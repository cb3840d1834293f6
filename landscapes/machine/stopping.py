"""Requests to stop: signals that are heard where a job can be left, instead of wherever it happens to be.

Knows signals; knows nothing of what is stopped, nor of the scheduler that may have sent them.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP)
"""From the keyboard; from `kill`, a scheduler or a shutdown; from SLURM before a time limit (submitit's choice); from a
terminal that disappears."""


class Stopped(KeyboardInterrupt):
    """A job was asked to stop and has been left in good order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)  # as pickling makes it anew in another process
        self.exit_code = 128 + number
        self._name = signal.Signals(number).name

    def __str__(self) -> str:
        return self._name


_left: list[int] = []
"""The requests for which this process has left a job."""


def stop_once(number: int, frame: FrameType | None) -> None:
    """A handler for a process with one job, which may be asked by several: who asks while it ends is not heard."""
    if not _left:
        raise Stopped(number)


class StopRequests:
    """Whether this process has been asked to stop."""

    def __init__(self) -> None:
        self._number: int | None = None

    @property
    def asked(self) -> bool:
        return self._number is not None

    def leave(self) -> None:
        """Raises Stopped if so; called where nothing is half done."""
        if self._number is not None:
            _left.append(self._number)
            raise Stopped(self._number)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._number = number
        name = signal.Signals(number).name
        print(f"{name}: stops as soon as all is saved (Ctrl-C again: at once)", file=sys.stderr, flush=True)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Inside, the signals in `HEARD` are requests; outside, they are what they were.

    If a scheduler's own handler was there before (submitit's puts the job back into the queue), it hears the signal
    once the job has been left. A signal that this process was started to ignore (`nohup`) stays ignored. In a thread
    that may not handle signals nothing is changed.
    """
    requests = StopRequests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, requests._hear) for number in HEARD if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        heard = requests._number
        if heard is not None and heard != signal.SIGINT and callable(before[signal.Signals(heard)]):
            signal.raise_signal(heard)
