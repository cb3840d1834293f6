"""Environments by name.

Knows how a name, or the dotted path to a user's own `make`, becomes an environment; leaves every simulator to its own
module, and the names on offer to `landscapes.envs.tasks`.
"""

import importlib
from collections.abc import Callable
from typing import Any

from landscapes.envs.tasks import GYMNAX, backend_of, split_environment_name
from landscapes.errors import UserError
from landscapes.types import Environment


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
    name: str, backend: str | None = None, episode_length: int = 1000, key: str = "env"
) -> Environment:
    """The environment called `name`, truncated after `episode_length` steps.

    `name` is a task of `tasks.TASKS` or the dotted path to a function `make(episode_length, backend) -> Environment`;
    without `backend` it runs on the task's own.
    Raises UserError (naming `key`, or `experiment.backend`) for what does not exist.
    """
    backend = backend_of(name, backend, key)
    if split_environment_name(name):
        environment = import_make(key, name)(episode_length=episode_length, backend=backend)
        if not isinstance(environment, Environment):
            raise UserError(
                key, name, f"returned a {type(environment).__name__}; a landscapes.types.Environment is needed"
            )
        return environment
    if backend == GYMNAX:
        from landscapes.envs import classic

        return classic.make(name, episode_length, key)
    from landscapes.envs import brax

    return brax.make(name, backend, episode_length)
