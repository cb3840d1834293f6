"""Composes conf/ and `key=value` arguments into validated jobs, one or all members of a sweep.

Knows Hydra's loader and grammar; launches nothing, and leaves the wording of Hydra's own errors to `messages`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from landscapes.config.experiments import check_experiment, store_settings
from landscapes.config.job import Job, SharedSettings, make_job
from landscapes.config.members import listed_values, member_error, sweep_members
from landscapes.config.messages import as_typed, broken_file, explain, unreadable, unresolvable
from landscapes.config.published import Spelled, spell, spelling_of
from landscapes.errors import UserError
from landscapes.machine import folders
from landscapes.settings.fields import MISSING, closest, shown

CONF = folders.CONF
"""The YAML of all entry points."""

_SHARED = tuple(each.name for each in fields(SharedSettings))


def compose_job(entry_point: str, overrides: Sequence[str] = ()) -> Job:
    """The job that `python -m ENTRY_POINT OVERRIDES` would run, e.g. `compose_job("run_algorithm", ["random_seed=1"])`.

    Raises UserError for whatever does not fit, several values for one key (a sweep) included.
    """
    with hydra_loader(entry_point) as loader:
        spelled, config = load_one(loader, entry_point, overrides, read_overrides(loader, entry_point, overrides))
        return job_of(entry_point, config, spelled)


def compose_sweep(entry_point: str, overrides: Sequence[str]) -> list[Job]:
    """The jobs of all members that `python -m ENTRY_POINT --multirun OVERRIDES` would launch, in order."""
    with hydra_loader(entry_point) as loader:
        parsed = read_overrides(loader, entry_point, overrides)
        common = load_common(loader, entry_point, parsed)
        return list(member_jobs(loader, entry_point, parsed, member_arguments(loader, entry_point, parsed, common)))


# What launching needs besides


class _Sources(ConfigRepository):
    """Where YAML is looked for.

    Hydra copies this for every question, with all settings that are stored, which took most of composing; it is only
    ever given a new list of sources, for which a shallow copy will do.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Sources":
        return copy(self)


@contextmanager
def hydra_loader(entry_point: str, conf: Path = CONF, own: Path | None = None) -> Iterator[ConfigLoader]:
    """Hydra's loader over one tree of YAML, and behind it one of the user's own; whatever Hydra was set up for before
    is set up again afterwards."""
    if not conf.is_dir():
        raise UserError("conf", conf, "there is no such folder; install landscapes anew")
    store_settings()
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf), job_name=entry_point, version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            assert isinstance(loader, ConfigLoaderImpl)
            if own is not None:
                loader.config_search_path.prepend(provider="--config-dir", path=f"file://{own}", anchor="schema")
            loader.repository = _Sources(loader.config_search_path)
            yield loader
    finally:
        GlobalHydra.instance().hydra = outer


def read_overrides(loader: ConfigLoader, entry_point: str, overrides: Sequence[str]) -> list[Override]:
    """The arguments by Hydra's grammar; raises UserError for one that it cannot read and for a choice not on offer."""
    parser = OverridesParser.create(config_loader=loader)
    parsed = []
    for text in overrides:
        if not text.strip("+~").partition("=")[0]:
            raise unreadable(text, HydraException())
        try:
            parsed += parser.parse_overrides([text])
        except (HydraException, ValueError) as error:  # the latter: an integer of thousands of digits
            raise unreadable(text, error) from error
    for override in parsed:
        if override.key_or_group == "experiment":
            for choice in [None] if override.is_delete() else listed_values(override):
                check_experiment(loader, entry_point, choice)
        if override.key_or_group == "job_config":
            _check_preset(override, loader.get_group_options("job_config"))
    return parsed


def refuse_sweeps(parsed: Sequence[Override]) -> None:
    """Raises UserError for the first key that is given several values."""
    for override in parsed:
        if override.is_sweep_override():
            key, _, value = str(override.input_line).partition("=")
            allowed = f"several values need --multirun; a list is {key}=[a,b], a text with a comma {key}=\"'a,b'\""
            raise UserError(key, value, allowed)


def spelling(loader: ConfigLoader, entry_point: str, overrides: Sequence[str]) -> Spelled:
    """The arguments of one job as Hydra composes them; raises UserError where one setting is typed in two ways."""
    return spell(entry_point, overrides, _SHARED, lambda key: bool(loader.get_group_options(key)))


