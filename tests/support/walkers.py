"""A chain of places that Python steps, as an environment: with states that can be saved, and without.

Knows the contract of a hosted simulator; knows nothing else of the project.
"""

import numpy as np

from landscapes.envs.hosted import make_hosted
from landscapes.envs.simulator import Hosted, Stepped
from landscapes.spaces import Box, Discrete
from landscapes.types import Environment

NUM_PLACES = 5


class Walker:
    """Walk right along five places, slipping one time in ten; the last one pays 1 and ends the episode.

    `made` and `led` count how many there are, and how often one was restored or began an episode.
    """

    made = 0
    led = 0

    def __init__(self) -> None:
        Walker.made += 1
        self.place, self.generator = 0, np.random.default_rng(0)

    def reset(self, seed: int) -> np.ndarray:
        Walker.led += 1
        self.place, self.generator = 0, np.random.Generator(np.random.PCG64(seed))
        return self._seen()

    def step(self, action: np.ndarray) -> Stepped:
        right = bool(np.ravel(action)[0] > 0) ^ (self.generator.random() < 0.1)
        self.place = int(np.clip(self.place + (1 if right else -1), 0, NUM_PLACES - 1))
        ended = self.place == NUM_PLACES - 1
        return Stepped(self._seen(), float(ended), ended)

    def save(self) -> np.ndarray:
        state = self.generator.bit_generator.state["state"]
        numbers = [state["state"] >> 64, state["state"] % 2**64, state["inc"] >> 64, state["inc"] % 2**64, self.place]
        return np.array(numbers, np.uint64).view(np.uint8)

    def restore(self, saved: np.ndarray) -> None:
        Walker.led += 1
        high, low, inc_high, inc_low, place = (int(x) for x in np.ascontiguousarray(saved).view(np.uint64))
        generator = np.random.PCG64(0)
        whole = generator.state
        whole["state"] = {"state": (high << 64) + low, "inc": (inc_high << 64) + inc_low}
        generator.state = whole
        self.place, self.generator = place, np.random.Generator(generator)

    def look(self, what: str) -> np.ndarray:
        return self._seen()

    def close(self) -> None:
        pass

    def _seen(self) -> np.ndarray:
        return np.eye(NUM_PLACES, dtype=np.float32)[self.place]


STEPS_PER_SAVE = {"replayed": 1, "saved": 1, "rarely saved": 3}


def hosted(episode_length: int, backend: str, discrete: bool = True) -> Hosted:
    action = Discrete(2) if discrete else Box((1,), -1.0, 1.0)
    size, steps = 0 if backend == "replayed" else 40, STEPS_PER_SAVE[backend]
    # What is counted, is counted in this process: no lane is given to another one.
    return Hosted("walker", Walker, Box((NUM_PLACES,)), action, episode_length, size, steps, least_share=1000)


def make(episode_length: int = 12, backend: str = "saved", most_idle: int = 512) -> Environment:
    """`backend` is one of `STEPS_PER_SAVE`."""
    return make_hosted(hosted(episode_length, backend)._replace(most_idle=most_idle), backend)


def make_continuous(episode_length: int = 12, backend: str = "saved") -> Environment:
    return make_hosted(hosted(episode_length, backend, discrete=False), backend)
