"""An environment of your own: a point mass in the plane that is paid for staying near the origin.

Knows the environment contract (`landscapes.types.Environment`) and spaces only; copy it and change what you like.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.spaces import Box
from landscapes.types import Environment, Key, TimeStep

STEP_SECONDS = 0.1
START_SPREAD = 0.1
ARENA_RADIUS = 2.0


class PointMass(NamedTuple):
    """One unbatched state: `position` and `velocity` [2], and how many steps this episode has lasted, [] int32."""

    position: jax.Array
    velocity: jax.Array
    num_steps: jax.Array


def observe(state: PointMass) -> jax.Array:
    """Position and velocity, `[4]`."""
    return jnp.concatenate([state.position, state.velocity])


def make(episode_length: int, backend: str) -> Environment:
    """A unit mass pushed by a force in [-1, 1]², truncated after `episode_length` steps of 0.1 s.

    It starts at rest near (1, 0). A step pays exp(-distance²), so at most 1; leaving the disc of radius 2 ends the
    episode, and nothing is paid from then on. `backend` is for simulators that have several; here there is one.
    """

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PointMass, TimeStep]:
        noise = jax.random.uniform(key, (2,), minval=-START_SPREAD, maxval=START_SPREAD)
        position = jnp.array([1.0, 0.0]) + start_noise * noise
        state = PointMass(position, jnp.zeros(2), jnp.int32(0))
        false = jnp.zeros((), bool)
        return state, TimeStep(observe(state), observe(state), jnp.zeros(()), false, false)

    def step(state: PointMass, action: jax.Array) -> tuple[PointMass, TimeStep]:
        velocity = state.velocity + STEP_SECONDS * jnp.clip(action, -1.0, 1.0)
        state = PointMass(state.position + STEP_SECONDS * velocity, velocity, state.num_steps + 1)
        squared_distance = jnp.sum(state.position**2)
        terminated = squared_distance > ARENA_RADIUS**2
        truncated = (state.num_steps >= episode_length) & ~terminated
        reward = jnp.exp(-squared_distance)
        return state, TimeStep(observe(state), observe(state), reward, terminated, truncated)

    return Environment(
        name="point_mass",
        backend=backend,
        reset=reset,
        step=step,
        observation=Box((4,)),
        action=Box((2,), -1.0, 1.0),
        episode_length=episode_length,
        scales_start_noise=True,
    )
