"""Workers: child processes that wait, run one repetition when told to, and say how long it took.

Knows processes and their pipes; knows neither JAX nor what is measured. Never do two of them work at once: a worker
that is not running blocks on its standard input. So the same repetition can be taken from each in turn, A B C A B C,
and one that lives in another virtual environment is measured like the rest.

One line of JSON each way. A worker says `{"unit", "details", "setup_seconds"}`, then, having compiled,
`{"cases": {NAME: compile_seconds}}`; it answers every line `NAME` with `{"work", "seconds"}`, and the end of its input
with `{"peak_bytes", "setup_peak_bytes", "findings"}`.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.timing import Measurement

ROOT = Path(__file__).resolve().parent.parent

Say = Callable[[str], None]

ALONE = "only"
"""The name of the case of a worker that has one; its measurement bears the worker's name."""


class WorkerError(Exception):
    """A worker could not be started, or ended before it was told to."""


class Skipped(Exception):  # noqa: N818  # nothing went wrong
    """A benchmark has nothing to run on here; the message says what is missing."""


@dataclass(frozen=True)
class Job:
    """What a worker runs: `command`, in the repository's root, with `variables` added to the environment."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


def job(
    name: str,
    workload: str,
    settings: Mapping[str, Any],
    python: Path | str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Job:
    """A worker of `benchmarks.workloads`, whose `workload` is MODULE.FUNCTION, in this or another interpreter.

    Nothing compiled is kept or found: every worker compiles for itself.
    """
    command = [str(python or sys.executable), "-m", "benchmarks.worker", workload, json.dumps(dict(settings))]
    # Several workers wait on one accelerator: none may take all of its memory.
    always = {
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "JAX_TRACEBACK_FILTERING": "off",  # the last line of an error is then what went wrong
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    return Job(name, command, {**always, **(variables or {})})


class Worker:
    """A running child. A context manager: whatever happens, the child is gone afterwards."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in __exit__
        try:
            self._process = subprocess.Popen(
                list(job.command),
                cwd=ROOT,
                env={**os.environ, **job.variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except OSError as error:
            self._errors.close()
            raise WorkerError(f"{job.name}: {error}") from error
        self._described: dict[str, Any] = {}
        self._compiled: dict[str, float] = {}
        self._repetitions: dict[str, list[tuple[float, float]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def describe(self) -> dict[str, Any]:
        """Blocks until it is set up: the details that its workload tells."""
        self._described = self._read()
        details: dict[str, Any] = self._described["details"]
        return details

    def wait_until_ready(self) -> float:
        """Blocks until it has compiled; for how many seconds it did."""
        self.describe()
        self._compiled = self._read()["cases"]
        self._repetitions = {case: [] for case in self._compiled}
        return sum(self._compiled.values())

    @property
    def unit(self) -> str:
        """What its work is counted in."""
        return str(self._described["unit"])

    @property
    def cases(self) -> list[str]:
        """What it can be told to run."""
        return list(self._compiled)

    def repeat(self, case: str) -> float:
        """One repetition; its rate."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{case}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        answer = self._read()
        self._repetitions[case].append((answer["work"], answer["seconds"]))
        return float(answer["work"] / answer["seconds"])

    def finish(self) -> list[Measurement]:
        """Tells it to end; what it measured, one for each case."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = self._read()
        self._process.wait()
        measurements = []
        for case, compile_seconds in self._compiled.items():
            work, seconds = zip(*self._repetitions[case], strict=True)
            measurements.append(
                Measurement(
                    name=self.job.name if case == ALONE else f"{self.job.name}, {case}",
                    unit=self.unit,
                    work=work,
                    seconds=seconds,
                    compile_seconds=compile_seconds,
                    setup_seconds=self._described["setup_seconds"],
                    peak_bytes=last["peak_bytes"],
                    setup_peak_bytes=last["setup_peak_bytes"],
                    details={**self._described["details"], **last["findings"]},
                )
            )
        return measurements

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        message: dict[str, Any] = json.loads(line)
        return message

    def _ended(self) -> WorkerError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = [line for line in self._errors.read().splitlines() if line.strip()]
        return WorkerError(f"{self.job.name}: ended with code {code}: {lines[-1] if lines else 'no message'}")


def details(job: Job) -> dict[str, Any]:
    """What the workload tells about itself, without compiling or running it. Raises WorkerError."""
    with Worker(job) as worker:
        return worker.describe()


def take_turns(jobs: Sequence[Job], repeats: int, say: Say) -> dict[str, Measurement]:
    """Starts a worker for each job, one after the other, then runs `repeats` rounds of one repetition of each case.

    Measurements by name. Raises WorkerError.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for one in jobs:
            worker = stack.enter_context(Worker(one))
            say(f"  {one.name}: ready (compiled in {worker.wait_until_ready():.1f} s)")
            workers.append(worker)
        for repetition in range(1, repeats + 1):
            for worker in workers:
                rates = [f"{worker.repeat(case):,.4g}" for case in worker.cases]
                say(f"  {worker.job.name}: {repetition}/{repeats}: {', '.join(rates)} {worker.unit}/s")
        found = [measurement for worker in workers for measurement in worker.finish()]
    return {measurement.name: measurement for measurement in found}
