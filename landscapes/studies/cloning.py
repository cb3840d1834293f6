"""Behaviour cloning: fresh policies regressed on what a given one does.

Knows the algorithm record; knows no concrete algorithm and no file, and evaluates nothing.

The given policy names its own action, the mode, for each of many observations; a policy as an untrained learner has it
is then fitted to these pairs: by mean squared error where actions are numbers, by cross-entropy where they are choices.
What is alike afterwards is the behaviour, what differs is the
weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.errors import UserError
from landscapes.experience import unroll
from landscapes.machine import devices
from landscapes.networks.optimizers import adam, descend
from landscapes.spaces import Discrete
from landscapes.types import Agent, Environment, Key, Policy, PyTree, first_step

HELD_OUT = 10
"""Every so many-th row is kept out of the regression."""

_ROWS_AT_ONCE = 4096
"""Rows whose actions are computed side by side, so that a million of them need little memory."""

_MAX_LANES = 64
"""Environments side by side that `own_observations` steps."""


class Pairs(NamedTuple):
    """Where a policy does what: observations `[n, ...]` and actions `[n, ...]`."""

    obs: jax.Array
    action: jax.Array


class Clone(NamedTuple):
    """A policy on its way. `loss_sum` [] adds up the losses of its updates, for whoever sets it back to 0."""

    policy: Policy
    opt_state: PyTree
    loss_sum: jax.Array


class Cloner(NamedTuple):
    """The functions of one regression, compiled once; clones, and their keys, have a leading axis `[num_clones]`."""

    init: Callable[[Key, PyTree], Clone]
    """Fresh clones from keys `[num_clones]`, with these policy constants (not batched)."""
    advance: Callable[[Key, Clone, Pairs, int, int], Clone]
    """`advance(keys, clones, pairs, start, stop)`: the updates start .. stop - 1. Where one call ends and the next
    begins changes no bit."""
    losses: Callable[[Clone, Pairs], jax.Array]
    """The loss of each clone over all of some pairs, `[num_clones]`."""


def check_can_be_cloned(agent: Agent, key: str) -> None:
    """Raises UserError under `key` for an algorithm whose policies remember, as single rows do not say what they do,
    and for one that chooses among actions and does not say how likely each is."""
    if isinstance(agent.env.action, Discrete) and agent.algorithm.log_prob is None:
        raise UserError(key, agent.name, "has policies without a log-probability, by which choices are cloned")
    state = jax.eval_shape(agent.init, jax.random.key(0))
    memory = jax.eval_shape(agent.init_memory, jax.random.key(0), state.learner.policy)
    if jax.tree.leaves(memory):
        raise UserError(key, agent.name, "has policies with a memory, which cannot be cloned row by row")


def modes(agent: Agent, policy: Policy, obs: jax.Array) -> jax.Array:
    """What `policy` does at each of `obs` `[n, ...]`: its mode, `[n, ...]`."""
    # Fixed keys: the mode is not drawn.
    key_memory, key_act = jax.random.split(jax.random.key(0))
    memory = agent.init_memory(key_memory, policy)
    return jax.vmap(lambda row: agent.act(key_act, policy, first_step(row), memory)[0])(obs)


def mismatch(agent: Agent, policy: Policy, pairs: Pairs) -> jax.Array:
    """How far `policy` is from doing what the pairs say, `[n]`.

    Of numbers the squared difference from its mode, mean over the dimensions of the action; of choices minus their
    log-probability, in nats.
    """
    if isinstance(agent.env.action, Discrete):
        log_prob = agent.algorithm.log_prob
        assert log_prob is not None
        key_memory, key = jax.random.split(jax.random.key(0))
        memory = agent.init_memory(key_memory, policy)
        return -jax.vmap(lambda row, action: log_prob(key, policy, first_step(row), memory, action)[0])(*pairs)
    return jnp.mean((modes(agent, policy, pairs.obs) - pairs.action) ** 2, axis=-1)


def relabel(agent: Agent, policy: Policy, obs: jax.Array) -> Pairs:
    """`obs` `[n, ...]` with what `policy` does there."""

    @jax.jit
    def of_all(policy: Policy, obs: jax.Array) -> jax.Array:
        return jax.lax.map(lambda row: modes(agent, policy, row[None])[0], obs, batch_size=_ROWS_AT_ONCE)

    return Pairs(obs, of_all(policy, obs))


def split(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The pairs to fit, and every tenth, the first among them, held out; raises ValueError for fewer than two."""
    num_rows = pairs.obs.shape[0]
    if num_rows < 2:
        raise ValueError(f"{num_rows} rows cannot be split")
    held_out = jnp.arange(num_rows) % HELD_OUT == 0
    fitted, kept = jnp.flatnonzero(~held_out), jnp.flatnonzero(held_out)
    return Pairs(*(x[fitted] for x in pairs)), Pairs(*(x[kept] for x in pairs))


