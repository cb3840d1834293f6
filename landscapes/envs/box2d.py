"""LunarLander and BipedalWalker, stepped in Python as gymnasium has them, behind the environment contract.

Knows gymnasium's Box2D tasks; knows nothing of agents. Box2D can save nothing: a state is led to by its actions.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from landscapes.envs.gym_import import creator
from landscapes.envs.hosted import make_hosted
from landscapes.envs.simulator import Hosted, Stepped
from landscapes.envs.tasks import GYMNASIUM
from landscapes.spaces import Box, Discrete
from landscapes.types import Environment

SPARSE = {"LunarLanderSparse-v3": "LunarLander-v3"}
"""Tasks in which all that was earned is paid at the end, and those that they are made of."""

SCREEN = (400, 600)
"""Pixels that gymnasium draws; every second is kept."""

STEPS_PER_SECOND = 50


def make(name: str, episode_length: int, key: str = "env") -> Environment:
    """The task `name`, truncated after `episode_length` steps or its own limit, whichever comes first.

    Raises UserError, naming `key`, where a package is missing.
    """
    create, limit = creator(SPARSE.get(name, name), key)
    task, length = create(), min(episode_length, limit)
    actions = task.action_space
    hosted = Hosted(
        name=name,
        make=functools.partial(Machine, create, length if name in SPARSE else None),
        observation=Box(task.observation_space.shape),
        action=Discrete(int(actions.n)) if hasattr(actions, "n") else Box(actions.shape, -1.0, 1.0),
        episode_length=length,
        least_share=16,
        picture=(SCREEN[0] // 2, SCREEN[1] // 2),
        seconds_per_step=1 / STEPS_PER_SECOND,
    )
    return make_hosted(hosted, GYMNASIUM)


class Machine:
    """One task, built anew for each episode: a world that has been used goes on a little differently."""

    def __init__(self, create: Callable[[], Any], pays_at: int | None) -> None:
        self.create, self.task, self.pays_at = create, create(), pays_at
        self.obs = np.zeros(self.task.observation_space.shape, np.float32)
        self.earned, self.num_steps = 0.0, 0

    def reset(self, seed: int) -> np.ndarray:
        self.task.close()
        self.task, self.earned, self.num_steps = self.create(), 0.0, 0
        self.obs, _ = self.task.reset(seed=seed)
        return self.obs

    def step(self, action: np.ndarray) -> Stepped:
        self.obs, reward, ended, _, _ = self.task.step(action if action.ndim else int(action))
        self.num_steps += 1
        if self.pays_at is not None:
            self.earned += float(reward)
            reward = self.earned if ended or self.num_steps == self.pays_at else 0.0
        return Stepped(self.obs, float(reward), bool(ended))

    # Box2D's worlds cannot be saved: `Hosted.saved_size` is 0, and neither of these is ever called.

    def save(self) -> np.ndarray:
        raise NotImplementedError

    def restore(self, saved: np.ndarray) -> None:
        raise NotImplementedError

    def look(self, what: str) -> np.ndarray:
        if what == "observation":
            return self.obs
        # Only while it draws is it told to: else it would fill the world with sparks for the picture.
        self.task.render_mode = "rgb_array"
        try:
            return np.asarray(self.task.render())[::2, ::2]
        finally:
            self.task.render_mode = None

    def close(self) -> None:
        self.task.close()
