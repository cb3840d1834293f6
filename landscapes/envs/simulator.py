"""What a simulator must be that Python steps, and what there is to know of it before one is made.

Knows spaces; knows no simulator by name and no JAX program.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from landscapes.spaces import Box, Space


class Stepped(NamedTuple):
    """What a step of a simulator led to."""

    obs: np.ndarray
    reward: float
    ended: bool
    """Whether the task ended (a time limit is no end)."""
    goes_on: bool = False
    """Where it `ended`: for learning only, as with a lost life; the simulator goes on from where it stands."""


class Simulator(Protocol):
    """One copy of a simulator. Given a seed and the actions since, everything it does is the same again."""

    def reset(self, seed: int) -> np.ndarray:
        """A fresh episode; the first observation."""

    def step(self, action: Any) -> Stepped: ...

    def save(self) -> np.ndarray:
        """Where it stands, `[saved_size]` uint8. Never called where that size is 0."""

    def restore(self, saved: np.ndarray) -> None:
        """Stands there again, its random numbers included; a step follows, before anything is looked at."""

    def look(self, what: str) -> Any:
        """Of where it stands: its `observation`, its `picture` `[height, width, 3]` uint8, or its `pose`, of each link
        its position in metres and its rotation as a unit quaternion, `[num_links, 3 + 4]`.

        Changes nothing; asked only for what `Hosted` says that it has.
        """

    def close(self) -> None: ...


class Hosted(NamedTuple):
    """What there is to know of a simulator before one is made."""

    name: str
    make: Callable[[], Simulator]
    """Makes one, in this process or in another: a function or class of a module, or a `functools.partial` of one."""
    observation: Box
    action: Space
    episode_length: int
    saved_size: int = 0
    """Bytes of what it saves; 0 where it cannot be saved, and is led to a state again by all its actions."""
    steps_per_save: int = 1
    """Steps between two savings: more where saving is dear and a step is not."""
    least_share: int = 4
    """Lanes that make it worth asking another process: as many as take as long as such a call, a tenth of a
    millisecond."""
    most_idle: int = 512
    """Simulators that wait at most; the one that has waited longest is given to the next state."""
    goes_on: bool = False
    """Whether some ends are for learning only."""
    picture: tuple[int, int] | None = None
    """Height and width of its pictures, where it has any."""
    seconds_per_step: float = 1 / 30
    """How long a picture is on the screen."""
    num_links: int = 0
    """Links of its pose; 0 where it has none."""
    scene: Callable[[], dict[str, Any]] | None = None
    """What to draw at the links of its pose."""

    @property
    def window(self) -> int:
        """How many actions a state may need."""
        return self.steps_per_save if self.saved_size else self.episode_length
