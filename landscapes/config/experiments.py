"""Which experiments there are: the files in conf/experiment/ and in folders of the user's own.

Knows Hydra's groups and what an experiment's file must say; knows no experiment by name.
"""

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ConfigDefault
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from landscapes.config.kinds import KINDS, entry_point_of
from landscapes.config.published import is_published_experiment
from landscapes.config.training import own_keys
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import shown


def store_settings() -> None:
    """Puts each algorithm's settings where a file's defaults list finds them, as `/settings/NAME@_here_`."""
    store = ConfigStore.instance()
    if "settings" in store.repo:
        return
    for name in ALGORITHMS:
        store.store(group="settings", name=name, node={each.name: each.default for each in own_keys(name)})


def check_experiment(loader: ConfigLoader, entry_point: str, choice: str | None) -> None:
    """Raises UserError, naming those on offer, where the entry point has no experiment of that name."""
    if choice in loader.get_group_options("experiment"):
        other = entry_point_of(_kind(loader, str(choice)))
    else:
        other = "run_algorithm" if is_published_experiment(choice) else None
        if other is None:
            raise _refused(loader, entry_point, choice, "no such experiment")
    if other not in (None, entry_point):  # whatever else is wrong with a file of the user's own shows once it is read
        raise _refused(loader, entry_point, choice, f"belongs to {other}")


def experiments_of(loader: ConfigLoader, entry_point: str) -> list[str]:
    """The experiments of an entry point."""
    return [name for name in loader.get_group_options("experiment") if _kind(loader, name) in KINDS[entry_point]]


def _refused(loader: ConfigLoader, entry_point: str, choice: str | None, reason: str) -> UserError:
    listed = ", ".join(experiments_of(loader, entry_point))
    return UserError("experiment", shown(choice), f"{reason}; {entry_point} has {listed}")


def _kind(loader: ConfigLoader, name: str, built_before: tuple[str, ...] = ()) -> str | None:
    """As the file says, or the one that it is built on; read without composing it, which would take much longer."""
    assert isinstance(loader, ConfigLoaderImpl)
    try:
        found = loader.repository.load_config(f"experiment/{name.removeprefix('/experiment/')}")
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError):
        return None  # said in full to whoever chooses it
    if found is None or not isinstance(found.config, DictConfig):
        return None
    if "kind" in found.config:
        return str(found.config.kind)
    before = (*built_before, "_self_", name)
    built_on = (each.path for each in found.defaults_list or () if isinstance(each, ConfigDefault) and each.path)
    return next(filter(None, (_kind(loader, path, before) for path in built_on if path not in before)), None)
