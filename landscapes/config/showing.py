"""What a command line shows instead of running a job: our help, and whatever Hydra shows by itself.

Knows Hydra's own application and flags; decides nothing about settings.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

import hydra
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from landscapes.config import help
from landscapes.config.compose import CONF
from landscapes.config.experiments import experiments_of, store_settings
from landscapes.config.job import find_kind


def help_text(loader: ConfigLoader, entry_point: str, config: DictConfig) -> str:
    """What `--help` shows of the composed configuration; raises UserError where its experiment is another's."""
    values = OmegaConf.to_container(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    assert isinstance(values, dict)
    told = {str(name): value for name, value in values.items()}
    choice = config.hydra.runtime.choices.get("experiment")
    find_kind(entry_point, choice, told)
    return help.text(
        config.hydra.help.header,
        choice,
        experiments_of(loader, entry_point),
        help.experiment_rows(entry_point, told["experiment"]),
        help.shared_rows(told),
    )


def respelled(arguments: Sequence[str], typed: Sequence[str], spelled: Sequence[str]) -> list[str]:
    """The arguments with their settings in another spelling, flags as they were."""
    return [*(each for each in arguments if each not in typed), *spelled]


def show_by_hydra(entry_point: str, arguments: list[str]) -> bool:
    """Whatever Hydra shows by itself: the composed configuration, its plugins and flags, shell completion.

    Whether it could; if not, Hydra has said why.
    """
    store_settings()
    application = hydra.main(version_base="1.3", config_path=str(CONF), config_name=entry_point)(_never_called)
    with _command_line([sys.argv[0], *arguments]):
        try:
            application()
        except SystemExit as end:  # not 0 where `--package` names nothing; Hydra has said so
            return not end.code
    return True


def _never_called(config: DictConfig) -> None:
    raise AssertionError("Hydra was asked to show something, and wanted to run a job")


@contextlib.contextmanager
def _command_line(argv: list[str]) -> Iterator[None]:
    """The process's arguments replaced, and Hydra told to raise its errors instead of printing them."""
    argv_before, flag_before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = argv, "1"
    try:
        yield
    finally:
        sys.argv = argv_before
        if flag_before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = flag_before
