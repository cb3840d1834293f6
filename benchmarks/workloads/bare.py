"""A task of gymnax stepped as gymnax has it: its own physics and nothing around them.

Knows gymnax and JAX; knows neither the environment contract nor an agent.
"""

from collections.abc import Sequence
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workload import Case, Workload


def gymnax_steps(environment: str, batches: Sequence[int], devices: str) -> Workload:
    """Steps of `step_env` side by side under uniform random actions: no policy, no reset, no look at the rewards.

    On several devices the batch is divided among them, and made a little smaller where they do not divide it.
    """
    task, params = gymnax.make(environment)
    chosen = jax.local_devices()[: 1 if devices == "one" else None]

    def case(batch: int) -> Case:
        lanes = batch // len(chosen)

        def one_share(states: Any, keys: jax.Array, steps: jax.Array) -> Any:
            def step(t: jax.Array, states: Any) -> Any:
                key_actions, key_steps = jax.random.split(jax.random.fold_in(keys[0], t))
                each = jax.random.split(key_steps, lanes)
                actions = jax.vmap(task.action_space(params).sample)(jax.random.split(key_actions, lanes))
                after = jax.vmap(task.step_env, (0, 0, 0, None))(each, states, actions, params)[1]
                return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, states)

            return jax.lax.fori_loop(0, steps, step, states)

        mesh = jax.sharding.Mesh(np.array(chosen), ("devices",))
        shares, whole = jax.sharding.PartitionSpec("devices"), jax.sharding.PartitionSpec()
        roll = jax.jit(
            jax.shard_map(one_share, mesh=mesh, in_specs=(shares, shares, whole), out_specs=shares, check_vma=False)
        )
        keys = jax.random.split(jax.random.key(0), lanes * len(chosen))
        _, fresh = jax.jit(jax.vmap(task.reset_env, (0, None)))(keys, params)
        fresh = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), fresh)
        each_device = jax.random.split(jax.random.key(1), len(chosen))

        def run(amount: int) -> float:
            jax.block_until_ready(roll(fresh, each_device, np.int32(amount)))
            return float(amount * lanes * len(chosen))

        return Case(run)

    return Workload("step", {f"batch {batch}": case(batch) for batch in batches}, {"devices": len(chosen)})
