"""MuJoCo's own physics, stepped in Python as gymnasium has its tasks, behind the environment contract.

Knows gymnasium's MuJoCo tasks and mujoco; knows nothing of agents. States are saved as MuJoCo's integration states.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from landscapes.envs.gym_import import creator
from landscapes.envs.hosted import make_hosted
from landscapes.envs.scenes import scene_of
from landscapes.envs.simulator import Hosted, Stepped
from landscapes.envs.tasks import GYMNASIUM
from landscapes.spaces import Box
from landscapes.types import Environment

STANDS = ("InvertedDoublePendulum-v5", "InvertedPendulum-v5")
"""Tasks whose body stays where it is: no camera has to follow it."""


def make(name: str, episode_length: int, key: str = "env") -> Environment:
    """The task `name`, truncated after `episode_length` steps or its own limit, whichever comes first.

    Actions in [-1, 1] are scaled to the task's own range; observations are rounded to float32. Raises UserError, naming
    `key`, where a package is missing.
    """
    import mujoco

    create, limit = creator(name, key)
    task = create()
    model, size = task.model, mujoco.mj_stateSize(task.model, mujoco.mjtState.mjSTATE_INTEGRATION)
    links = [model.body(index).name for index in range(1, model.nbody)]
    hosted = Hosted(
        name=name,
        make=functools.partial(Body, create),
        observation=Box(task.observation_space.shape),
        action=Box(task.action_space.shape, -1.0, 1.0),
        episode_length=min(episode_length, limit),
        saved_size=8 * size,
        num_links=len(links),
        scene=lambda: scene_of(model, links, float(task.dt), None if name in STANDS else 0),
    )
    return make_hosted(hosted, GYMNASIUM)


class Body:
    """One task. What gymnasium keeps beside MuJoCo's state follows from the step that led there."""

    def __init__(self, create: Callable[[], Any]) -> None:
        import mujoco

        self.mujoco, self.task = mujoco, create()
        self.model, self.data = self.task.model, self.task.data
        self.what = mujoco.mjtState.mjSTATE_INTEGRATION
        self.numbers = np.zeros(mujoco.mj_stateSize(self.model, self.what))
        self.seen = mujoco.MjData(self.model)  # to look at: the other's places are those of half a step ago
        self.scale = self.task.action_space.high
        self.obs = np.zeros(self.task.observation_space.shape, np.float32)

    def reset(self, seed: int) -> np.ndarray:
        self.obs, _ = self.task.reset(seed=seed)
        return self.obs

    def step(self, action: np.ndarray) -> Stepped:
        self.obs, reward, ended, _, _ = self.task.step(self.scale * action)
        return Stepped(self.obs, float(reward), bool(ended))

    def save(self) -> np.ndarray:
        self.mujoco.mj_getState(self.model, self.data, self.numbers, self.what)
        return self.numbers.view(np.uint8)

    def restore(self, saved: np.ndarray) -> None:
        self.mujoco.mj_setState(self.model, self.data, saved.copy().view(np.float64), self.what)

    def look(self, what: str) -> np.ndarray:
        if what == "observation":
            return self.obs
        self.seen.qpos[:] = self.data.qpos
        self.mujoco.mj_kinematics(self.model, self.seen)
        return np.concatenate([self.seen.xpos[1:], self.seen.xquat[1:]], axis=-1)

    def close(self) -> None:
        self.task.close()
