"""How a task of gymnasium is built, or one line that says what to install.

Knows gymnasium's registry; knows no task.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from landscapes.errors import UserError


def creator(name: str, key: str) -> tuple[Callable[[], Any], int]:
    """What builds a copy of the task `name`, without wrappers, and the task's own limit in steps.

    Raises UserError, naming `key`, where a package is missing.
    """
    try:
        import gymnasium
        from gymnasium.envs.registration import load_env_creator

        spec = gymnasium.spec(name)
        # Python 3.11 and later warn of what Box2D's SWIG has built: a crash where warnings are errors.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            create = functools.partial(load_env_creator(str(spec.entry_point)), **spec.kwargs)
            create().close()
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        allowed = f"needs a package that cannot be imported ({error}): pip install -r gymnasium_requirements.txt"
        raise UserError(key, name, " ".join(allowed.split())) from error
    assert spec.max_episode_steps is not None
    return create, spec.max_episode_steps
