"""Algorithms by name.

Knows the names on offer and how a user's own `make` is found; knows no algorithm from inside.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from landscapes.envs.registry import import_make, split_environment_name
from landscapes.errors import UserError
from landscapes.types import Algorithm, Environment

ALGORITHMS = ("td3", "sac", "ppo")
"""Each is a module of this room with a dataclass `Config` and a function `make(config, env)`."""


def make_algorithm(name: str, settings: Mapping[str, Any], env: Environment, key: str = "algo") -> Algorithm:
    """The algorithm `name` with its `settings` (fields of its `Config`), bound to `env`.

    `name` may be the dotted path to a function `make(config, env) -> Algorithm`; if a dataclass `Config` lies beside
    it, the settings are passed as one, else as a plain dict. Raises UserError for what does not exist or does not fit.
    """
    if split_environment_name(name):
        make = import_make(key, name)
        config_class = getattr(importlib.import_module(make.__module__), "Config", None)
    elif name in ALGORITHMS:
        module = importlib.import_module(f"landscapes.algorithms.{name}")
        make, config_class = module.make, module.Config
    else:
        near = difflib.get_close_matches(name, ALGORITHMS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(key, name, f"must be one of {', '.join(ALGORITHMS)}, or the dotted path to a make{hint}")
    config = dict(settings) if config_class is None else make_config(config_class, settings)
    algorithm = make(config, env)
    if not isinstance(algorithm, Algorithm):
        raise UserError(key, name, f"returned a {type(algorithm).__name__}; a landscapes.types.Algorithm is needed")
    return algorithm


def make_config(config_class: Any, settings: Mapping[str, Any]) -> Any:
    """`config_class(**settings)`; a name that is not one of its fields is a UserError naming those that are."""
    names = [f.name for f in fields(config_class)]
    for name, value in settings.items():
        if name not in names:
            raise UserError(name, value, f"is not a setting here; there are {', '.join(names)}")
    return config_class(**settings)
