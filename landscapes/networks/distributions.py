"""Distributions over actions: how they are drawn from, how likely an action is, how uncertain they are.

Knows densities; knows no network that gives their parameters, and no algorithm.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from landscapes.networks import losses
from landscapes.types import Key


class Distribution(Protocol):
    """Of actions `[...]`, one for each of the parameters' leading axes."""

    def sample(self, key: Key) -> jax.Array: ...

    def mode(self) -> jax.Array: ...

    def log_prob(self, action: jax.Array) -> jax.Array: ...

    def entropy(self) -> jax.Array: ...


class Gaussian(NamedTuple):
    """Independent Gaussians with `mean` and `log_std` `[..., n]`; log-probability and entropy of all n together."""

    mean: jax.Array
    log_std: jax.Array

    def sample(self, key: Key) -> jax.Array:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> jax.Array:
        return self.mean

    def log_prob(self, action: jax.Array) -> jax.Array:
        return losses.gaussian_log_prob(action, self.mean, self.log_std)

    def entropy(self) -> jax.Array:
        return losses.gaussian_entropy(self.log_std)


class Categorical(NamedTuple):
    """One of n choices, with unnormalised log-probabilities `logits` `[..., n]`; actions are int32 `[...]`."""

    logits: jax.Array

    def sample(self, key: Key) -> jax.Array:
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def mode(self) -> jax.Array:
        """The likeliest choice, the first of equals."""
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, action: jax.Array) -> jax.Array:
        """log softmax(logits)[action]."""
        if action.shape != self.logits.shape[:-1]:
            raise ValueError(f"actions {action.shape} must be one for each of logits {self.logits.shape}")
        return jnp.take_along_axis(jax.nn.log_softmax(self.logits), action[..., None], axis=-1)[..., 0]

    def entropy(self) -> jax.Array:
        """−Σ p log p in nats."""
        log_p = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


class TanhGaussian(NamedTuple):
    """tanh(u) of u ~ N(mean, exp(log_std)²), independent in each of the last axis; actions are in (−1, 1)."""

    mean: jax.Array
    log_std: jax.Array

    def sample(self, key: Key) -> jax.Array:
        return self.sample_with_log_prob(key)[0]

    def sample_with_log_prob(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """An action and its log-density, from the same u: no inverse of tanh is taken (Haarnoja et al., 2018,
        appendix C)."""
        u = Gaussian(self.mean, self.log_std).sample(key)
        return jnp.tanh(u), losses.gaussian_log_prob(u, self.mean, self.log_std) - losses.tanh_log_det(u)

    def mode(self) -> jax.Array:
        """tanh of the mean: what the median action is."""
        return jnp.tanh(self.mean)
