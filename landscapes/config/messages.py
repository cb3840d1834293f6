"""What Hydra and OmegaConf complain about, said in one line with key, value and what is allowed.

Knows their exceptions and the keys of a composed configuration; decides nothing about what is right.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from landscapes.config.published import published_keys
from landscapes.errors import UserError
from landscapes.settings.fields import closest

_PREFIXES = "+~"
_GROUPS = ("experiment", "job_config")

_MOST_LISTED = 20
"""Keys that are named in one line."""


def unreadable(argument: str, error: Exception) -> UserError:
    """An argument that Hydra's grammar refuses."""
    key, equals, value = argument.partition("=")
    if not equals or not key:
        return UserError("argument", argument, "settings are given as key=value")
    reason = str(error).splitlines()[0].removeprefix(f"Error parsing override '{argument}'").strip()
    if "'" in value or '"' in value:
        hint = f"""; check the quotes: one text is {key}="'a'", several are {key}="'a','b'\""""
    else:
        hint = f"""; a text with special characters needs double quotes: {key}="'a=b'\""""
    return UserError(key, value, f"Hydra cannot read this ({reason or 'bad grammar'}){hint}")


def explain(error: Exception, loader: ConfigLoader, entry_point: str, overrides: Sequence[str]) -> UserError:
    """Why a configuration could not be composed from those arguments (which are known to be readable)."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return UserError(group or "conf", choice, f"no such choice; {closest(choice, list(error.options or []))}")
    return _unknown_key(loader, entry_point, overrides) or _other(error, overrides)


def broken_file(error: Exception, overrides: Sequence[str]) -> UserError:
    """A file in conf/ that is no YAML, or whose defaults list leads back to itself."""
    if isinstance(error, RecursionError):
        reason = "a defaults list leads back to the file that it is in"
    else:
        reason = f"a file is no YAML: {' '.join(str(error).split())}"
    return UserError("conf", " ".join(overrides), reason)


def unresolvable(error: OmegaConfBaseException, config: DictConfig, name: str) -> UserError:
    """An interpolation such as `${random_sed}` below the key `name` that leads nowhere."""
    key = error.full_key or name
    value: Any = OmegaConf.to_container(config, resolve=False)
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) and part in value else "${...}"
    return UserError(key, value, str(error).splitlines()[0])


def as_typed(error: UserError, overrides: Sequence[str]) -> UserError:
    """The error with the value as the user typed it: Hydra reads 16904957_3 as the number 169049573."""
    typed = {text.partition("=")[0]: text.partition("=")[2] for text in overrides}.get(error.key, "")
    # Of several values there is no telling which one is meant.
    if not typed or any(character in typed for character in ",([{$"):
        return error
    return UserError(error.key, typed, error.allowed.replace(f"'{error.value}'", f"'{typed}'"))


def _unknown_key(loader: ConfigLoader, entry_point: str, overrides: Sequence[str]) -> UserError | None:
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [
        str(override.input_line)
        for override in parsed
        if not override.is_sweep_override() and loader.get_group_options(override.key_or_group)
    ]
    try:
        config = loader.load_configuration(entry_point, choices, RunMode.MULTIRUN, validate_sweep_overrides=False)
    except (HydraException, OmegaConfBaseException, ValueError):
        return None
    for override in parsed:
        key, value = override.key_or_group, str(override.input_line).partition("=")[2]
        if override.is_add() or override.is_force_add() or str(override.input_line) in choices or _has(config, key):
            continue
        hint = _suggestion(config, key, entry_point)
        if key.startswith("experiment.") and any(_is_of_own(each) for each in parsed):
            hint = (
                f"{hint if 'mean' in hint else ''} settings of an algorithm of your own are added: +{key}=...".strip()
            )
        return UserError(key, value, f"no such key; {hint}")
    return None


def _has(config: DictConfig, key: str) -> bool:
    node: Any = config
    for name in key.split("."):
        # `in` would deny keys whose value is still missing.
        if not isinstance(node, DictConfig) or name not in list(node.keys()):
            return False
        node = node._get_node(name)
    return True


def _suggestion(config: DictConfig, key: str, entry_point: str) -> str:
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    places = [place for place in _places(container) if place.startswith("hydra") == key.startswith("hydra")]
    published = published_keys(entry_point, config.hydra.runtime.choices.get("experiment"))
    near = _near(key, places if key.startswith("hydra") else [*places, *published])
    if near:
        return f"did you mean {' or '.join(near)}?"
    parent = key.rpartition(".")[0]
    siblings = [place for place in places if place.rpartition(".")[0] == parent] or [place for place in places if place]
    if len(siblings) > _MOST_LISTED:
        return "--help shows all keys"
    return f"there are {', '.join(place.rpartition('.')[2] for place in siblings)}"


def _is_of_own(override: Override) -> bool:
    """Whether it names an algorithm of the user's own."""
    return override.key_or_group == "experiment.algorithm" and "." in str(override.input_line).partition("=")[2]


def _near(key: str, places: Sequence[str]) -> list[str]:
    """One or two of those keys that may have been meant, those beside it first."""
    parent, _, last = key.rpartition(".")
    names = {place.rpartition(".")[2] for place in places}
    near = [last] if last in names else difflib.get_close_matches(last, sorted(names), n=1)
    found = [place for place in places if place.rpartition(".")[2] in near]
    return sorted(found, key=lambda place: place.rpartition(".")[0] != parent)[:2]


def _places(values: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if f"{prefix}{name}" != "experiment.kind":  # a file's to say, and nobody's to type
            yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _places(value, f"{prefix}{name}.")
    if not prefix:
        yield from (group for group in _GROUPS if group not in values)


def _other(error: Exception, overrides: Sequence[str]) -> UserError:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in f"{cause}\n{error}".splitlines() if line.strip()] or [type(error).__name__]
    # A line that announces the next one says nothing by itself.
    reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    key = getattr(cause, "full_key", None)
    texts = {text.lstrip(_PREFIXES).partition("=")[0]: text.partition("=")[2] for text in overrides}
    named = [name for name in texts if name == key or f"'{name}" in str(error) or f" {name}=" in str(error)]
    if named:
        return UserError(named[0], texts[named[0]], reason)
    return UserError(key or "command line", " ".join(overrides), reason)
