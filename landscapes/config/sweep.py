"""Launches the members of a sweep, after all of them have been validated.

Knows Hydra's launchers and what a SLURM job must find unchanged when it starts; not what a member does.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig

from landscapes.config.compose import CONF, hydra_loader, load, member_jobs, sweep_members
from landscapes.config.fields import shown
from landscapes.config.job import Job
from landscapes.errors import UserError


class LaunchError(Exception):
    """A member that ended without handing anything back: its process died, or its scheduler lost it."""


def run_sweep(
    loader: ConfigLoader,
    entry_point: str,
    overrides: Sequence[str],
    parsed: Sequence[Override],
    task: Callable[[DictConfig], Any],
) -> list[Any]:
    """What `task` returned for each member, in order, run by the launcher that `job_config` chose.

    `task` must be picklable and return every failure as a value. Raises UserError before anything is launched or
    written where any member does not fit.
    """
    config = load(loader, entry_point, overrides)
    jobs = list(member_jobs(loader, entry_point, overrides, parsed))
    members = sweep_members(parsed, config.hydra.sweeper.params)
    if not is_remote(config):
        return _launch(loader, config, members, task)
    _check_slurm(config)
    folder = _sweep_folder(config, jobs[0])
    # A job composes its configuration when it starts, perhaps days later: it shall read what was submitted.
    shutil.copytree(CONF, folder / "conf")
    from landscapes.storage.sweeps import Sweep

    arguments = ["--multirun", *overrides]
    Sweep(folder, entry_point, arguments, members, [job.member_name for job in jobs]).write()
    print(f"sweep: {folder.name} (python -m landscapes.sweeps {folder.name})", flush=True)
    with hydra_loader(entry_point, folder / "conf") as frozen:
        located = [*overrides, f"hydra.sweep.dir='{folder}'"]
        return _launch(frozen, load(frozen, entry_point, located), members, task)


def is_remote(config: DictConfig) -> bool:
    """Whether members run where nobody sees what they print."""
    return "submitit" in config.hydra.launcher._target_


def _launch(
    loader: ConfigLoader, config: DictConfig, members: list[list[str]], task: Callable[[DictConfig], Any]
) -> list[Any]:
    context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    try:
        results = launcher.launch(members, initial_job_idx=0)
    except Exception as error:
        if not type(error).__module__.startswith(("submitit", "joblib")):
            raise
        first = str(error).strip().splitlines()[0]
        raise LaunchError(f"a member of the sweep died: {first} (its log is below {config.hydra.sweep.dir})") from error
    return [result.return_value for result in results]


def _check_slurm(config: DictConfig) -> None:
    if config.hydra.launcher._target_.endswith("SlurmLauncher") and shutil.which("srun") is None:
        allowed = "needs SLURM, and this machine has no srun; local_default and local_multiprocessing do without"
        raise UserError("job_config", shown(config.hydra.runtime.choices.get("job_config")), allowed)


def _sweep_folder(config: DictConfig, job: Job) -> Path:
    """A new folder for the sweep's snapshot and logs: the one asked for, else one below the results."""
    from landscapes.storage.runs import results_directory

    chosen = Path(config.hydra.sweep.dir)
    name = f"{job.entry_point}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder = results_directory(job.results_dir) / "sweeps" / name if chosen == Path() else chosen.absolute()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError("hydra.sweep.dir", folder, f"cannot be made: {error.strerror or error}") from error
    return folder
