"""The lanes of a call shared among processes, each with a pool of simulators of its own.

Knows processes, memory that they share and the pool's three questions; knows no JAX program and no simulator.

The simulators that Python steps hold its lock, so that only processes step them at once. A lane is always asked of the
same process, where its simulator waits; which process that is changes nothing in what comes, only how soon. A process
ends when this one does, however that may be: it waits for words through a pipe, and then there is no one to speak.
"""

import contextlib
import itertools
import math
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from landscapes.envs.pool import EXTRA, OVER, Arrays, Pool, saves
from landscapes.envs.simulator import Hosted
from landscapes.machine.runtime import num_cores

_ALIGNED = 64
"""Bytes of which the place of an array in shared memory is a multiple."""

PATIENCE = 10.0
"""Seconds that a process has to end before it is ended."""

HELD = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTSTP")}
"""Signals to all of a job's processes (Ctrl-C, SLURM's), which are for the job to hear: it still wants steps then, to
stop in order."""


class Place(NamedTuple):
    """Where in shared memory an array lies: its first byte, shape and dtype."""

    begin: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Shared:
    """Memory of two processes: a file without a name, so that nothing is left of it when both have ended."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None and hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("landscapes")
        elif descriptor is None:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        self.descriptor = descriptor
        self._memory = np.zeros(0, np.uint8)

    def places(self, arrays: Arrays) -> list[Place]:
        """Places for arrays like these, one after the other; the memory grows as it must."""
        places, end = [], 0
        for array in arrays:
            places.append(Place(end, array.shape, array.dtype.str))
            end += -(-array.nbytes // _ALIGNED) * _ALIGNED
        if os.fstat(self.descriptor).st_size < end:
            os.ftruncate(self.descriptor, end)
        return places

    def at(self, places: Sequence[Place]) -> list[np.ndarray]:
        """The arrays at these places, to be read and written, also when the memory has grown."""
        if len(self._memory) < max(place.begin + place.size for place in places):
            whole = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
            self._memory = np.frombuffer(whole, np.uint8)
        pieces = (self._memory[place.begin : place.begin + place.size] for place in places)
        return [piece.view(place.dtype).reshape(place.shape) for piece, place in zip(pieces, places, strict=True)]


class Worker:
    """A process with a pool, asked and answering through a pipe; arrays go by memory."""

    def __init__(self, recipe: bytes) -> None:
        self.connection, theirs = Pipe()
        self.shared = Shared()
        descriptors = (theirs.fileno(), self.shared.descriptor)
        path = os.pathsep.join(entry for entry in sys.path if entry)
        # One thread each: the cores are taken by the processes themselves.
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        held = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "landscapes.envs.workers", *map(str, descriptors)],
                pass_fds=descriptors,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
        weakref.finalize(self, _end, self.process, self.connection, self.shared.descriptor)
        self._forms: dict[Any, tuple[int, list[np.ndarray]]] = {}
        self._making: list[tuple[np.ndarray, np.ndarray]] = []
        self.connection.send_bytes(recipe)

    def ask(self, what: str, said: tuple[Any, ...], given: Arrays, made: Arrays, changed: np.ndarray | None) -> None:
        """Lets it make `made`, which is there after `finish`, as are the rows that it has `changed` of the first that
        was given."""
        kind = (what, *said, *((array.shape, array.dtype) for array in (*given, *made)))
        form = None
        if kind not in self._forms:
            # Said once: to say it again with every step would take as long as some simulators' steps.
            places = self.shared.places([*given, *made])
            form = what, said, places[: len(given)], places[len(given) :]
            self._forms[kind] = len(self._forms), self.shared.at(places)
        index, arrays = self._forms[kind]
        for place, value in zip(arrays, given, strict=False):
            place[...] = value
        self._making = [*zip(arrays[len(given) :], made, strict=True)]
        if changed is not None:
            self._making += [(arrays[0][row], given[0][row]) for row in np.flatnonzero(changed)]
        self._send((index, form))

    def finish(self) -> None:
        """Waits until what was asked is made. Raises RuntimeError with what failed there, or that the process ended."""
        try:
            failed = self.connection.recv()
        except (EOFError, OSError):
            failed = self._how_it_ended()
        if failed:
            raise RuntimeError(failed)
        for place, value in self._making:
            value[...] = place

    def _send(self, words: Any) -> None:
        try:
            self.connection.send(words)
        except OSError:
            raise RuntimeError(self._how_it_ended()) from None

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        code = self.process.returncode
        how = (
            f"by signal {-code} (9: killed, as where memory runs out)"
            if code and code < 0
            else f"with exit code {code}"
        )
        return f"a process that steps simulators ended {how}"


def _end(process: "subprocess.Popen[bytes]", connection: Connection, descriptor: int) -> None:
    connection.close()
    os.close(descriptor)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Question(NamedTuple):
    """What the pool is asked, of lanes `shape`, where it is `wanted`; `said` goes before the arrays. `changed` are the
    rows that it writes into, of the first array that it is given."""

    what: str
    shape: tuple[int, ...]
    wanted: np.ndarray
    said: tuple[Any, ...] = ()
    changed: np.ndarray | None = None


class Workers:
    """The pool of an environment: this process's own, and those of as many processes as there are other cores.

    Arrays are as the pool wants them, with any leading axes `[...]`, those of the lanes. What is asked of few lanes is
    done here, as is all where a simulator cannot be handed to another process. `most` is how many take part at most,
    this one included.
    """

    def __init__(self, hosted: Hosted, most: int | None = None) -> None:
        self.hosted = hosted
        self._own = Pool(hosted)
        self._recipe = _recipe(hosted)
        self._most = 1 if self._recipe is None else num_cores() if most is None else most
        self._workers: list[Worker] = []
        self._lock = threading.Lock()

    def start(self, given: Arrays, made: Arrays) -> None:
        """`Pool.start`."""
        (asked,) = given
        self._share(Question("start", asked.shape[:-1], asked[..., 1]), given, made)

    def step(self, given: Arrays, made: Arrays) -> None:
        """`Pool.step`, which makes what was saved too: in place, where it is given in the same memory."""
        (saved, *others), (after, *rest) = given, made
        numbers = others[1]
        if not np.shares_memory(saved, after):
            after[...] = saved
        changed = saves(self.hosted, numbers.reshape(-1, numbers.shape[-1]))
        question = Question("step", numbers.shape[:-1], numbers[..., OVER] == 0, changed=changed)
        self._share(question, (after, *others), rest)

    def look(self, what: str, given: Arrays, made: Arrays) -> None:
        """`Pool.look`."""
        numbers = given[-1]
        self._share(Question("look", numbers.shape[:-1], numbers[..., EXTRA], (what,)), given, made)

    def _share(self, question: Question, given: Arrays, made: Arrays) -> None:
        """Lets each process make its part of the lanes; this one the first, and those in which nothing is wanted."""
        what, shape, wanted, said, changed = question
        num = math.prod(shape)
        given, made = ([x.reshape(num, *x.shape[len(shape) :]) for x in arrays] for arrays in (given, made))
        wanted = wanted.reshape(num)
        parts = max(1, min(self._most, num // self.hosted.least_share))
        bounds = [num * part // parts for part in range(parts + 1)]
        slices = [slice(*bound) for bound in itertools.pairwise(bounds)]
        with self._lock:
            elsewhere = [part for part in range(1, parts) if wanted[slices[part]].any()]
            if elsewhere:
                self._hire(parts - 1)
            asked = []
            try:
                for part in elsewhere:
                    own = slices[part]
                    of_part = None if changed is None else changed[own]
                    self._workers[part - 1].ask(what, said, [x[own] for x in given], [x[own] for x in made], of_part)
                    asked.append(part)
                for part in set(range(parts)).difference(elsewhere):
                    own = slices[part]
                    getattr(self._own, what)(*said, [x[own] for x in given], [x[own] for x in made])
            finally:
                # All are heard even where one has failed: an answer left in a pipe would be taken for the next one's.
                failures = [failed for part in asked if (failed := _failure(self._workers[part - 1])) is not None]
            if failures:
                raise failures[0]

    def _hire(self, num: int) -> None:
        assert self._recipe is not None
        while len(self._workers) < num:
            self._workers.append(Worker(self._recipe))


def _failure(worker: Worker) -> RuntimeError | None:
    try:
        worker.finish()
    except RuntimeError as error:
        return error
    return None


def _recipe(hosted: Hosted) -> bytes | None:
    """What another process makes simulators of; None where they are of this one alone, as of a notebook's class."""
    try:
        recipe = pickle.dumps(hosted._replace(scene=None))
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return None if b"__main__" in recipe else recipe


def serve(connection: Connection, shared: Shared) -> None:
    """Makes what it is asked for, until no one is there to ask. A failure is answered by its last line."""
    forms: list[tuple[str, tuple[Any, ...], Arrays, Arrays]] = []
    with contextlib.suppress(EOFError, OSError):
        recipe = connection.recv_bytes()
        pool: Pool | None = None
        while True:
            index, form = connection.recv()
            if form is not None:
                what, said, asked, makes = form
                forms.append((what, said, shared.at(asked), shared.at(makes)))
            what, said, given, made = forms[index]
            failed = ""
            try:
                pool = pool or Pool(pickle.loads(recipe))  # noqa: S301 (written by the process that asks)
                getattr(pool, what)(*said, given, made)
            except Exception as error:
                failed = _last_line(error)
            connection.send(failed)


def _last_line(error: Exception) -> str:
    return f"in a process that steps simulators: {type(error).__name__}: {error}"


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), Shared(int(sys.argv[2])))
