"""Training: an algorithm's `train_step`, iterated, with many seeds in one program.

Knows the algorithm record and the environment contract; knows no concrete algorithm, no file and no logger.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes import rollout
from landscapes.types import Algorithm, Environment, Key, Metrics, Policy, PyTree, TrainState


class MemberKeys(NamedTuple):
    """Keys `[num_seeds]` of the members of a run, by their use."""

    init: Key
    train: Key
    evaluate: Key


def member_keys(random_seed: int, num_seeds: int) -> MemberKeys:
    """Member i draws everything from `fold_in(key(random_seed), i)`."""
    base = jax.random.key(random_seed)
    return MemberKeys(
        *jax.vmap(lambda i: jax.random.split(jax.random.fold_in(base, i), 3), out_axes=1)(jnp.arange(num_seeds))
    )


class Trainer(NamedTuple):
    """Compiled training of all members at once. States are `[num_seeds, ...]` and are given up to `advance`."""

    init: Callable[[Key], TrainState]
    advance: Callable[[Key, TrainState, int, int], tuple[TrainState, dict[str, np.ndarray]]]
    """`(keys, states, start, stop)`: iterations start..stop-1, and each metric's mean over those of them that report
    it, `[num_seeds]` (NaN if none does)."""
    finite: Callable[[TrainState], np.ndarray]
    """`[num_seeds]` bool: whether a member's policy is free of NaN and infinity."""


def iteration(
    algorithm: Algorithm, key: Key, state: TrainState, index: jax.Array
) -> tuple[TrainState, Metrics, Metrics]:
    """Iteration `index` (traced uint32, counted from the start of the run): the state, metrics, and their weights.

    It warms up or trains as `index` says and draws from `key` alone. Which phase of `update` runs is a branch on the
    index, which seeds share: under `vmap` over seeds only that branch runs, and the environment step, the expensive
    thing to compile, stands in the program once. Branches hand out learners, never the experience they read. A metric
    that this phase does not report has weight 0.
    """
    key_collect, key_update = jax.random.split(key)
    warming = index < jnp.uint32(algorithm.warm_up_steps) if algorithm.warm_up_steps else False
    state, data, collected = algorithm.collect(key_collect, state, uniform=warming)

    def updated(phase: int) -> Callable[..., tuple[Any, Metrics]]:
        return lambda key, state, data: algorithm.update(key, state, data, phase)

    branches = [updated(phase) for phase in range(algorithm.period)]
    shapes = [jax.eval_shape(branch, key_update, state, data)[1] for branch in branches]
    zeros = {name: jnp.zeros(x.shape, x.dtype) for shape in shapes for name, x in sorted(shape.items())}

    def padded(branch: Callable[..., tuple[Any, Metrics]]) -> Callable[..., tuple[Any, Metrics, Metrics]]:
        def run(key: Key, state: TrainState, data: PyTree) -> tuple[Any, Metrics, Metrics]:
            learner, metrics = branch(key, state, data)
            weights = {name: jnp.float32(name in metrics) for name in zeros}
            return learner, zeros | metrics, weights

        return run

    def skip(key: Key, state: TrainState, data: PyTree) -> tuple[Any, Metrics, Metrics]:
        return state.learner, zeros, {name: jnp.float32(0.0) for name in zeros}

    runs = [padded(branch) for branch in branches]
    phase = ((index - jnp.uint32(algorithm.warm_up_steps)) % jnp.uint32(algorithm.period)).astype(jnp.int32)
    if algorithm.warm_up_steps:
        learner, metrics, weights = jax.lax.switch(
            jnp.where(warming, 0, 1 + phase), [skip, *runs], key_update, state, data
        )
    elif len(runs) > 1:
        learner, metrics, weights = jax.lax.switch(phase, runs, key_update, state, data)
    else:
        learner, metrics, weights = runs[0](key_update, state, data)
    weights |= {name: jnp.float32(1.0) for name in collected}
    return state._replace(learner=learner), collected | metrics, weights


def iterate(algorithm: Algorithm, key: Key, state: TrainState, start: jax.Array, stop: jax.Array) -> Any:
    """Iterations start..stop-1 (traced) of one member: the state, the sums of its metrics and of their weights.

    Iteration i draws from `fold_in(key, i)`, so that a resumed run draws what an unbroken one would have drawn, and
    where one stops to look does not change the program.
    """

    def body(i: jax.Array, carry: tuple[TrainState, Metrics, Metrics]) -> tuple[TrainState, Metrics, Metrics]:
        state, sums, totals = carry
        state, metrics, weights = iteration(algorithm, jax.random.fold_in(key, i), state, i)
        return state, jax.tree.map(jnp.add, sums, metrics), jax.tree.map(jnp.add, totals, weights)

    _, metrics, weights = jax.eval_shape(lambda: iteration(algorithm, key, state, start))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (metrics, weights))
    return jax.lax.fori_loop(start, stop, body, (state, *zeros))


def make_trainer(algorithm: Algorithm) -> Trainer:
    """Training compiled once, whatever lies between two saves or evaluations."""
    loop = jax.jit(jax.vmap(lambda *args: iterate(algorithm, *args), in_axes=(0, 0, None, None)), donate_argnums=1)

    def advance(keys: Key, states: TrainState, start: int, stop: int) -> tuple[TrainState, dict[str, np.ndarray]]:
        states, sums, totals = loop(keys, states, np.uint32(start), np.uint32(stop))
        with np.errstate(invalid="ignore"):
            means = {k: np.asarray(sums[k], np.float64) / np.asarray(totals[k], np.float64) for k in sorted(sums)}
        return states, means

    @jax.jit
    def finite(states: TrainState) -> jax.Array:
        leaves = jax.tree.leaves(states.learner.policy)
        return jnp.stack([jnp.isfinite(x).reshape(x.shape[0], -1).all(1) for x in leaves]).all(0)

    return Trainer(jax.jit(jax.vmap(algorithm.init)), advance, lambda states: np.asarray(finite(states)))


def make_evaluator(
    env: Environment, algorithm: Algorithm, num_seeds: int, num_episodes: int, max_lanes: int = 256
) -> Callable[[Key, Policy, int], np.ndarray]:
    """`evaluate(keys [num_seeds], policies [num_seeds], step)` -> undiscounted returns `[num_seeds, num_episodes]`.

    The mode of each policy, from fresh starts drawn anew for every `step`, the first episode of each environment only.
    """
    num = num_seeds * num_episodes
    engine = rollout.make_engine(env, algorithm.act, algorithm.init_memory, min(num, max_lanes), 1.0)

    @jax.jit
    def run(keys: Key, policies: Policy, step: jax.Array) -> jax.Array:
        def of_member(key: Key) -> Key:
            return jax.random.split(jax.random.fold_in(key, step), (num_episodes, 2))

        episode_keys = jax.vmap(of_member)(keys).reshape(num, 2)
        index = jnp.arange(num)
        starts: PyTree = jax.vmap(env.reset)(episode_keys[:, 0])
        episodes = rollout.Episodes(policies, index // num_episodes, starts, index, episode_keys[:, 1], jnp.int32(num))
        state = engine.advance(engine.begin(episodes), episodes, jnp.int32(env.episode_length + 1) * num)
        return state.results.returns.reshape(num_seeds, num_episodes)

    return lambda keys, policies, step: np.asarray(run(keys, policies, np.uint32(step)))
