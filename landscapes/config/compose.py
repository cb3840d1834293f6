"""Composes conf/ and `key=value` arguments into validated jobs, one or all members of a sweep.

Knows Hydra's loader and grammar; launches nothing, and leaves the wording of Hydra's own errors to `messages`.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from landscapes.config.fields import MISSING, closest, shown
from landscapes.config.job import Job, find_schema, make_job
from landscapes.config.messages import as_typed, explain, unreadable, unresolvable
from landscapes.errors import UserError

CONF = Path(__file__).resolve().parents[2] / "conf"
"""The YAML of all entry points, beside the packages in the repository's root."""


def compose_job(entry_point: str, overrides: Sequence[str] = ()) -> Job:
    """The job that `python -m ENTRY_POINT OVERRIDES` would run, e.g. `compose_job("run_algorithm", ["random_seed=1"])`.

    Raises UserError for whatever does not fit, several values for one key (a sweep) included.
    """
    with hydra_loader(entry_point) as loader:
        parsed = read_overrides(loader, entry_point, overrides)
        refuse_sweeps(parsed)
        return job_of(entry_point, load(loader, entry_point, overrides))


def compose_sweep(entry_point: str, overrides: Sequence[str]) -> list[Job]:
    """The jobs of all members that `python -m ENTRY_POINT --multirun OVERRIDES` would launch, in order."""
    with hydra_loader(entry_point) as loader:
        parsed = read_overrides(loader, entry_point, overrides)
        return list(member_jobs(loader, entry_point, overrides, parsed))


# What launching needs besides


@contextmanager
def hydra_loader(entry_point: str, conf: Path = CONF) -> Iterator[ConfigLoader]:
    """Hydra's loader over one tree of YAML; whatever Hydra was set up for before is set up again afterwards."""
    if not conf.is_dir():
        raise UserError("conf", conf, "there is no such folder; install the repository in place: pip install -e .")
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf), job_name=entry_point, version_base="1.3"):
            yield GlobalHydra.instance().config_loader()
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
        except HydraException as error:
            raise unreadable(text, error) from error
    for override in parsed:
        if override.key_or_group == "experiment" and not override.is_delete():
            for choice in _choices(override):
                find_schema(entry_point, choice)
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


def load(loader: ConfigLoader, entry_point: str, overrides: Sequence[str]) -> DictConfig:
    """The composed configuration, Hydra's own part included; raises UserError where Hydra cannot compose it."""
    try:
        return loader.load_configuration(entry_point, list(overrides), RunMode.MULTIRUN, validate_sweep_overrides=False)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise explain(error, loader, entry_point, overrides) from error


def job_of(entry_point: str, config: DictConfig, sweep_index: int | None = None) -> Job:
    """The validated job of a composed configuration that still has Hydra's part."""
    choice = config.hydra.runtime.choices.get("experiment")
    try:
        return make_job(entry_point, choice, plain_values(config), sweep_index)
    except UserError as error:
        if sweep_index is not None:
            raise
        raise as_typed(error, typed_arguments(config.hydra)) from error


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


def sweep_members(parsed: Sequence[Override], params: dict[str, str] | None = None) -> list[list[str]]:
    """The arguments of each member: the product of all values, the last key given varying fastest."""
    extra = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in (params or {}).items()])
    ours = [override for override in [*extra, *parsed] if not override.is_hydra_override()]
    try:
        return BasicSweeper.split_arguments(ours, None)[0]
    except HydraException as error:
        swept = next(override for override in ours if override.is_sweep_override() and not override.is_discrete_sweep())
        key, _, value = str(swept.input_line).partition("=")
        raise UserError(key, value, "only single values can be swept over: a,b or range(a,b)") from error


def member_jobs(
    loader: ConfigLoader, entry_point: str, overrides: Sequence[str], parsed: Sequence[Override]
) -> Iterator[Job]:
    """The validated job of each member of a sweep.

    Composing takes a tenth of a second, and a published sweep has a thousand members: each choice of groups is composed
    once, and single values are then set in the composed configuration.
    """
    master = load(loader, entry_point, overrides)
    swept = {override.key_or_group for override in parsed if override.is_sweep_override()}
    swept |= set(master.hydra.sweeper.params or {})
    members = sweep_members(parsed, master.hydra.sweeper.params)
    own = [str(override.input_line) for override in parsed if override.is_hydra_override()]
    parse = cache(OverridesParser.create().parse_override)
    is_group = cache(lambda key: bool(loader.get_group_options(key)))
    composed: dict[tuple[str, ...], DictConfig] = {}
    for index, member in enumerate(members):
        moving = [parse(text) for text in member if parse(text).key_or_group in swept]
        # A mapping would be merged into what the member before has left.
        anew = [each for each in moving if is_group(each.key_or_group) or isinstance(each.value(), dict)]
        choice = tuple(str(override.input_line) for override in anew)
        if choice not in composed:
            composed[choice] = load(loader, entry_point, [*own, *member])
        for override in moving:
            if override not in anew:
                OmegaConf.update(composed[choice], override.key_or_group, override.value(), merge=True)
        yield job_of(entry_point, composed[choice], index)


def _choices(override: Override) -> list[str]:
    value = override.value()
    listed = value.list if isinstance(value, ChoiceSweep) else [value]
    return [shown(getattr(choice, "text", choice)) for choice in itertools.chain(listed)]


def _check_preset(override: Override, presets: list[str]) -> None:
    if override.is_sweep_override():
        raise UserError("job_config", str(override.input_line).partition("=")[2], "cannot be swept over; give one")
    for choice in _choices(override):
        if choice not in presets:
            raise UserError("job_config", choice, f"no such preset; {closest(choice, presets)}")
