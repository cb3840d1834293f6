"""Algorithms by name.

Knows the names on offer and how a user's own `make` is found; knows no algorithm from inside.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from landscapes.envs.registry import import_make
from landscapes.envs.tasks import split_environment_name
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Algorithm


def make_algorithm(name: str, settings: Mapping[str, Any], spaces: Spaces, key: str = "algorithm") -> Algorithm:
    """The algorithm `name` with its `settings` (fields of its `Config`), bound to these spaces.

    `name` may be the dotted path to a function `make(config, spaces) -> Algorithm`; if a dataclass `Config` lies beside
    it, the settings are passed as one, else as a plain dict; a tuple `ACTIONS` beside it says which spaces of actions
    it can have. Raises UserError for what does not exist or does not fit.
    """
    make, config_class, actions = find_algorithm(name, key)
    if not isinstance(spaces.action, actions):
        others = [other for other in ALGORITHMS if isinstance(spaces.action, find_algorithm(other)[2])]
        raise UserError(key, name, f"cannot have actions that are {spaces.action}; {', '.join(others) or 'none'} can")
    config = dict(settings) if config_class is None else make_config(config_class, settings)
    algorithm = make(config, spaces)
    if not isinstance(algorithm, Algorithm):
        raise UserError(key, name, f"returned a {type(algorithm).__name__}; a landscapes.types.Algorithm is needed")
    return algorithm


def find_algorithm(name: str, key: str = "algorithm") -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """The `make` of an algorithm, its `Config` (None if it has none), and the spaces that its actions may be of.

    Raises UserError for what does not exist.
    """
    if split_environment_name(name):
        make = import_make(key, name)
        module = importlib.import_module(make.__module__)
        return make, getattr(module, "Config", None), getattr(module, "ACTIONS", (Box, Discrete))
    if name in ALGORITHMS:
        module = importlib.import_module(f"landscapes.algorithms.{name}")
        return module.make, module.Config, module.ACTIONS
    near = difflib.get_close_matches(name, ALGORITHMS, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UserError(key, name, f"must be one of {', '.join(ALGORITHMS)}, or the dotted path to a make{hint}")


def make_config(config_class: Any, settings: Mapping[str, Any]) -> Any:
    """`config_class(**settings)`; a name that is not one of its fields is a UserError naming those that are.

    What a setting was called before stands in `config_class.FORMER`, where there is one: by that name, a function from
    its value to the settings of today.
    """
    names = [f.name for f in fields(config_class)]
    former = getattr(config_class, "FORMER", {})
    today: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in names and name not in former:
            raise UserError(name, value, f"is not a setting here; there are {', '.join(names)}")
        for said, meant in former[name](value).items() if name in former else [(name, value)]:
            if said in today or (said in settings and said != name):
                raise UserError(name, value, f"says the same as {said}; give one of them")
            today[said] = meant
    return config_class(**today)