def own_observations(key: Key, env: Environment, agent: Agent, policy: Policy, num_rows: int) -> jax.Array:
    """`[num_rows, ...]`: what the policy sees where it goes itself, exploring as in training.

    As many environments side by side as give each the steps of a whole episode, 64 at most, each from a fresh start.
    """
    num_lanes = min(max(num_rows // env.episode_length, 1), _MAX_LANES)
    num_steps = -(-num_rows // num_lanes)

    @jax.jit
    def seen(key: Key, policy: Policy) -> jax.Array:
        key_starts, key_unroll = (jax.random.split(k, num_lanes) for k in jax.random.split(key))
        lanes = jax.vmap(lambda k: unroll.start_lane(env, agent.init_memory, k, policy))(key_starts)
        _, steps, _ = unroll.unroll_many(env, agent.explore, agent.init_memory, key_unroll, policy, lanes, num_steps)
        return steps.obs.reshape(-1, *env.observation.shape)[:num_rows]

    return seen(key, policy)


def make_cloner(agent: Agent, learning_rate: float, batch_size: int) -> Cloner:
    """Regression by Adam on the mean `mismatch` of batches drawn with replacement.

    Update i of a clone draws its rows from `fold_in(key, i)` alone. Parameters on which the mode does not depend stay
    as they were drawn.
    """
    optimizer = adam()

    def fresh(key: Key, constants: PyTree) -> Clone:
        policy = Policy(agent.init(key).learner.policy.params, constants)
        return Clone(policy, optimizer.init(policy.params), jnp.float32(0.0))

    def update(key: Key, clone: Clone, pairs: Pairs) -> Clone:
        index = jax.random.randint(key, (batch_size,), 0, pairs.obs.shape[0])
        batch = Pairs(pairs.obs[index], pairs.action[index])

        def loss(params: PyTree) -> jax.Array:
            return mismatch(agent, clone.policy._replace(params=params), batch).mean()

        value, gradients = jax.value_and_grad(loss)(clone.policy.params)
        params, opt_state, _ = descend(optimizer, clone.policy.params, gradients, clone.opt_state, learning_rate)
        return Clone(clone.policy._replace(params=params), opt_state, clone.loss_sum + value)

    def updates(key: Key, clone: Clone, pairs: Pairs, start: jax.Array, stop: jax.Array) -> Clone:
        done: Clone = jax.lax.fori_loop(
            start, stop, lambda i, clone: update(jax.random.fold_in(key, i), clone, pairs), clone
        )
        return done

    def loss_of_all(clone: Clone, pairs: Pairs) -> jax.Array:
        def of_one(pair: Pairs) -> jax.Array:
            return mismatch(agent, clone.policy, Pairs(pair.obs[None], pair.action[None]))[0]

        return jax.lax.map(of_one, pairs, batch_size=_ROWS_AT_ONCE).mean()

    init = jax.jit(jax.vmap(fresh, in_axes=(0, None)))
    # One update to no environment step: element-wise work decides how fast it is.
    advance = jax.jit(
        jax.vmap(updates, in_axes=(0, 0, None, None, None)), compiler_options=devices.compiler_options(of_networks=True)
    )
    return Cloner(
        init,
        lambda keys, clones, pairs, start, stop: advance(keys, clones, pairs, jnp.uint32(start), jnp.uint32(stop)),
        jax.jit(jax.vmap(loss_of_all, in_axes=(0, None))),
    )
