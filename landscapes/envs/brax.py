"""Brax tasks behind the environment contract.

Knows Brax and nothing else does; knows nothing of agents. Brax's own wrappers are not used: its automatic reset
returns an environment to its first state and hides the last observation.
"""

import copy
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.envs.lanes import lanes_last
from landscapes.envs.old_clip import OLD_NUMPY
from landscapes.envs.scenes import scene_of
from landscapes.spaces import Box
from landscapes.types import Environment, Key, PyTree, TimeStep, first_step

SCALES_START_NOISE = ("ant", "halfcheetah", "hopper", "humanoid", "swimmer", "walker2d")
"""Tasks whose start noise is one number; the others write theirs into `reset`."""
TRAVELS = ("ant", "halfcheetah", "hopper", "humanoid", "humanoidstandup", "swimmer", "walker2d")
"""Tasks whose first link, the torso, goes places: a camera follows it."""


class BraxState(NamedTuple):
    """`simulator` is Brax's state; `num_steps` [] int32 counts the steps of this episode."""

    simulator: PyTree
    num_steps: jax.Array


def build(name: str, backend: str) -> Any:
    """Brax's own environment; it raises ValueError for a backend that the task has not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "JAXopt is no longer maintained", DeprecationWarning)
        warnings.filterwarnings("ignore", "Brax System, piplines", UserWarning)
        from brax import envs, fluid

        fluid.jp = OLD_NUMPY
        return envs.get_environment(name, backend=backend)


def make(name: str, backend: str, episode_length: int) -> Environment:
    """The Brax task `name` on the physics `backend`, truncated after `episode_length` steps."""
    task = build(name, backend)
    scales = name in SCALES_START_NOISE

    def start(key: Key, start_noise: jax.Array) -> tuple[BraxState, TimeStep]:
        noisy = task
        if scales:
            noisy = copy.copy(task)
            noisy._reset_noise_scale = task._reset_noise_scale * start_noise
        # Brax draws the inverted pendulums' and others' starts from the key alone: start_noise is ignored there.
        with jax.numpy_rank_promotion("allow"):  # Brax relies on it
            state = noisy.reset(key)
        return BraxState(state, jnp.zeros((), jnp.int32)), first_step(state.obs)

    def step(state: BraxState, action: jax.Array) -> tuple[BraxState, TimeStep]:
        # Brax writes into the metrics dictionary it is given: hand it a copy.
        simulator = state.simulator.replace(metrics=dict(state.simulator.metrics))
        with jax.numpy_rank_promotion("allow"):
            simulator = task.step(simulator, jnp.clip(action, -1.0, 1.0))
        num_steps = state.num_steps + 1
        terminated = simulator.done > 0.5
        truncated = (num_steps >= episode_length) & ~terminated
        timestep = TimeStep(simulator.obs, simulator.obs, simulator.reward, terminated, truncated)
        return BraxState(simulator, num_steps), timestep

    def pose(state: BraxState) -> tuple[jax.Array, jax.Array]:
        places = state.simulator.pipeline_state.x
        return places.pos, places.rot

    start_lanes, step_lanes = lanes_last(start), lanes_last(step)

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[BraxState, TimeStep]:
        begun: tuple[BraxState, TimeStep] = start_lanes(key, jnp.float32(start_noise))
        return begun

    obs = jax.eval_shape(reset, jax.random.key(0))[1].obs
    return Environment(
        name=name,
        backend=backend,
        reset=reset,
        step=step_lanes,
        observation=Box(obs.shape),
        action=Box((task.action_size,), -1.0, 1.0),
        episode_length=episode_length,
        scales_start_noise=scales,
        pose=pose,
        scene=lambda: scene_of(task.sys, task.sys.link_names, float(task.dt), 0 if name in TRAVELS else None),
    )
