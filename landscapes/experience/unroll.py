"""Agents in environments, for learning: so many steps of a lane, of many lanes, or whole episodes.

Knows the environment contract and the function `explore`; knows no concrete algorithm.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from landscapes.spaces import Space
from landscapes.types import Environment, Key, Lane, Policy, PyTree, TimeStep, Transition

STEPS_PER_FRESH_START = 16
"""Inside one unroll an environment has one fresh start ready for every so many steps (more ends reuse the first)."""

UNROLLS_AT_ONCE = {"cpu": 8}
"""Environments that `unroll_many` steps side by side, by kind of device; elsewhere all of them. As many as an
instruction takes, so that the simulator's code has no loops over them; 2048 at once would not fit the cache either."""

LIGHT_UNROLLS_AT_ONCE = {"cpu": 64}
"""The same where steps are light: fewer turns of the loop, larger products."""


Explore = Callable[[Key, Policy, TimeStep, PyTree], tuple[jax.Array, PyTree, PyTree]]
InitMemory = Callable[[Key, Policy], PyTree]


def _where(condition: jax.Array, one: PyTree, other: PyTree) -> PyTree:
    """`one` where the scalar condition holds, leaf by leaf."""
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), one, other)


def start_lane(env: Environment, init_memory: InitMemory, key: Key, policy: Policy) -> Lane:
    """A lane at the start of a fresh episode."""
    key_reset, key_memory = jax.random.split(key)
    env_state, timestep = env.reset(key_reset)
    return Lane(env_state, timestep, init_memory(key_memory, policy))


def unroll(
    env: Environment,
    explore: Explore,
    init_memory: InitMemory,
    key: Key,
    policy: Policy,
    lane: Lane,
    num_steps: int,
) -> tuple[Lane, Transition, PyTree]:
    """`num_steps` steps of one lane under `explore`: the lane, transitions `[T, ...]` and extras `[T, ...]`.

    Where an episode ends, memory starts anew, the next time step is that of a fresh start with reward 0, and the
    transition keeps the true next observation. The fresh starts are drawn in one batch beforehand, or where they are
    needed by an environment that has `renew`.
    """
    key_starts, key_memory, key_explore = jax.random.split(key, 3)
    num_starts = 0 if env.renew is not None else -(-num_steps // STEPS_PER_FRESH_START)
    starts = jax.vmap(env.reset)(jax.random.split(key_starts, num_starts)) if num_starts else None

    def restart(
        t: jax.Array, num_ended: jax.Array, state: PyTree, ended: jax.Array
    ) -> tuple[PyTree, jax.Array, PyTree]:
        """The state, a fresh one where the episode ended, and the observation and reward of the fresh start."""
        if env.renew is not None:
            renewed, obs = env.renew(jax.random.fold_in(key_starts, t), state, ended)
            return renewed, obs, jnp.zeros(())
        # A short unroll has one fresh start, whose index should not be computed: lanes would gather it leaf by leaf.
        which = num_ended % num_starts if num_starts > 1 else 0
        fresh_state, fresh = jax.tree.map(lambda x: x[which], starts)
        return _where(ended, fresh_state, state), fresh.obs, fresh.reward

    def step(carry: tuple[Lane, jax.Array], t: jax.Array) -> tuple[tuple[Lane, jax.Array], tuple[Transition, PyTree]]:
        lane, num_ended = carry
        action, memory, extras = explore(jax.random.fold_in(key_explore, t), policy, lane.timestep, lane.memory)
        env_state, after = env.step(lane.env_state, action)
        transition = Transition(
            lane.timestep.obs, action, after.reward, after.next_obs, after.terminated, after.truncated
        )
        ended = after.terminated | after.truncated
        env_state, obs, reward = restart(t, num_ended, env_state, ended)
        fresh_memory = init_memory(jax.random.fold_in(key_memory, t), policy)
        # The agent sees where it came from (terminated, next_obs) together with where it stands now (obs).
        seen = after._replace(obs=jnp.where(ended, obs, after.obs), reward=jnp.where(ended, reward, after.reward))
        lane = Lane(env_state, seen, _where(ended, fresh_memory, memory))
        return (lane, num_ended + ended), (transition, extras)

    (lane, _), (transitions, extras) = jax.lax.scan(step, (lane, jnp.int32(0)), jnp.arange(num_steps))
    return lane, transitions, extras


def unroll_many(
    env: Environment, explore: Explore, init_memory: InitMemory, keys: Key, policy: Policy, lanes: Lane, num_steps: int
) -> tuple[Lane, Transition, PyTree]:
    """`unroll` of lanes `[N, ...]`, each with its own of the keys `[N]`: everything with a leading axis `[N]` more.

    They run in chunks of equal size, so that what a chunk reads and writes stays in the cache of its device.
    """
    num = keys.shape[0]
    at_once = LIGHT_UNROLLS_AT_ONCE if env.light else UNROLLS_AT_ONCE
    num_chunks = -(-num // at_once.get(jax.default_backend(), num))

    def one(x: tuple[Key, Lane]) -> tuple[Lane, Transition, PyTree]:
        return unroll(env, explore, init_memory, x[0], policy, x[1], num_steps)

    if num_chunks == 1:
        return jax.vmap(one)((keys, lanes))
    unrolled: tuple[Lane, Transition, PyTree] = jax.lax.map(one, (keys, lanes), batch_size=-(-num // num_chunks))
    return unrolled


def unroll_episode(
    env: Environment, explore: Explore, init_memory: InitMemory, key: Key, policy: Policy
) -> tuple[Transition, PyTree, PyTree, jax.Array]:
    """One episode of `explore` from a fresh start: transitions `[T, ...]`, extras `[T, ...]`, the memory it began with,
    and which of the T = `episode_length` steps belong to it, `[T]`. What stands behind its end is to be ignored."""
    key_start, key_explore = jax.random.split(key)
    start = start_lane(env, init_memory, key_start, policy)

    def step(
        carry: tuple[Lane, jax.Array], t: jax.Array
    ) -> tuple[tuple[Lane, jax.Array], tuple[Transition, PyTree, jax.Array]]:
        lane, alive = carry
        action, memory, extras = explore(jax.random.fold_in(key_explore, t), policy, lane.timestep, lane.memory)
        env_state, after = env.step(lane.env_state, action)
        transition = Transition(
            lane.timestep.obs, action, after.reward, after.next_obs, after.terminated, after.truncated
        )
        going_on = alive & ~(after.terminated | after.truncated)
        return (Lane(env_state, after, memory), going_on), (transition, extras, alive)

    _, (transitions, extras, alive) = jax.lax.scan(step, (start, jnp.array(True)), jnp.arange(env.episode_length))
    return transitions, extras, start.memory, alive


def or_uniform(explore: Explore, space: Space, uniform: bool | jax.Array) -> Explore:
    """`explore`, but with actions drawn uniformly from `space` where `uniform` (may be traced) holds.

    What `explore` draws does not depend on whether `uniform` is a Python bool or traced.
    """

    def behave(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        key_explore, key_uniform = jax.random.split(key)
        action, memory, extras = explore(key_explore, policy, timestep, memory)
        if uniform is False:
            return action, memory, extras
        return jnp.where(uniform, space.sample(key_uniform), action), memory, extras

    return behave