def load(loader: ConfigLoader, entry_point: str, spelled: Spelled) -> DictConfig:
    """The composed configuration, Hydra's own part included; raises UserError where Hydra cannot compose it."""
    overrides = spelled.overrides
    try:
        config = loader.load_configuration(entry_point, overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise spelled.error(explain(error, loader, entry_point, overrides)) from error
    except (YAMLError, RecursionError) as error:  # in a file of the user's own
        raise broken_file(error, overrides) from error
    for name in ("launcher", "sweeper"):
        own = config.hydra[name]
        if not OmegaConf.is_dict(own) or not isinstance(own.get("_target_"), str):
            raise UserError(f"hydra.{name}", shown(own), "must stay a group; job_config= says how members run")
    return config


def load_one(
    loader: ConfigLoader, entry_point: str, overrides: Sequence[str], parsed: Sequence[Override]
) -> tuple[Spelled, DictConfig]:
    """The arguments of one job and what they compose; raises UserError where a key is given several values."""
    refuse_sweeps(parsed)
    spelled = spelling(loader, entry_point, overrides)
    return spelled, load(loader, entry_point, spelled)


def load_common(loader: ConfigLoader, entry_point: str, parsed: Sequence[Override]) -> DictConfig:
    """What all members of a sweep have in common: how they run. Settings of experiments are as they are in conf/."""
    return load(loader, entry_point, Spelled([str(each.input_line) for each in parsed if _is_common(loader, each)]))


def member_spelling(entry_point: str, experiment: str | None, keys: Sequence[str]) -> Spelled:
    """How the keys of a sweep's arguments were typed, seen from a member of it that runs that experiment."""
    return spelling_of(entry_point, experiment, keys, _SHARED)


def job_of(entry_point: str, config: DictConfig, spelled: Spelled, sweep_index: int | None = None) -> Job:
    """The validated job of a composed configuration that still has Hydra's part."""
    choice = config.hydra.runtime.choices.get("experiment")
    try:
        return make_job(entry_point, choice, plain_values(config), sweep_index, spelled=spelled)
    except UserError as error:
        if sweep_index is None:
            error = as_typed(error, typed_arguments(config.hydra))
        raise spelled.error(error) from error


def typed_arguments(own: DictConfig) -> list[str]:
    """The arguments as typed, from Hydra's part of a configuration; `${...}` in them stays as it is."""
    texts = OmegaConf.to_container(own.overrides.task, resolve=False)
    assert isinstance(texts, list)
    return [str(text) for text in texts]


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The configuration without Hydra's part, as nested dicts with every interpolation resolved."""
    values: dict[str, Any] = {}
    for name in map(str, config):
        if name == "hydra":
            continue
        try:
            node = MISSING if OmegaConf.is_missing(config, name) else config[name]
            values[name] = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
        except OmegaConfBaseException as error:
            raise unresolvable(error, config, name) from error
    return values


def member_arguments(
    loader: ConfigLoader, entry_point: str, parsed: Sequence[Override], config: DictConfig
) -> list[list[str]]:
    """The arguments of each member of a sweep; besides those typed, the composed configuration may list some."""
    params = config.hydra.sweeper.params or {}
    return sweep_members([*read_overrides(loader, entry_point, [f"{k}={v}" for k, v in params.items()]), *parsed])


def member_jobs(
    loader: ConfigLoader, entry_point: str, parsed: Sequence[Override], members: Sequence[Sequence[str]]
) -> Iterator[Job]:
    """The validated job of each member of a sweep, by its arguments; errors say which member is meant.

    Composing takes a tenth of a second, and a published sweep has a thousand members: each choice of groups is composed
    once, and single values are then set in the composed configuration.
    """
    own = [str(override.input_line) for override in parsed if override.is_hydra_override()]
    parse = cache(OverridesParser.create().parse_override)
    is_group = cache(lambda key: bool(loader.get_group_options(key)))
    composed: dict[tuple[str, ...], DictConfig] = {}
    for index, member in enumerate(members):
        try:
            spelled = spell(entry_point, member, _SHARED, is_group)
            overrides = [parse(text) for text in spelled.overrides]
            # A mapping would be merged into what the member before has left, an added key would stay for the next.
            anew = [each for each in overrides if _is_composed(each, is_group)]
            choice = tuple(str(override.input_line) for override in anew)
            if choice not in composed:
                composed[choice] = load(loader, entry_point, Spelled([*own, *spelled.overrides], spelled.typed))
            with spelled.errors_as_typed():
                for override in overrides:
                    if override not in anew:
                        _set(composed[choice], override)
            yield job_of(entry_point, composed[choice], spelled, index)
        except UserError as error:
            raise member_error(error, index, len(members)) from error


def _is_composed(override: Override, is_group: Callable[[str], bool]) -> bool:
    """Whether an argument cannot be set in a configuration that was composed with another value of it."""
    simple = override.type == OverrideType.CHANGE
    return not simple or is_group(override.key_or_group) or isinstance(override.value(), dict)


def _is_common(loader: ConfigLoader, override: Override) -> bool:
    key = override.key_or_group
    if override.is_hydra_override() or (key != "experiment" and bool(loader.get_group_options(key))):
        return True
    return key.split(".")[0] in _SHARED and not override.is_sweep_override()


def _set(config: DictConfig, override: Override) -> None:
    try:
        OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    except OmegaConfBaseException as error:
        key, _, value = str(override.input_line).partition("=")
        raise UserError(key, value, str(error).splitlines()[0]) from error


def _check_preset(override: Override, presets: list[str]) -> None:
    if override.is_sweep_override():
        raise UserError("job_config", str(override.input_line).partition("=")[2], "cannot be swept over; give one")
    for choice in listed_values(override):
        if choice not in presets:
            raise UserError("job_config", choice, f"no such preset; {closest(choice, presets)}")
