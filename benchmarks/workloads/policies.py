"""Policies, each with weights of its own, asked again and again: no simulator, no episodes.

Knows an agent's `act` and the options that measurements are compiled with; knows no neighbourhood.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workload import Case, Workload
from benchmarks.workloads.training import make_agent
from landscapes.machine import devices
from landscapes.types import Policy, TimeStep


def answers(
    algorithm: str, config: Mapping[str, Any], environment: str, backend: str, lanes: Sequence[int]
) -> Workload:
    """Actions of the mode for so many policies side by side on each device. An observation depends on the action
    before, as in an episode, so that no answer is found before its question."""
    env, agent = make_agent(algorithm, config, environment, backend, 1000, "never")
    num = jax.local_device_count()
    nowhere = jnp.zeros((), bool)

    def case(width: int) -> Case:
        def ask(policy: Policy, obs: jax.Array, steps: jax.Array) -> jax.Array:
            def step(_: jax.Array, obs: jax.Array) -> jax.Array:
                timestep = TimeStep(obs, obs, jnp.float32(0.0), nowhere, nowhere)
                action, _memory = agent.act(jax.random.key(0), policy, timestep, ())
                moved = obs + jnp.sum(action).astype(obs.dtype)
                return jnp.cos(moved) if jnp.issubdtype(obs.dtype, jnp.floating) else moved

            return jax.lax.fori_loop(0, steps, step, obs)

        def share(policies: Policy, obs: jax.Array, steps: jax.Array) -> jax.Array:
            asked: jax.Array = jax.vmap(ask, (0, 0, None))(policies, obs, steps)
            return asked

        mesh = jax.sharding.Mesh(np.array(jax.local_devices()), ("devices",))
        apart, whole = jax.sharding.PartitionSpec("devices"), jax.sharding.PartitionSpec()
        roll = jax.jit(
            jax.shard_map(share, mesh=mesh, in_specs=(apart, apart, whole), out_specs=apart, check_vma=False),
            compiler_options=devices.compiler_options(env.light),
        )
        keys = jax.random.split(jax.random.key(0), width * num)
        policies = jax.jit(jax.vmap(lambda key: agent.init(key).learner.policy))(keys)
        obs = jnp.zeros((width * num, *env.observation.shape), env.observation.dtype)

        def run(amount: int) -> float:
            jax.block_until_ready(roll(policies, obs, np.int32(amount)))
            return float(amount * width * num)

        return Case(run)

    return Workload("step", {f"{width} on each": case(width) for width in lanes}, {"devices": num})
