"""Classic control and MinAtar, as gymnax has them, behind the environment contract.

Knows gymnax and nothing else does; knows nothing of agents, and leaves drawing to `pictures`.
Its own `step` is not used: it resets by itself.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.envs import pictures
from landscapes.envs.tasks import GYMNAX
from landscapes.errors import UserError
from landscapes.spaces import Box, Discrete, Space
from landscapes.types import Environment, Key, PyTree, TimeStep, first_step


class GymnaxState(NamedTuple):
    """`simulator` is gymnax's state, `random` [2] uint32 what its next steps draw from, and `num_steps` [] int32 counts
    the steps of this episode."""

    simulator: PyTree
    random: jax.Array
    num_steps: jax.Array


def _build(name: str, key: str) -> tuple[Any, Any]:
    try:
        import gymnax
    except ImportError as error:
        raise UserError(
            key, name, f"needs gymnax, which cannot be imported ({error}): pip install gymnax six"
        ) from error
    return gymnax.make(name)


def make(name: str, episode_length: int, key: str = "env") -> Environment:
    """The gymnax task `name`, truncated after `episode_length` steps or its own limit, whichever comes first.

    Pictures are uint8, 0 or 1 in each channel. What a step draws (MinAtar's enemies and food) follows from the state it
    begins in, which the start has drawn: one start has one future for each sequence of actions.
    """
    task, params = _build(name, key)
    limit = min(episode_length, int(params.max_steps_in_episode))
    params = params.replace(max_steps_in_episode=2**30)  # counted here
    observation, action = _spaces(task, params)
    scale = task.action_space(params).high if isinstance(action, Box) else None

    def seen(obs: jax.Array) -> jax.Array:
        return obs.astype(observation.dtype)

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[GymnaxState, TimeStep]:
        key_start, key_steps = jax.random.split(key)
        obs, simulator = task.reset_env(key_start, params)
        simulator = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), simulator)  # no weak types
        state = GymnaxState(simulator, jax.random.key_data(key_steps), jnp.zeros((), jnp.int32))
        return state, first_step(seen(obs))

    def step(state: GymnaxState, chosen: jax.Array) -> tuple[GymnaxState, TimeStep]:
        key_step, key_next = jax.random.split(jax.random.wrap_key_data(state.random))
        if scale is not None:
            chosen = scale * jnp.clip(chosen, -1.0, 1.0)
        with jax.numpy_rank_promotion("allow"):  # gymnax relies on it
            obs, simulator, reward, terminated, _ = task.step_env(key_step, state.simulator, chosen, params)
        # Some of its steps change the type of a number, which no loop could carry.
        simulator = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), simulator, state.simulator)
        num_steps = state.num_steps + 1
        terminated = jnp.asarray(terminated, bool)
        truncated = (num_steps >= limit) & ~terminated
        after = GymnaxState(simulator, jax.random.key_data(key_next), num_steps)
        return after, TimeStep(seen(obs), seen(obs), jnp.float32(reward), terminated, truncated)

    drawing = pictures.drawing_of(name, params)

    def frame(state: GymnaxState) -> jax.Array:
        if drawing is not None:
            return drawing(state.simulator)
        with jax.numpy_rank_promotion("allow"):
            channels = task.get_obs(state.simulator, params=params)
        return pictures.cells(channels)

    shown_for = pictures.SECONDS_PER_CELLS if drawing is None else pictures.SECONDS_PER_CONTROL
    return Environment(
        name=name,
        backend=GYMNAX,
        reset=reset,
        step=step,
        observation=observation,
        action=action,
        episode_length=limit,
        scales_start_noise=False,
        frame=frame,
        light=True,
        seconds_per_step=pictures.SECONDS_PER_STEP.get(name, shown_for),
    )


def _spaces(task: Any, params: Any) -> tuple[Box, Space]:
    shape = tuple(task.obs_shape) if hasattr(task, "obs_shape") else tuple(task.observation_space(params).shape)
    observation = Box(shape, 0.0, 1.0, "uint8") if len(shape) == 3 else Box(shape)
    actions = task.action_space(params)
    return observation, Discrete(actions.n) if hasattr(actions, "n") else Box((1,), -1.0, 1.0)
