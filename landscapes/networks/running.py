"""Running means and variances: of observations, and of the discounted return that scales rewards.

Knows arrays and how two samples' moments become those of both; knows no network, no environment and no algorithm.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.types import PyTree

EPSILON = 1e-8
"""Added to a variance before its root is divided by, as in the Baselines that Engstrom et al. (2020) took apart."""


class Moments(NamedTuple):
    """Mean and variance (of n, not n − 1) of `num` values so far, `mean` and `variance` of one shape.

    `num` [] is a float, so that a line between two policies that hold such moments has a meaning.
    """

    mean: jax.Array
    variance: jax.Array
    num: jax.Array


def no_moments(shape: tuple[int, ...]) -> Moments:
    """Before anything was seen: mean 0 and variance 1, which leave values as they are."""
    return Moments(jnp.zeros(shape), jnp.ones(shape), jnp.zeros(()))


def merged(moments: Moments, values: jax.Array) -> Moments:
    """The moments with `values` `[n, ...]` among them (Chan, Golub and LeVeque, 1983)."""
    more = jnp.float32(values.shape[0])
    num = moments.num + more
    mean, variance = values.mean(axis=0), values.var(axis=0)
    share = more / num
    apart = mean - moments.mean
    # The variance of nothing is 1 by convention; its share is 0.
    spread = (1.0 - share) * moments.variance + share * variance + share * (1.0 - share) * apart**2
    return Moments(moments.mean + share * apart, spread, num)


def standardized(moments: Moments | PyTree, values: jax.Array, clip: float | None = None) -> jax.Array:
    """(values − mean) / √(variance + ε), `[..., *shape]`, clipped to ± `clip`; where moments are `()`, only this."""
    if isinstance(moments, Moments):
        lead = (1,) * (values.ndim - moments.mean.ndim)
        mean, variance = (x.reshape(lead + x.shape) for x in (moments.mean, moments.variance))
        values = (values - mean) * jax.lax.rsqrt(variance + EPSILON)
    return values if clip is None else jnp.clip(values, -clip, clip)


class RewardScale(NamedTuple):
    """How far discounted returns are spread: Σ γ^k r_{t−k} so far in the episode of each lane, `[lanes]`, and the
    moments of all that these were."""

    returns: jax.Array
    moments: Moments


def no_reward_scale(lanes: int) -> RewardScale:
    """Before anything was earned: rewards stay as they are."""
    return RewardScale(jnp.zeros(lanes), no_moments(()))


def follow(scale: RewardScale, rewards: jax.Array, ended: jax.Array, gamma: float) -> RewardScale:
    """The scale after `rewards` and ends of episodes `[lanes, T]`; an end sets its lane's return back to 0."""

    def step(returned: jax.Array, x: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        returned = gamma * returned + x[0]
        return jnp.where(x[1], 0.0, returned), returned

    last, seen = jax.lax.scan(step, scale.returns, (rewards.T, ended.T))
    return RewardScale(last, merged(scale.moments, seen.reshape(-1)))


def scaled(
    scale: RewardScale | PyTree, rewards: jax.Array, ended: jax.Array, gamma: float, clip: float | None = None
) -> tuple[jax.Array, RewardScale | PyTree]:
    """Rewards `[lanes, T]` over the deviation of the discounted return with these among them, then clipped to ± `clip`;
    and the scale after them. Where the scale is `()`, only the latter.

    Their mean is not taken away, as that would change which policy is best.
    """
    if isinstance(scale, RewardScale):
        scale = follow(scale, rewards, ended, gamma)
        rewards = rewards * jax.lax.rsqrt(scale.moments.variance + EPSILON)
    return (rewards if clip is None else jnp.clip(rewards, -clip, clip)), scale
