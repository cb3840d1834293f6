"""Runs a command line: shows help, runs one job or a sweep, and ends with an exit code and no traceback for mistakes.

Knows processes, exit codes and Hydra's flags; finds experiments by name only, and imports them last.
"""

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from landscapes.cluster.submission import LaunchError
from landscapes.config.compose import (
    hydra_loader,
    job_of,
    load_common,
    load_one,
    member_spelling,
    plain_values,
    read_overrides,
    typed_arguments,
)
from landscapes.config.entry import STOPPED
from landscapes.config.job import Job, make_job
from landscapes.config.search import is_search, run_search
from landscapes.config.showing import help_text, respelled, show_by_hydra
from landscapes.config.sweep import Asked, check_wait, is_remote, is_slurm, run_sweep, sweep_jobs
from landscapes.errors import UserError
from landscapes.machine.folders import results_directory, typed_path
from landscapes.machine.output import print_any_text
from landscapes.machine.runtime import set_up_runtime
from landscapes.machine.stopping import Stopped, stop_requests
from landscapes.machine.streams import lasting

USER_ERROR = 2
FAILURE = 1

_REFUSED_FLAGS = ("config_path", "config_name", "experimental_rerun")


@dataclass
class Failure:
    """How a job ended that did not end well; picklable, so that a sweep's members can hand it back."""

    line: str
    exit_code: int
    details: str | None = None
    """The traceback, where the line alone does not tell what to do."""

    def report(self) -> None:
        """Prints it to stderr, details first."""
        print(f"{self.details or ''}{self.line}", file=sys.stderr, flush=True)


def run_entry_point(entry_point: str, arguments: Sequence[str] | None = None) -> int:
    """Runs `python -m ENTRY_POINT ARGUMENTS` (default: this process's own) and returns the exit code.

    0: done; 2: something that the user can mend, said in one line on stderr before anything was written, if it could
    be known by then; 1: any other failure; 130: stopped from the keyboard. With HYDRA_FULL_ERROR=1 in the environment,
    errors are raised instead.
    """
    return reported(lambda: _run(entry_point, list(sys.argv[1:] if arguments is None else arguments)))


def reported(run: Callable[[], int]) -> int:
    """The exit code that `run` returns, or, after one line about it, that of the error which it raises: as above."""
    with lasting():
        return _exit_code(run)


def _exit_code(run: Callable[[], int]) -> int:
    try:
        return run()
    except KeyboardInterrupt as stop:
        failure = _stopped(stop)
    except Exception as error:
        interrupt = _interrupt_behind(error)
        if interrupt is None and _wants_traceback():
            raise
        failure = describe_failure(error) if interrupt is None else _stopped(interrupt)
    failure.report()
    return failure.exit_code


def describe_failure(error: Exception) -> Failure:
    """One line and an exit code for an exception; the traceback too where it is a fault of ours."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return Failure(" ".join(str(cause).split()), USER_ERROR)
        cause = cause.__cause__
    text = " ".join(str(error).split())
    if isinstance(error, LaunchError | MemberFailedError):
        return Failure(text, FAILURE)
    # The compiler's own memory errors are known by name, so that JAX need not be imported to name them.
    if isinstance(error, MemoryError) or (
        type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and "RESOURCE_EXHAUSTED" in text
    ):
        return Failure(
            f"out of memory: fewer seeds or a smaller batch_size or num_envs need less ({text[:200]})", FAILURE
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(f"no space left for {error.filename or 'the results'}: {error.strerror}", FAILURE)
    details = "".join(traceback.format_exception(error))
    return Failure(f"unexpected {type(error).__name__} ({text[:200]}): please report it", FAILURE, details)


Outcome = Failure | LaunchError | KeyboardInterrupt | None
"""How a member of a sweep has ended; None: well."""


@dataclass
class MemberTask:
    """What Hydra's launchers call for each member of a sweep, perhaps in another process or on another machine."""

    entry_point: str
    keys: Sequence[str] = ()
    """Those given values on the command line, as they were typed there."""

    def __call__(self, config: DictConfig) -> Failure | None:
        """Runs one member from its composed configuration; any failure is reported here and also returned."""
        return self._run(config)[0]

    def _run(self, config: DictConfig) -> tuple[Failure | None, float | None]:
        """How it has failed, else the number that it hands back, if any."""
        print_any_text()  # in another process, whose output may be a log in another encoding
        with lasting():
            return self._run_heard(config)

    def _run_heard(self, config: DictConfig) -> tuple[Failure | None, float | None]:
        own = HydraConfig.get()
        index, choice = int(own.job.num), own.runtime.choices.get("experiment")
        spelled = member_spelling(self.entry_point, choice, self.keys)
        print(f"member {index}: {' '.join(map(spelled.as_typed, typed_arguments(own)))}", flush=True)
        try:
            folder = Path(own.sweep.dir).name or None  # of a sweep on this machine it is `.`
            spelled.overrides = typed_arguments(own)
            job = make_job(self.entry_point, choice, plain_values(config), index, folder, is_slurm(own), spelled)
            return None, _execute(job)
        except Exception as error:
            interrupt = _interrupt_behind(error)
            if interrupt is not None:
                raise interrupt from None
            failure = describe_failure(error)
            failure.line = f"member {index}: {failure.line}"
            if _wants_traceback():
                failure.details = "".join(traceback.format_exception(error))
            failure.report()
            return failure, None


