"""Simulators that Python steps, stepped by a compiled program as the suite steps them, with no network around.

Knows the environment contract; knows no simulator by name.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import ALONE
from benchmarks.workload import Case, Workload
from landscapes.envs import make_environment
from landscapes.experience.unroll import start_lane, unroll_many
from landscapes.types import Policy, no_memory

STEPS = 32
"""Of each lane in one call."""


def steps(environment: str, num_envs: int) -> Workload:
    """Steps of lanes side by side under random actions, episodes renewed where they end."""
    env = make_environment(environment, episode_length=27_000)
    policy = Policy((), ())

    def act(key: Any, policy: Policy, timestep: Any, memory: Any) -> tuple[jax.Array, Any, Any]:
        return env.action.sample(key), (), ()

    starts = jax.vmap(lambda key: start_lane(env, no_memory, key, policy))
    lanes = jax.jit(starts)(jax.random.split(jax.random.key(0), num_envs))

    @jax.jit
    def roll(lanes: Any, key: Any) -> tuple[Any, jax.Array]:
        keys = jax.random.split(key, num_envs)
        after, lived, _ = unroll_many(env, act, no_memory, keys, policy, lanes, STEPS)
        return after, jnp.sum(lived.reward) + jnp.sum(lived.next_obs[:, :, 0].astype(jnp.float32))

    held = [lanes]

    def run(amount: int) -> float:
        for i in range(amount):
            after, seen = roll(held.pop(), jax.random.key(np.uint32(i)))
            jax.block_until_ready(seen)
            held.append(after)
        return float(amount * num_envs * STEPS)

    return Workload("step", {ALONE: Case(run)}, {"lanes": num_envs})
