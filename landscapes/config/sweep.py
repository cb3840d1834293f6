"""Launches the members of a sweep, after all of them have been validated.

Knows Hydra's launchers and what a SLURM job must find unchanged when it starts; not what a member does.
"""

import importlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from landscapes import commands
from landscapes.cluster import submission
from landscapes.cluster.squeue import seconds_between_questions
from landscapes.cluster.submission import LaunchError
from landscapes.config import processes
from landscapes.config.compose import CONF, hydra_loader, load_common, member_arguments, member_jobs, read_overrides
from landscapes.config.job import Job
from landscapes.config.members import member_error
from landscapes.errors import UserError
from landscapes.machine.folders import results_directory, typed_path
from landscapes.settings.fields import shown

_FOLDER_KEY = "hydra.sweep.dir"


class Asked(NamedTuple):
    """What was typed of a sweep."""

    entry_point: str
    overrides: Sequence[str]
    parsed: Sequence[Override]
    """The same, read."""
    own: Path | None
    """A folder of the user's own with experiments, if any."""


def run_sweep(loader: ConfigLoader, asked: Asked, task: Callable[[DictConfig], Any]) -> list[Any]:
    """What `task` returned for each member, in order, run by the launcher that `job_config` chose.

    In the place of a member that ended without handing anything back there is a LaunchError, of one that was stopped by
    itself the KeyboardInterrupt; with `wait=false` the list is empty. `task` must be picklable and return every failure
    as a value. Raises UserError before anything is launched or written where any member does not fit.
    """
    entry_point, _, parsed, own = asked
    config = load_common(loader, entry_point, parsed)
    jobs = sweep_jobs(loader, entry_point, parsed)
    members = [job.spelled.overrides for job in jobs]
    check_wait(config, jobs[0])
    _check_members(jobs, waits=_waits_for_jobs(config))
    if _is_processes(config):
        return processes.run(processes.Sweep(entry_point, config, task, own), members, _num_at_once(config))
    launcher = _launcher(loader, config, task)
    if not is_remote(config.hydra):
        return _launch(launcher, members)
    if is_slurm(config.hydra) and shutil.which("srun") is None:
        allowed = "needs SLURM, and this machine has no srun; local_default and local_multiprocessing do without"
        raise UserError("job_config", _preset(config), allowed)
    folder = _snapshot(config, jobs, asked, members)
    with hydra_loader(entry_point, folder / "conf") as frozen:
        setting = commands.setting(_FOLDER_KEY, str(folder))
        located = load_common(frozen, entry_point, [*parsed, *read_overrides(frozen, entry_point, [setting])])
        launcher = _launcher(frozen, located, task)
        return _submit(launcher, members, folder, jobs[0]) if is_slurm(config.hydra) else _launch(launcher, members)


def sweep_jobs(loader: ConfigLoader, entry_point: str, parsed: Sequence[Override]) -> list[Job]:
    """The validated jobs of all members."""
    common = load_common(loader, entry_point, parsed)
    return list(member_jobs(loader, entry_point, parsed, member_arguments(loader, entry_point, parsed, common)))


def _check_members(jobs: Sequence[Job], waits: bool) -> None:
    """Raises UserError for the first member that would fail by what is stored, or is not, where results lie."""
    check = importlib.import_module(f"{jobs[0].entry_point}.checks").make_check(waits)
    for index, job in enumerate(jobs):
        try:
            check(job)
        except UserError as error:
            raise member_error(job.error_as_typed(error), index, len(jobs)) from error


def _waits_for_jobs(config: DictConfig) -> bool:
    """Whether SLURM is to hold the members back until other jobs have ended."""
    options = config.hydra.launcher.get("additional_parameters") or {}
    return is_slurm(config.hydra) and bool(options.get("dependency"))


def is_remote(own: DictConfig) -> bool:
    """Whether members run where nobody sees what they print, by Hydra's part of a configuration."""
    return "submitit" in own.launcher._target_


def is_slurm(own: DictConfig) -> bool:
    """Whether SLURM runs them, by the same."""
    return str(own.launcher._target_).endswith("SlurmLauncher")


def check_wait(config: DictConfig, job: Job) -> None:
    """Raises UserError where a job that this machine runs itself is not to be waited for."""
    if not job.wait and not is_slurm(config.hydra):
        raise UserError(
            "wait", "false", "only SLURM works on without being waited for: job_config=slurm, or a preset on top of it"
        )


