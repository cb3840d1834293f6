"""Runs the members of a sweep in processes of their own on this machine, some of them at a time.

Knows processes and the signals between them; knows nothing of what a member does, nor of other machines.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.types import HydraContext
from omegaconf import DictConfig

from landscapes.cluster.submission import LaunchError
from landscapes.config.compose import hydra_loader
from landscapes.machine.stopping import HEARD, Stopped, stop_once, stop_requests
from landscapes.machine.streams import lasting

_LOOK_SECONDS = 0.1
"""How long a request to stop may wait until the members hear of it."""


@dataclass
class Sweep:
    """What is the same for all members; picklable."""

    entry_point: str
    config: DictConfig
    task: Callable[[DictConfig], Any]
    own: Path | None = None
    """A folder of the user's own with experiments, if any."""

    def run(self, index: int, arguments: Sequence[str]) -> Any:
        """What `task` returns for one member, in this process: as a sweep of its own, by Hydra's launcher for that."""
        with hydra_loader(self.entry_point, own=self.own) as loader:
            context = HydraContext(config_loader=loader, callbacks=Callbacks(self.config))
            launcher = BasicLauncher()
            launcher.setup(hydra_context=context, task_function=self.task, config=self.config)
            return launcher.launch([arguments], initial_job_idx=index)[0].return_value


def run(sweep: Sweep, members: Sequence[Sequence[str]], num_at_once: int) -> list[Any]:
    """What each member has returned, in order. In the place of one that was stopped there is the KeyboardInterrupt that
    stopped it, and of one that died otherwise a LaunchError; the others go on.

    A request to stop this process is one to all members: none begins any more, those that run save and end, and then
    Stopped is raised. Members of a process that is killed stop likewise. None is left behind in any case.
    """
    outcomes: dict[int, Any] = {}
    waiting = list(enumerate(members))
    running: dict[int, _Running] = {}
    told = False
    with stop_requests() as stop:
        try:
            while running or (waiting and not stop.asked):
                while waiting and len(running) < num_at_once and not stop.asked:
                    started = _Running(sweep, *waiting.pop(0))
                    running[started.process.sentinel] = started
                for sentinel in connection.wait(list(running), _LOOK_SECONDS):
                    assert isinstance(sentinel, int)
                    ended = running.pop(sentinel)
                    outcomes[ended.index] = ended.outcome()
                if stop.asked and not told:
                    told = True
                    for each in running.values():  # never by SIGINT, which the terminal may have sent them already
                        each.process.terminate()
        finally:
            for each in running.values():
                each.process.kill()
                each.process.join()
        stop.leave()
    return [outcomes[index] for index in range(len(members))]


class _Running:
    """A member in a process of its own."""

    def __init__(self, sweep: Sweep, index: int, arguments: Sequence[str]) -> None:
        self.index = index
        own = multiprocessing.get_context("spawn")
        self._result, result = own.Pipe(duplex=False)
        self.process = own.Process(target=_member, args=(sweep, index, list(arguments), result))
        with _signals_wait():
            self.process.start()
        result.close()

    def outcome(self) -> Any:
        """Of the process, which has ended."""
        self.process.join()
        code = self.process.exitcode or 0
        with self._result, contextlib.suppress(EOFError):
            return self._result.recv()
        if -code in HEARD:  # it came when there was nothing to save
            return Stopped(-code)
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return LaunchError(f"its process died: {how}")


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Processes started inside do not hear those in `HEARD` until they say that they can."""
    resource_tracker.ensure_running()  # else it would be started inside, and let some of them through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _member(sweep: Sweep, index: int, arguments: list[str], result: connection.Connection) -> None:
    """The whole life of a member's process."""
    outcome: Any
    with lasting():
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        try:
            # From the keyboard this process hears by itself, and from the command besides, perhaps when it has saved.
            signal.signal(signal.SIGTERM, stop_once)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            outcome = sweep.run(index, arguments)
        except KeyboardInterrupt as stop:
            outcome = stop
        with contextlib.suppress(BrokenPipeError):  # nobody is left to be told
            result.send(outcome)


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
