"""MuJoCo Playground's dm_control suite behind the environment contract: MuJoCo's physics in JAX, traced.

Knows that package and nothing else does; knows nothing of agents.
"""

import importlib
import importlib.util
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.envs.lanes import lanes_last
from landscapes.envs.old_clip import OLD_NUMPY
from landscapes.envs.scenes import scene_of
from landscapes.envs.tasks import PLAYGROUND
from landscapes.errors import UserError
from landscapes.spaces import Box
from landscapes.types import Environment, Key, PyTree, TimeStep, first_step

_PACKAGE = "mujoco_playground"
TRAVELS = ("Cheetah", "Fish", "Hopper", "Humanoid", "Swimmer", "Walker")
"""How the names of those begin whose first link goes places: a camera follows it."""


class PlaygroundState(NamedTuple):
    """`simulator` is Playground's state; `num_steps` [] int32 counts the steps of this episode."""

    simulator: PyTree
    num_steps: jax.Array


def suite() -> Any:
    """Its module of the dm_control suite. The package itself fetches models of robots from the network when it is
    imported, which that suite needs none of: where nothing else has imported it, it stands here as a mere name."""
    if _PACKAGE not in sys.modules:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None:
            raise ModuleNotFoundError(f"No module named '{_PACKAGE}'")
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
        for name in ("passive", "forward", "collision_driver"):
            importlib.import_module(f"mujoco.mjx._src.{name}").jp = OLD_NUMPY  # type: ignore[attr-defined]
    return importlib.import_module(f"{_PACKAGE}._src.dm_control_suite")


def make(name: str, episode_length: int, key: str = "env") -> Environment:
    """The task `name`, truncated after `episode_length` steps; it ends by itself only where its numbers are lost.

    Raises UserError, naming `key`, where the package is missing.
    """
    try:
        task = suite().load(name)
    except ImportError as error:
        allowed = f"needs playground, which cannot be imported ({error}): pip install -r playground_requirements.txt"
        raise UserError(key, name, allowed) from error

    def start(key: Key) -> tuple[PlaygroundState, TimeStep]:
        # Its states hold the key that the next one is drawn from, and files hold numbers.
        with jax.numpy_rank_promotion("allow"):
            simulator = task.reset(jax.random.key_data(key))
        return PlaygroundState(simulator, jnp.zeros((), jnp.int32)), first_step(simulator.obs)

    def step(state: PlaygroundState, action: jax.Array) -> tuple[PlaygroundState, TimeStep]:
        before = state.simulator
        # Some tasks write into the dictionaries that they are given: hand them copies.
        before = before.replace(metrics=dict(before.metrics), info=dict(before.info))
        with jax.numpy_rank_promotion("allow"):
            after = task.step(before, jnp.clip(action, -1.0, 1.0))
        after = jax.tree.map(lambda new, old: jnp.asarray(new, jnp.result_type(old)), after, state.simulator)
        num_steps = state.num_steps + 1
        terminated = after.done > 0.5
        truncated = (num_steps >= episode_length) & ~terminated
        timestep = TimeStep(after.obs, after.obs, jnp.float32(after.reward), terminated, truncated)
        return PlaygroundState(after, num_steps), timestep

    start_lanes, step_lanes = lanes_last(start), lanes_last(step)

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PlaygroundState, TimeStep]:
        begun: tuple[PlaygroundState, TimeStep] = start_lanes(key)
        return begun

    def pose(state: PlaygroundState) -> tuple[jax.Array, jax.Array]:
        return state.simulator.data.xpos[1:], state.simulator.data.xquat[1:]

    model = task.mj_model
    links = [model.body(index).name for index in range(1, model.nbody)]
    return Environment(
        name=name,
        backend=PLAYGROUND,
        reset=reset,
        step=step_lanes,
        observation=Box(jax.eval_shape(reset, jax.random.key(0))[1].obs.shape),
        action=Box((task.action_size,), -1.0, 1.0),
        episode_length=episode_length,
        scales_start_noise=False,
        pose=pose,
        scene=lambda: scene_of(model, links, float(task.dt), 0 if name.startswith(TRAVELS) else None),
    )