class MemberFailedError(Exception):
    """A member of a search has failed, and has said so."""


@dataclass
class SearchTask(MemberTask):
    """The same for a sweeper that wants a number of each member."""

    def __call__(self, config: DictConfig) -> float:  # type: ignore[override]  # what the launcher hands on as it is
        """Runs one member and returns what is searched for; raises MemberFailedError where it has failed."""
        failure, found = self._run(config)
        if failure is not None:
            raise MemberFailedError(failure.line)
        if found is None:
            raise MemberFailedError(f"{self.entry_point} hands back no number to search by; trainings do")
        return found


def _run(entry_point: str, arguments: list[str]) -> int:
    flags = _parse(arguments)
    if flags.shell_completion or flags.hydra_help:
        return 0 if show_by_hydra(entry_point, arguments) else USER_ERROR
    own = _own_folder(flags.config_dir)
    with hydra_loader(entry_point, own=own) as loader:
        parsed = read_overrides(loader, entry_point, flags.overrides)
        showing = flags.help or flags.cfg or flags.info
        # Nearly always it is one job: what the members of a sweep would have in common is not composed besides.
        may_sweep = flags.multirun or own is not None or any(map(_may_sweep, parsed))
        one = None if may_sweep else load_one(loader, entry_point, flags.overrides, parsed)
        if not showing and (one is None or one[1].hydra.mode == RunMode.MULTIRUN):
            common = load_common(loader, entry_point, parsed)
            if flags.multirun or common.hydra.mode == RunMode.MULTIRUN:
                return _launch_members(loader, Asked(entry_point, flags.overrides, parsed, own), common)
        spelled, config = one or load_one(loader, entry_point, flags.overrides, parsed)
        job = None if showing else job_of(entry_point, config, spelled)
        told = help_text(loader, entry_point, config) if flags.help else None
    if told is not None:
        print(told)
        return 0
    if job is None:
        ours = respelled(arguments, flags.overrides, spelled.overrides)
        return 0 if show_by_hydra(entry_point, ours) else USER_ERROR
    check_wait(config, job)
    _execute(job)
    if job.dry_run:
        print("dry run: nothing was written")
    return 0


def _may_sweep(override: Override) -> bool:
    """Whether an argument has several values or may say that there are several jobs."""
    return override.is_sweep_override() or override.is_hydra_override() or override.key_or_group == "job_config"


