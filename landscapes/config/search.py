"""Sweeps whose members are chosen as they go, by any sweeper that Hydra finds installed (`hydra/sweeper=optuna`).

Knows Hydra's sweepers and launchers; knows none of them by name, and not what a member does.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from landscapes import commands
from landscapes.config.compose import job_of, load, load_common, read_overrides, spelling
from landscapes.errors import UserError
from landscapes.machine.folders import results_directory
from landscapes.settings.fields import shown

_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def is_search(config: DictConfig) -> bool:
    """Whether members are not all known beforehand."""
    return str(config.hydra.sweeper._target_) != _BASIC


def run_search(
    loader: ConfigLoader, entry_point: str, parsed: Sequence[Override], task: Callable[[DictConfig], float]
) -> Path:
    """Runs the sweeper that was chosen, with `task` handing each member's number back to it; returns the folder in
    which it leaves what it found.

    `task` must be picklable and raise every failure. Raises UserError before anything is launched where a key or a
    value that all members share does not fit.
    """
    own = [each for each in parsed if not each.is_hydra_override()]
    typed = [str(each.input_line) for each in own]
    fixed = [str(each.input_line) for each in own if not each.is_sweep_override()]
    spelled = spelling(loader, entry_point, fixed)
    composed = load(loader, entry_point, spelled)
    job = job_of(entry_point, composed, spelled)
    for each in own:
        if each.is_sweep_override() and not each.is_add():
            _check_key(loader, entry_point, composed, [*fixed, f"{each.key_or_group}=0"], each)
    folder = results_directory(job.results_dir) / "sweeps" / f"search-{time.strftime('%Y%m%d-%H%M%S')}"
    setting = read_overrides(loader, entry_point, [commands.setting("hydra.sweep.dir", str(folder))])
    config = load_common(loader, entry_point, [*parsed, *setting])
    context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
    try:
        with _members_spelled(loader, entry_point):
            sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=task, config=config)
    except Exception as error:  # whatever a class raises that was named on the command line
        lines = str(error).splitlines() or [type(error).__name__]
        allowed = f"Hydra cannot set it up with these settings ({lines[0]})"
        raise UserError("hydra/sweeper", shown(config.hydra.runtime.choices.get("hydra/sweeper")), allowed) from error
    folder.mkdir(parents=True)
    sweeper.sweep(arguments=typed)
    return folder


def _check_key(
    loader: ConfigLoader, entry_point: str, composed: DictConfig, arguments: Sequence[str], override: Override
) -> None:
    """Raises UserError where the key that is searched over is none."""
    spelled = spelling(loader, entry_point, arguments)
    key = spelled.overrides[-1].partition("=")[0]
    if OmegaConf.select(composed, key, default=composed) is composed:
        load(loader, entry_point, spelled)  # raises, naming the nearest


@contextmanager
def _members_spelled(loader: ConfigLoader, entry_point: str) -> Iterator[None]:
    """Launchers that sweepers make inside hand Hydra the arguments of members as they are composed."""
    plugins = Plugins.instance()
    instantiate = plugins.instantiate_launcher

    def instantiate_spelling(*arguments: Any, **named: Any) -> Launcher:
        launcher = instantiate(*arguments, **named)
        launch = launcher.launch

        def spelled(job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
            members = [spelling(loader, entry_point, each).overrides for each in job_overrides]
            return launch(members, initial_job_idx=initial_job_idx)

        launcher.launch = spelled
        return launcher

    plugins.instantiate_launcher = instantiate_spelling
    try:
        yield
    finally:
        plugins.instantiate_launcher = instantiate
