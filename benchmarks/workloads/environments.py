"""Tasks whose episodes end where a benchmark wants them to.

Knows the environment contract; knows no simulator. `endless_hopper` may be named on a command line.
"""

import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.envs import make_environment
from landscapes.types import Environment, Key, PyTree, TimeStep


class TimedState(NamedTuple):
    """The task's own state, the steps since its start [] int32 and after how many the episode ends [] int32."""

    inner: PyTree
    num_steps: jax.Array
    length: jax.Array


def endless(env: Environment) -> Environment:
    """`env` without its terminations: every episode takes `episode_length` steps."""

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[TimedState, TimeStep]:
        inner, timestep = env.reset(key, start_noise)
        return TimedState(inner, jnp.int32(0), jnp.int32(env.episode_length)), timestep

    def step(state: TimedState, action: jax.Array) -> tuple[TimedState, TimeStep]:
        inner, timestep = env.step(state.inner, action)
        num_steps = state.num_steps + 1
        ends = TimeStep(
            timestep.obs, timestep.next_obs, timestep.reward, jnp.zeros((), bool), num_steps >= state.length
        )
        return TimedState(inner, num_steps, state.length), ends

    return env._replace(reset=reset, step=step)


def ending_early(env: Environment, share: float = 0.9, first: int = 100, last: int = 400) -> Environment:
    """`env` with its terminations replaced by random ones: this `share` of the episodes ends after `first`..`last`
    steps, the others after `episode_length`.

    Measured episodes share their start and a step has no key: which it is, is drawn from the bits of what the first
    action led to, which differ from policy to policy.
    """
    first, last = min(first, env.episode_length), min(last, env.episode_length)
    calm = endless(env)

    def drawn(timestep: TimeStep) -> jax.Array:
        # Computed at every step, so it has to cost next to nothing: a key and its draws would be seen in the rates.
        bits = jax.lax.bitcast_convert_type(timestep.next_obs.astype(jnp.float32), jnp.uint32)
        mixed = jnp.bitwise_xor.reduce(bits)
        for _ in range(2):
            mixed = (mixed ^ (mixed >> 16)) * jnp.uint32(0x45D9F3B)
        uniform = ((mixed ^ (mixed >> 16)) >> 8).astype(jnp.float32) / 2.0**24
        length = first + jnp.floor(uniform / share * (last + 1 - first)).astype(jnp.int32)
        return jnp.where(uniform < share, jnp.minimum(length, last), env.episode_length)

    def step(state: TimedState, action: jax.Array) -> tuple[TimedState, TimeStep]:
        after, timestep = calm.step(state, action)
        length = jnp.where(state.num_steps == 0, drawn(timestep), state.length).astype(jnp.int32)
        ended = after.num_steps >= length
        truncated = after.num_steps >= env.episode_length
        return after._replace(length=length), timestep._replace(terminated=ended & ~truncated, truncated=truncated)

    return calm._replace(step=step)


def lanes_first(env: Environment) -> Environment:
    """`env` as `jax.vmap` by itself steps many of it, without the suite's arrangement of lanes."""
    return env._replace(step=inspect.unwrap(env.step))


def endless_hopper(episode_length: int, backend: str) -> Environment:
    """Hopper whose episodes never end early, for whole jobs of a known length."""
    return endless(make_environment("hopper", backend, episode_length))._replace(name="endless_hopper")


def make(name: str, backend: str, episode_length: int, ends: str) -> Environment:
    """A task of the suite; `ends` is "natural", "never" or "early"."""
    env = make_environment(name, backend, episode_length)
    return {"natural": lambda x: x, "never": endless, "early": ending_early}[ends](env)
