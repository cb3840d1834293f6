"""Which tasks are on offer, and on which backends each of them runs: of Brax its physics.

Knows names only, so that a wrong one is found before JAX or a simulator is imported; builds nothing.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from landscapes.errors import UserError

BRAX = ("positional", "spring", "generalized", "mjx")
GYMNAX = "gymnax"
BACKENDS = (*BRAX, GYMNAX)

TASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ant": BRAX,
        "halfcheetah": BRAX,
        "hopper": BRAX,
        "humanoid": BRAX,
        "humanoidstandup": BRAX,
        "inverted_double_pendulum": BRAX,
        "inverted_pendulum": BRAX,
        "pusher": BRAX,
        "reacher": BRAX,
        "swimmer": ("generalized",),
        "walker2d": BRAX,
        "Acrobot-v1": (GYMNAX,),
        "CartPole-v1": (GYMNAX,),
        "MountainCar-v0": (GYMNAX,),
        "MountainCarContinuous-v0": (GYMNAX,),
        "Pendulum-v1": (GYMNAX,),
        "Asterix-MinAtar": (GYMNAX,),
        "Breakout-MinAtar": (GYMNAX,),
        "Freeway-MinAtar": (GYMNAX,),
        "Seaquest-MinAtar": (GYMNAX,),
        "SpaceInvaders-MinAtar": (GYMNAX,),
    }
)
"""Each task with its backends, its own first."""


def split_environment_name(name: str) -> tuple[str, str] | None:
    """`(module, attribute)` of a dotted path such as `my_package.my_env.make`, or None for a name of ours."""
    module, _, attribute = name.rpartition(".")
    return (module, attribute) if module else None


def backend_of(name: str, backend: str | None, key: str) -> str:
    """The backend of a task: the one asked for, else its own. Raises UserError, naming `key` or the backend's, for a
    task or a pair that is not there.

    What a dotted path leads to is not looked at: without a backend it is given Brax's first.
    """
    if split_environment_name(name):
        return backend or BRAX[0]
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(key, name, f"must be one of {', '.join(TASKS)}, or the dotted path to a make{hint}")
    if backend is None:
        return TASKS[name][0]
    if backend not in BACKENDS:
        raise UserError("experiment.backend", backend, f"must be one of {', '.join(BACKENDS)}")
    if backend not in TASKS[name]:
        raise UserError("experiment.backend", backend, f"{name} has only {', '.join(TASKS[name])}")
    return backend