def _launch_members(loader: ConfigLoader, asked: Asked, common: DictConfig) -> int:
    """Runs the members of a sweep or of a search, or shows what they would take."""
    entry_point, parsed = asked.entry_point, asked.parsed
    keys = [each.key_or_group for each in parsed] + [str(key) for key in common.hydra.sweeper.params or {}]
    if is_search(common):
        print(f"found: {run_search(loader, entry_point, parsed, SearchTask(entry_point, keys))}")
        return 0
    if _is_dry(parsed):
        _show_plans(sweep_jobs(loader, entry_point, parsed))
        return 0
    outcomes = run_sweep(loader, asked, MemberTask(entry_point, keys))
    return _summarise(outcomes, repeat=is_remote(common.hydra))


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Hydra's own flags, mistakes as UserError, with those refused that would lead past conf/."""

    def refuse(message: str) -> NoReturn:
        raise UserError("arguments", " ".join(arguments), f"{message}; --hydra-help shows the flags")

    parser = get_args_parser()
    parser.error = refuse
    # Unlike Hydra, which wants all flags on one side of the settings.
    flags = parser.parse_intermixed_args(arguments)
    for name in _REFUSED_FLAGS:
        if getattr(flags, name) is not None:
            raise UserError(f"--{name.replace('_', '-')}", getattr(flags, name), "not offered; edit or add to conf/")
    if flags.run and flags.multirun:
        refuse("--run and --multirun exclude each other")
    return flags


def _is_dry(parsed: Sequence[Override]) -> bool:
    return any(each.key_or_group == "dry_run" and each.value() is True for each in parsed)


def _show_plans(jobs: Sequence[Job]) -> None:
    """What each member of a sweep would take, and all of them."""
    for index, job in enumerate(jobs):
        print(f"member {index}: {' '.join(map(job.spelled.as_typed, job.spelled.overrides))}", flush=True)
        _execute(job)
    pace = importlib.import_module("landscapes.jobs.pace")  # imports JAX
    planned = pace.take_planned()
    counted = "1 member" if len(planned) == 1 else f"{len(planned)} members"
    print(f"in all {counted}: {pace.told_in_all(planned)}")


def _own_folder(typed: str | None) -> Path | None:
    if typed is None:
        return None
    folder = typed_path(typed, "--config-dir").resolve()
    if not folder.is_dir():
        raise UserError("--config-dir", typed, "is no folder")
    return folder


def _execute(job: Job) -> float | None:
    """Runs the job; returns the number that a search may go by, where it has one."""
    # Here and not before: a process that only submits must not hand its own settings of JAX on to other machines.
    set_up_runtime(results_directory(job.results_dir), job.gpu_memory_fraction)
    with stop_requests() as requests:  # an interrupt in the middle of it breaks JAX, which then reports something else
        experiment = importlib.import_module(f"{job.entry_point}.experiments.{job.kind}")
        requests.leave()
    try:
        found: float | None = experiment.run(job)
    except UserError as error:
        raise job.error_as_typed(error) from error
    return found


def _summarise(outcomes: Sequence[Outcome], repeat: bool) -> int:
    """The exit code of a sweep, after one line about it; `repeat` the members' own lines where nobody saw them."""
    failures = {index: _failure(index, outcome) for index, outcome in enumerate(outcomes) if outcome is not None}
    if not failures:
        return 0
    for index, failure in failures.items():
        if repeat or not isinstance(outcomes[index], Failure):
            failure.report()
    codes = {failure.exit_code for failure in failures.values()}
    how = "stopped" if min(codes) > 128 else "failed"
    indices = ", ".join(map(str, failures))
    print(f"{len(failures)} of {len(outcomes)} members of the sweep {how}: {indices}", file=sys.stderr)
    return codes.pop() if len(codes) == 1 else FAILURE


def _failure(index: int, outcome: Failure | LaunchError | KeyboardInterrupt) -> Failure:
    if isinstance(outcome, Failure):
        return outcome
    told = _stopped(outcome) if isinstance(outcome, KeyboardInterrupt) else Failure(str(outcome), FAILURE)
    return Failure(f"member {index}: {told.line}", told.exit_code)


def _stopped(stop: KeyboardInterrupt) -> Failure:
    """One line and the exit code of a process that was asked to stop."""
    if isinstance(stop, Stopped):
        return Failure(f"stopped by {stop}; the same command goes on from here", stop.exit_code)
    return Failure("stopped", STOPPED)


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The interrupt that an error arose from, if any: a library's own clean-up may fail where Ctrl-C found it half
    set up, and its error then takes the place of the interrupt."""
    behind: BaseException | None = error
    seen: set[int] = set()  # an error may be its own cause
    while behind is not None and id(behind) not in seen:
        if isinstance(behind, KeyboardInterrupt):
            return behind
        seen.add(id(behind))
        behind = behind.__cause__ or behind.__context__
    return None


def _wants_traceback() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"
