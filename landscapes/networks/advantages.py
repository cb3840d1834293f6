"""What weighs the gradient of a log-probability: returns, advantages and all six ψ of Schulman et al. (2016), eq. 1.

Knows formulas on the steps of lanes; knows no network, no environment and no algorithm.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.networks import losses

PSI = ("total_return", "future_return", "baseline_return", "q_value", "gae", "td_residual")
"""The six by name, in the order of that equation."""


class Steps(NamedTuple):
    """The steps of one lane in order, each `[T]`: trajectories one after the other, the last of which may be cut off.

    `values` are V(s_t), `next_values` V(s'_t) of the true next observations.
    """

    rewards: jax.Array
    values: jax.Array
    next_values: jax.Array
    terminated: jax.Array
    truncated: jax.Array


def values_after(
    value_of: Callable[[jax.Array], jax.Array],
    values: jax.Array,
    next_obs: jax.Array,
    asked: jax.Array,
    ended: jax.Array,
) -> jax.Array:
    """V(s'_t) of unrolled lanes, `[N, T]`, from V(s_t): the next step's where a lane goes on to it, without asking the
    critic again; where an episode has `ended`, or the unroll has, asked of it if `asked`, both `[N, T]` bool, and
    anything otherwise.

    `value_of` has V `[N]` of observations `[N, ...]`; `next_obs` is `[N, T, ...]`. Few steps are asked for as a rule,
    one of each lane: they are gathered, and asked for N at a time.
    """
    num, size = values.shape[0], values.size
    shifted = jnp.concatenate([values[:, 1:], values[:, -1:]], axis=1).reshape(-1)
    wanted = (asked & ended.at[:, -1].set(True)).reshape(-1)
    place = jnp.where(wanted, jnp.cumsum(wanted) - 1, size)
    rows = jnp.full(size, size).at[place].set(jnp.arange(size), mode="drop")
    flat = next_obs.reshape(-1, *next_obs.shape[2:])

    def ask(i: jax.Array, found: jax.Array) -> jax.Array:
        some = jax.lax.dynamic_slice_in_dim(rows, i * num, num)
        return found.at[some].set(value_of(flat[jnp.minimum(some, size - 1)]), mode="drop")

    turns = (jnp.sum(wanted) + num - 1) // num
    after: jax.Array = jax.lax.fori_loop(0, turns, ask, shifted)
    return after.reshape(values.shape)


def rewards_to_go(steps: Steps, gamma: float) -> jax.Array:
    """R_t = Σ γ^l r_{t+l} to the end of the trajectory, `[T]`; plus γ^n V(s'), n the number of those rewards, where it
    was not a termination: at a time limit and where the steps end."""

    losses.same_shape(**steps._asdict())

    def step(following: jax.Array, x: Steps) -> tuple[jax.Array, jax.Array]:
        following = jnp.where(x.truncated, x.next_values, following)
        returned = x.rewards + gamma * (1.0 - x.terminated) * following
        return returned, returned

    return jax.lax.scan(step, steps.next_values[-1], steps, reverse=True)[1]


def total_returns(steps: Steps, gamma: float) -> jax.Array:
    """R of the first step of each step's trajectory, `[T]`; of the first that is here, where it began before."""
    ended = steps.terminated | steps.truncated
    begins = jnp.concatenate([jnp.ones(1, bool), ended[:-1]])

    def step(total: jax.Array, x: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total = jnp.where(x[0], x[1], total)
        return total, total

    to_go = rewards_to_go(steps, gamma)
    return jax.lax.scan(step, jnp.zeros_like(to_go[0]), (begins, to_go))[1]


def psi(name: str, steps: Steps, gamma: float, gae_lambda: float) -> jax.Array:
    """ψ_t `[T]` by its name in `PSI`, discounted by γ; docs/algorithms/vpg.md has the formulas."""
    if name == "total_return":
        return total_returns(steps, gamma)
    if name == "future_return":
        return rewards_to_go(steps, gamma)
    if name == "baseline_return":
        return rewards_to_go(steps, gamma) - steps.values
    if name == "q_value":
        return losses.td_target(steps.rewards, steps.terminated, steps.next_values, gamma)
    if name == "gae":
        return losses.generalized_advantages(*steps, gamma, gae_lambda)
    if name == "td_residual":
        return losses.td_target(steps.rewards, steps.terminated, steps.next_values, gamma) - steps.values
    raise ValueError(f"{name} is none of {', '.join(PSI)}")


def normalized(x: jax.Array, epsilon: float) -> jax.Array:
    """(x − mean) / (standard deviation + ε) over all entries, the deviation that of n and not n − 1."""
    return (x - x.mean()) / (x.std() + epsilon)
