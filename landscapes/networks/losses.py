"""Targets, losses and densities as functions of arrays, without networks.

Knows formulas and their sources; knows no parameter trees beyond a moving average, no environment, no algorithm.
"""

import math

import jax
import jax.numpy as jnp

from landscapes.types import Metrics, PyTree

LOG_2PI = math.log(2.0 * math.pi)


def same_shape(**arrays: jax.Array) -> None:
    """Raises ValueError unless all arrays have one shape: a column among rows would silently make a matrix."""
    shapes = {name: jnp.shape(array) for name, array in arrays.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"shapes differ: {shapes}")


def td_target(reward: jax.Array, terminated: jax.Array, next_value: jax.Array, gamma: float) -> jax.Array:
    """r + γ (1 − terminated) V(s'), `[B]`: a time limit bootstraps, a termination does not."""
    same_shape(reward=reward, terminated=terminated, next_value=next_value)
    return reward + gamma * (1.0 - terminated) * next_value


def twin_critic_loss(q: jax.Array, target: jax.Array) -> jax.Array:
    """mean((Q1 − y)² + (Q2 − y)²), `[]`, from `q` [2, B] and `target` [B]; no ½, as in Fujimoto et al. (2018)."""
    if q.shape != (2, *target.shape):
        raise ValueError(f"q {q.shape} must be [2, *target], target is {target.shape}")
    return jnp.mean(jnp.sum((q - target[None]) ** 2, axis=0))


def polyak(target: PyTree, online: PyTree, tau: float) -> PyTree:
    """(1 − τ) target + τ online, leaf by leaf."""
    return jax.tree.map(lambda t, o: (1.0 - tau) * t + tau * o, target, online)


def gaussian_log_prob(x: jax.Array, mean: jax.Array, log_std: jax.Array) -> jax.Array:
    """log N(x; mean, exp(log_std)²), summed over the last axis, `[...]`, from three arrays of one shape."""
    same_shape(x=x, mean=mean, log_std=log_std)
    z = (x - mean) * jnp.exp(-log_std)
    return jnp.sum(-0.5 * z**2 - log_std - 0.5 * LOG_2PI, axis=-1)


def gaussian_entropy(log_std: jax.Array) -> jax.Array:
    """Entropy of a diagonal Gaussian in nats, summed over the last axis, `[...]`."""
    return jnp.sum(log_std + 0.5 * (1.0 + LOG_2PI), axis=-1)


def tanh_log_det(x: jax.Array) -> jax.Array:
    """Σ log(1 − tanh(x)²) over the last axis in its stable form 2 (log 2 − x − softplus(−2x)), `[...]`."""
    return jnp.sum(2.0 * (math.log(2.0) - x - jax.nn.softplus(-2.0 * x)), axis=-1)


def generalized_advantages(
    rewards: jax.Array,
    values: jax.Array,
    next_values: jax.Array,
    terminated: jax.Array,
    truncated: jax.Array,
    gamma: float,
    gae_lambda: float,
) -> jax.Array:
    """GAE(λ) advantages `[T]` of one sequence (Schulman et al., 2016).

    δ_t = r_t + γ (1 − terminated_t) V(s'_t) − V(s_t) with the true next observation s'_t; the sum over later δ is cut
    where the episode ended in either way. All arguments are `[T]`.
    """
    same_shape(rewards=rewards, values=values, next_values=next_values, terminated=terminated, truncated=truncated)
    deltas = rewards + gamma * (1.0 - terminated) * next_values - values
    carries_on = 1.0 - jnp.logical_or(terminated, truncated)

    def step(advantage: jax.Array, x: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta, on = x
        advantage = delta + gamma * gae_lambda * on * advantage
        return advantage, advantage

    return jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, carries_on), reverse=True)[1]


def policy_gradient_loss(log_prob: jax.Array, weights: jax.Array) -> jax.Array:
    """−mean(ψ log π(a|s)), `[]`, from log π and ψ `[B]`; its gradient is that of Schulman et al. (2016), eq. 1."""
    same_shape(log_prob=log_prob, weights=weights)
    return -jnp.mean(log_prob * weights)


def clipped_surrogate_loss(ratio: jax.Array, advantages: jax.Array, clip_eps: float) -> jax.Array:
    """mean(max(−A ρ, −A clip(ρ, 1 ± ε))), `[]` (Schulman et al., 2017, eq. 7), from ρ and A `[B]`."""
    same_shape(ratio=ratio, advantages=advantages)
    return jnp.mean(jnp.maximum(-advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip_eps, 1.0 + clip_eps)))


def ratio_metrics(log_ratio: jax.Array, clip_eps: float) -> Metrics:
    """Of log ρ `[B]`: how far the policy is from the one that acted, mean(ρ − 1 − log ρ) (Schulman, 2020, Approximating
    KL Divergence), and the share of rows whose ρ is outside 1 ± ε."""
    ratio = jnp.exp(log_ratio)
    return {
        "approx_kl": jnp.mean(ratio - 1.0 - log_ratio),
        "clip_fraction": jnp.mean(jnp.abs(ratio - 1.0) > clip_eps),
    }


def value_loss(values: jax.Array, targets: jax.Array) -> jax.Array:
    """½ mean((V − target)²), `[]`."""
    same_shape(values=values, targets=targets)
    return 0.5 * jnp.mean((values - targets) ** 2)


def clipped_value_loss(values: jax.Array, old_values: jax.Array, targets: jax.Array, clip_eps: float) -> jax.Array:
    """½ mean(max((V − y)², (V_old + clip(V − V_old, ±ε) − y)²)), `[]`: PPO's `clip_vloss`, as in CleanRL."""
    same_shape(values=values, old_values=old_values, targets=targets)
    clipped = old_values + jnp.clip(values - old_values, -clip_eps, clip_eps)
    return 0.5 * jnp.mean(jnp.maximum((values - targets) ** 2, (clipped - targets) ** 2))
