"""What one job has traced and compiled serves the later ones of equal settings, in the same process of tests.

Knows where jobs make environments, agents and their programs; knows no job. For tests of what jobs read and write: that
a process of its own comes to the same is for those that start one.
"""

import contextlib
import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from landscapes.envs import brax, registry
from landscapes.envs.tasks import split_environment_name
from landscapes.errors import UserError
from landscapes.experience import rollout
from landscapes.types import Agent, Environment


class _TheVery:
    """Equal to itself alone; keeps what it names, so that nothing else gets its identity."""

    def __init__(self, x: object) -> None:
        self._x = x

    def __hash__(self) -> int:
        return id(self._x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _TheVery) and self._x is other._x


def _key(x: Any) -> Any:
    """What tells arguments apart. Environments, agents and functions are told by identity."""
    if isinstance(x, Environment | Agent) or callable(x):
        return _TheVery(x)
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


MOST = 60
"""So many environments, agents or programs of one kind are kept."""

_apart = False


class _Once:
    """`make`, called once for each `key(*arguments)`, of which the latest are kept."""

    def __init__(self, make: Callable[..., Any], key: Callable[..., Any]) -> None:
        self._make, self._key = make, key
        self.made: dict[Any, Any] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        key = self._key(*arguments, **named)
        if key is None or _apart:
            return self._make(*arguments, **named)
        made = self.made.pop(key) if key in self.made else self._make(*arguments, **named)
        self.made[key] = made
        if len(self.made) > MOST:
            del self.made[next(iter(self.made))]
        return made


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


_MAKERS = (
    ("run_algorithm.train", "make_environment", _of_environment),
    ("run_algorithm.train", "make_agent", _of_agent),
    ("landscapes.loading", "rebuild", _of_run),
    ("landscapes.training", "make_trainer", _by_arguments),
    ("landscapes.training", "make_evaluator", _of_rollouts),
    ("landscapes.studies.measurement", "make_neighborhood", _by_arguments),
    ("landscapes.studies.measurement", "make_programs", _of_rollouts),
    ("landscapes.studies.rejection", "make_updater", _by_arguments),
    ("landscapes.studies.cloning", "make_cloner", _by_arguments),
)


@functools.cache
def _sharers() -> list[tuple[Any, str, _Once]]:
    """Of all modules that share: what stands in for which function of which module."""
    modules = [(importlib.import_module(where), name, key) for where, name, key in _MAKERS]
    return [(module, name, _Once(getattr(module, name), key)) for module, name, key in modules]


def forget() -> None:
    """Lets all go that was made so far."""
    if _sharers.cache_info().currsize:
        for _, _, once in _sharers():
            once.made.clear()


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Inside, jobs in this process share their programs, with those of earlier times too."""
    with pytest.MonkeyPatch.context() as patch:
        for where in _sharers():
            patch.setattr(*where)
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
