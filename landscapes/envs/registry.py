"""Environments by name.

Knows the names on offer and how a user's own `make` is found; leaves every simulator to its own module.
"""

import difflib
import importlib
from collections.abc import Callable
from typing import Any

from landscapes.errors import UserError
from landscapes.types import Environment


def split_environment_name(name: str) -> tuple[str, str] | None:
    """`(module, attribute)` of a dotted path such as `my_package.my_env.make`, or None for a name of ours."""
    module, _, attribute = name.rpartition(".")
    return (module, attribute) if module else None


def import_make(key: str, path: str) -> Callable[..., Any]:
    """The callable at a dotted path; raises UserError naming `key` where there is none."""
    module_name, _, attribute = path.rpartition(".")
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UserError(key, path, f"cannot be imported ({error}); give package.module.make") from error
    if not callable(make):
        raise UserError(key, path, "is not callable; give package.module.make")
    return make


def make_environment(
    name: str, backend: str = "positional", episode_length: int = 1000, key: str = "env_name"
) -> Environment:
    """The environment called `name`, truncated after `episode_length` steps.

    `name` is a Brax task or the dotted path to a function `make(episode_length, backend) -> Environment`.
    Raises UserError (naming `key`, or `backend`) for what does not exist.
    """
    if split_environment_name(name):
        environment = import_make(key, name)(episode_length=episode_length, backend=backend)
        if not isinstance(environment, Environment):
            raise UserError(
                key, name, f"returned a {type(environment).__name__}; a landscapes.types.Environment is needed"
            )
        return environment
    from landscapes.envs import brax, classic

    if name in classic.TASKS:
        return classic.make(name, episode_length, key)
    if name not in brax.TASKS:
        tasks = (*brax.TASKS, *classic.TASKS)
        near = difflib.get_close_matches(name, tasks, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(key, name, f"must be one of {', '.join(tasks)}, or the dotted path to a make{hint}")
    if backend not in brax.BACKENDS:
        raise UserError("experiment.backend", backend, f"must be one of {', '.join(brax.BACKENDS)}")
    return brax.make(name, backend, episode_length)
