"""A task whose training waits until a test has seen to its job, however fast the machine is.

Importing it, as naming its environment does, changes the trainer of that process: a call of the compiled loop begins
only when there is no file at the path in the variable `HOLD`. The first calls are left alone, so that there is a save.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landscapes import training
from landscapes.types import Environment
from tests.support import probes

HOLD = "LANDSCAPES_TEST_HOLD"
FREE_CALLS = 5


def line(episode_length: int, backend: str) -> Environment:
    """The environment `probes.line`."""
    return probes.line(episode_length)


def _held(make_trainer: Callable[[Any], training.Trainer]) -> Callable[[Any], training.Trainer]:
    def make(algorithm: Any) -> training.Trainer:
        trainer, calls = make_trainer(algorithm), iter(range(10**9))

        def advance(*arguments: Any) -> Any:
            if next(calls) >= FREE_CALLS:
                # Not in the process that only looks whether the members of a sweep can be imported.
                while HOLD in os.environ and Path(os.environ[HOLD]).exists():
                    time.sleep(0.05)
            return trainer.advance(*arguments)

        return trainer._replace(advance=advance)

    return make


training.make_trainer = _held(training.make_trainer)
