"""What the machine can do at most: matrix products, and the simulator with nothing around it.

Knows JAX and the environment contract; knows no agent.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workload import Case, Workload
from benchmarks.workloads import environments
from landscapes.types import PyTree


def _devices(devices: str) -> list[jax.Device]:
    return jax.local_devices()[: 1 if devices == "one" else None]


def products(sizes: Sequence[int], devices: str) -> Workload:
    """Products of square float32 matrices, one program with all of the processor's threads, or one on each device.

    Each is a call of its own, so that nothing can be left out; at these sizes a call's cost does not show.
    """
    chosen = _devices(devices)
    product = jax.jit(jnp.matmul)

    def case(size: int) -> Case:
        rng = np.random.default_rng(0)
        one, other = rng.standard_normal((2, size, size), dtype=np.float32)
        pairs = [(jax.device_put(one, device), jax.device_put(other, device)) for device in chosen]

        def run(amount: int) -> float:
            latest: list[jax.Array] = []
            for _ in range(amount):
                latest = [product(*pair) for pair in pairs]
            jax.block_until_ready(latest)
            return amount * len(pairs) * 2.0 * size**3 / 1e9

        return Case(run)

    return Workload("GFLOP", {f"{size} x {size}": case(size) for size in sizes}, {"devices": len(chosen)})


def simulator(environment: str, backend: str, batches: Sequence[int], devices: str, lanes_last: bool) -> Workload:
    """Steps of the simulator, side by side, under uniform random actions: no policy, no reset, no look at the rewards.

    With `lanes_last` many are stepped as the suite does it, without as `jax.vmap` of Brax's own step does. On several
    devices the batch is divided among them, and made a little smaller where they do not divide it.
    """
    env = environments.make(environment, backend, 1000, "natural")
    if not lanes_last:
        env = environments.lanes_first(env)
    chosen = _devices(devices)
    mesh = jax.sharding.Mesh(np.array(chosen), ("devices",))
    shares = jax.sharding.PartitionSpec("devices")

    @partial(jax.jit, static_argnums=2)
    def roll(states: PyTree, steps: jax.Array, lanes: int) -> PyTree:
        def one_share(states: PyTree, seeds: jax.Array) -> PyTree:
            key = jax.random.key(seeds[0])

            def step(t: jax.Array, states: PyTree) -> PyTree:
                actions = jax.random.uniform(jax.random.fold_in(key, t), (lanes, *env.action.shape), minval=-1.0)
                return jax.vmap(env.step)(states, actions)[0]

            return jax.lax.fori_loop(jnp.uint32(0), steps, step, states)

        seeds = jnp.arange(len(chosen), dtype=jnp.uint32)
        if len(chosen) == 1:
            return one_share(states, seeds)
        return jax.shard_map(one_share, mesh=mesh, in_specs=(shares, shares), out_specs=shares, check_vma=False)(
            states, seeds
        )

    keys = jax.random.split(jax.random.key(0), max(batches))
    fresh = jax.jit(lambda keys: jax.vmap(env.reset)(keys)[0])(keys)

    def case(batch: int) -> Case:
        lanes = batch // len(chosen)
        size = lanes * len(chosen)
        sharding = jax.sharding.NamedSharding(mesh, shares)
        starts = jax.tree.map(lambda x: jax.device_put(x[:size], sharding), fresh)

        def run(amount: int) -> float:
            jax.block_until_ready(roll(starts, np.uint32(amount), lanes))
            return float(amount * size)

        return Case(run)

    cases: dict[str, Case] = {f"batch {batch}": case(batch) for batch in batches}
    return Workload("step", cases, {"devices": len(chosen)})