def _is_processes(config: DictConfig) -> bool:
    return str(config.hydra.launcher._target_) == processes.__name__


def _num_at_once(config: DictConfig) -> int:
    chosen = config.hydra.launcher.n_jobs
    if isinstance(chosen, bool) or not isinstance(chosen, int) or chosen < 1:
        raise UserError("hydra.launcher.n_jobs", shown(chosen), "must be an integer, at least 1")
    return chosen


def _preset(config: DictConfig) -> str:
    return shown(config.hydra.runtime.choices.get("job_config"))


def _launcher(loader: ConfigLoader, config: DictConfig, task: Callable[[DictConfig], Any]) -> Launcher:
    try:
        context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
        return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    except Exception as error:  # whatever a class raises that was named on the command line
        lines = str(error).splitlines() or [type(error).__name__]
        allowed = f"Hydra cannot set up the launcher or a callback with these settings ({lines[0]})"
        raise UserError("job_config", _preset(config), allowed) from error


def _launch(launcher: Launcher, members: list[list[str]]) -> list[Any]:
    """By Hydra's own launchers, which wait, and may give up all members for one that dies."""
    try:
        results = launcher.launch(members, initial_job_idx=0)
    except Exception as error:
        if not type(error).__module__.startswith("submitit"):
            raise
        first = str(error).strip().splitlines()[0]
        place = launcher.config.hydra.sweep.dir
        raise LaunchError(f"a member of the sweep died: {first} (its log is below {place})") from error
    return [result.return_value for result in results]


def _submit(launcher: Launcher, members: list[list[str]], folder: Path, job: Job) -> list[Any]:
    seconds = seconds_between_questions()  # first: a mistake shall not be told after the jobs are in the queue
    try:
        submitted = submission.submit(launcher, members)
    except submission.SubmissionError as error:
        shutil.rmtree(folder)
        raise UserError("job_config", _preset(launcher.config), f"SLURM does not take the sweep: {error}") from error
    name = folder.name if folder.parent == _sweeps(job) else folder
    elsewhere = [] if job.results_dir is None else ["--results-dir", results_directory(job.results_dir)]
    command = commands.python("landscapes.sweeps", name, *elsewhere)
    counted = "1 member" if len(members) == 1 else f"{len(members)} members"
    print(f"sweep: {folder.name}, job {submission.array_id(submitted)}, {counted}", flush=True)
    print(f"how it is doing: {command}", flush=True)
    try:
        outcomes = submission.wait(submitted, seconds) if job.wait else []
    except KeyboardInterrupt:
        print("no longer waiting; the jobs go on", file=sys.stderr)
        raise
    if any(isinstance(outcome, LaunchError) for outcome in outcomes):
        print(f"{command} --resubmit submits again what has not finished", file=sys.stderr)
    return outcomes


def _sweeps(job: Job) -> Path:
    return results_directory(job.results_dir) / "sweeps"


def _snapshot(config: DictConfig, jobs: Sequence[Job], asked: Asked, members: list[list[str]]) -> Path:
    """A new folder with the sweep's record and its copy of conf/.

    A job composes its configuration when it starts, perhaps days later: it shall read what was submitted.
    """
    from landscapes.cluster.sweep_folder import Sweep

    folder = _sweep_folder(config, jobs[0])
    if asked.own is not None:
        shutil.copytree(asked.own, folder / "conf")
    shutil.copytree(CONF, folder / "conf", dirs_exist_ok=True)  # ours go before the user's, as for the loader
    names = [job.member_name for job in jobs]
    flags = ["--multirun"] if asked.own is None else ["--multirun", "--config-dir", str(asked.own)]
    Sweep(folder, jobs[0].entry_point, [*flags, *asked.overrides], members, names, os.getcwd()).write()
    return folder


def _sweep_folder(config: DictConfig, job: Job) -> Path:
    """A new folder for the sweep's snapshot and logs: the one asked for, else one below the results."""
    chosen = Path(config.hydra.sweep.dir)
    name = f"{job.entry_point}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder = _sweeps(job) / name if chosen == Path() else typed_path(str(chosen), _FOLDER_KEY)
    if "%" in str(folder):
        raise UserError(_FOLDER_KEY, folder, "submitit's logs lie there, and SLURM reads % in their names as its own")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(_FOLDER_KEY, folder, f"cannot be made: {error.strerror or error}") from error
    return folder
