"""What one job of a test module has traced and compiled serves the later ones of equal settings, in the same process.

Knows where jobs make environments, agents and their programs; knows no job. For tests of what jobs read and write: that
a process of its own comes to the same is for those that start one.
"""

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from landscapes import loading, training
from landscapes.envs import brax, registry
from landscapes.envs.tasks import split_environment_name
from landscapes.errors import UserError
from landscapes.experience import rollout
from landscapes.studies import cloning, measurement, rejection
from landscapes.types import Agent, Environment


def _key(x: Any) -> Any:
    """What tells arguments apart. Environments, agents and functions are told by identity."""
    if isinstance(x, Environment | Agent) or callable(x):
        return ("the very", id(x))
    if isinstance(x, Mapping):
        return tuple(sorted((name, _key(value)) for name, value in x.items()))
    if isinstance(x, list | tuple):
        return (type(x), *map(_key, x))
    return type(x), x


def _source(name: str) -> Any:
    """The function that makes the environment of that name, which a test may have replaced; None if there is none."""
    with contextlib.suppress(UserError):
        return registry.import_make("env", name) if split_environment_name(name) else brax.make
    return None


_apart = False


class _Once:
    """`make`, called once for each `key(*arguments)`."""

    def __init__(self, make: Callable[..., Any], key: Callable[..., Any]) -> None:
        self._make, self._key = make, key
        # The arguments are kept too, so that no other object gets the identity of one.
        self._made: dict[Any, tuple[Any, Any]] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        key = self._key(*arguments, **named)
        if key is None or _apart:
            return self._make(*arguments, **named)
        if key not in self._made:
            self._made[key] = (self._make(*arguments, **named), (arguments, named))
        return self._made[key][0]


def _by_arguments(*arguments: Any, **named: Any) -> Any:
    return _key((arguments, named))


def _of_environment(name: str, *arguments: Any, **named: Any) -> Any:
    return _key((_source(name), name, arguments, named))


def _of_agent(name: str, *arguments: Any, **named: Any) -> Any:
    return None if "." in name else _key((name, arguments, named))


def _of_run(run: Any, *arguments: Any, **named: Any) -> Any:
    environment, algorithm = run.record["environment"], run.record["algorithm"]
    if "." in algorithm["name"]:
        return None
    told = json.dumps([environment, algorithm], sort_keys=True, default=repr)
    return _key((_source(environment["name"]), told, arguments, named))


def _of_rollouts(*arguments: Any, **named: Any) -> Any:
    """Not those of a test that lets all roll-outs fail."""
    return _key((rollout.make_engine, arguments, named))


_MADE = (
    ("run_algorithm.train", "make_environment", _of_environment),
    ("run_algorithm.train", "make_agent", _of_agent),
    (loading, "rebuild", _of_run),
    (training, "make_trainer", _by_arguments),
    (training, "make_evaluator", _of_rollouts),
    (measurement, "make_neighborhood", _by_arguments),
    (measurement, "_jit", _of_rollouts),
    (rejection, "make_updater", _by_arguments),
    (cloning, "make_cloner", _by_arguments),
)


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Inside, jobs in this process share their programs."""
    with pytest.MonkeyPatch.context() as patch:
        for where, name, key in _MADE:
            module = importlib.import_module(where) if isinstance(where, str) else where
            patch.setattr(module, name, _Once(getattr(module, name), key))
        yield


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Inside `sharing`, where jobs make their own all the same."""
    global _apart
    _apart = True
    try:
        yield
    finally:
        _apart = False
