"""What an agent with a stochastic policy does: it explores by drawing, acts by the mode, and knows log-probabilities.

Knows distributions over actions and the policy record; knows no network, no loss and no algorithm.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax

from landscapes.networks.distributions import Distribution
from landscapes.spaces import Space
from landscapes.types import Act, Key, LogProb, Policy, PyTree, TimeStep


class Acting(NamedTuple):
    """The functions of these names in an `Algorithm`."""

    explore: Callable[[Key, Policy, TimeStep, PyTree], tuple[jax.Array, PyTree, PyTree]]
    act: Act
    log_prob: LogProb


def acting(
    see: Callable[[Policy, jax.Array], jax.Array],
    decide: Callable[[Policy, jax.Array], Distribution],
    space: Space,
    keeps_raw: bool = False,
    keeps_seen: bool = False,
) -> Acting:
    """How to act in `space` with the distribution that a policy decides on from what it sees of an observation.

    `explore` notes the `log_prob` of what it drew. The environment clips what it executes, the log-probability belongs
    to the unclipped action; with `keeps_raw` the raw one is noted as `raw_action`, for distributions that make another
    of it. With `keeps_seen` it notes what it has `seen`, for critics that look at the same.
    """

    def distribution(policy: Policy, obs: jax.Array) -> Distribution:
        return decide(policy, see(policy, obs))

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        seen = see(policy, timestep.obs)
        found = decide(policy, seen)
        raw = found.sample_raw(key)
        extras = {"log_prob": found.log_prob_raw(raw)}
        extras |= {"raw_action": raw} if keeps_raw else {}
        extras |= {"seen": seen} if keeps_seen else {}
        return found.executed(raw), memory, extras

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return space.clip(distribution(policy, timestep.obs).mode()), memory

    def log_prob(
        key: Key, policy: Policy, timestep: TimeStep, memory: PyTree, action: jax.Array
    ) -> tuple[jax.Array, PyTree]:
        return distribution(policy, timestep.obs).log_prob(action), memory

    return Acting(explore, act, log_prob)
