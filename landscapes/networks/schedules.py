"""How a learning rate moves during training.

Knows numbers; knows no optimizer and no algorithm.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

SCHEDULES = ("constant", "linear", "steps", "kl")
"""Schedules by name."""

LOWEST, HIGHEST = 1e-5, 1e-2
"""Between these `by_kl` keeps a rate, as in RSL-RL, the code of Rudin et al. (2022)."""


def linear(rate: float, done: jax.Array, total: int) -> jax.Array:
    """`rate` falling to 0 over `total` iterations, of which `done` [] are done."""
    # Counted, not as 1 - done / total, which compilers round to a little more than 0 at the end.
    return rate * (total - jnp.minimum(done, total).astype(jnp.float32)) / total


def steps(rate: float, done: jax.Array, total: int, at: Sequence[float], factor: float) -> jax.Array:
    """`rate` times `factor` once for each share `at` of the `total` iterations that has been done."""
    passed = jnp.sum(done.astype(jnp.float32) >= jnp.asarray(at, jnp.float32) * total)
    return rate * factor ** passed.astype(jnp.float32)


def of_iteration(config: Any, rate: jax.Array, done: jax.Array) -> jax.Array:
    """The rate of the next iteration, by the schedule that `config` names, from the `rate` of the last one."""
    if config.lr_schedule == "linear":
        return linear(config.learning_rate, done, config.num_iterations)
    if config.lr_schedule == "steps":
        return steps(config.learning_rate, done, config.num_iterations, config.lr_steps, config.lr_factor)
    return rate


def by_kl(rate: jax.Array, kl: jax.Array, wanted: float) -> jax.Array:
    """`rate` over 1.5 where the KL divergence [] is above twice the `wanted` one, times 1.5 where it is below half of
    that and not 0: what Rudin et al. (2022) do after each minibatch, within `LOWEST` and `HIGHEST`."""
    lower, higher = jnp.maximum(rate / 1.5, LOWEST), jnp.minimum(rate * 1.5, HIGHEST)
    return jnp.where(kl > 2.0 * wanted, lower, jnp.where((kl < 0.5 * wanted) & (kl > 0.0), higher, rate))
