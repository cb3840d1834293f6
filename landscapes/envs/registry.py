"""Environments by name.

Knows how a name, or the dotted path to a user's own `make`, becomes an environment; leaves every simulator to its own
module, and the names on offer to `landscapes.envs.tasks`.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from landscapes.envs.tasks import (
    BOX2D,
    GYMNASIUM,
    GYMNAX,
    PLAYGROUND,
    backend_of,
    canonical,
    options_of,
    split_environment_name,
)
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
    name: str,
    backend: str | None = None,
    episode_length: int = 1000,
    key: str = "env",
    options: Mapping[str, Any] = MappingProxyType({}),
    training: bool = False,
) -> Environment:
    """The environment called `name`, truncated after `episode_length` steps.

    `name` is a task of `tasks.TASKS` or the dotted path to a function `make(episode_length, backend) -> Environment`;
    without `backend` it runs on the task's own. Some options act only while `training`.
    Raises UserError (naming `key`, `experiment.backend` or an option) for what does not exist.
    """
    backend, chosen = backend_of(name, backend, key), options_of(name, options)
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
    if chosen is not None:
        from landscapes.envs import atari

        chosen = dataclasses.replace(chosen, life_loss=chosen.life_loss and training)
        return atari.make(canonical(name), episode_length, chosen, key)
    if backend == GYMNASIUM:
        from landscapes.envs import box2d, gym_mujoco

        return (box2d if name in BOX2D else gym_mujoco).make(name, episode_length, key)
    if backend == PLAYGROUND:
        from landscapes.envs import playground

        return playground.make(name, episode_length, key)
    from landscapes.envs import brax

    return brax.make(name, backend, episode_length)
