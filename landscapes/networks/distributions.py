"""Distributions over actions: how they are drawn from, how likely an action is, how uncertain they are.

Knows densities; knows no network that gives their parameters, and no algorithm.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from landscapes.networks import losses
from landscapes.types import Key


class Distribution(Protocol):
    """Of actions `[...]`, one for each of the parameters' leading axes.

    What is drawn is a *raw* action, and `executed` makes an action of it: the same, but where there is a tanh. A batch
    that keeps raw actions never needs the inverse of a tanh.
    """

    def sample_raw(self, key: Key) -> jax.Array: ...

    def executed(self, raw: jax.Array) -> jax.Array: ...

    def log_prob_raw(self, raw: jax.Array) -> jax.Array:
        """The log-probability (or density) of the action that comes of `raw`."""
        ...

    def log_prob(self, action: jax.Array) -> jax.Array: ...

    def mode(self) -> jax.Array: ...

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

    def executed(self, raw: jax.Array) -> jax.Array:
        return raw

    def sample_raw(self, key: Key) -> jax.Array:
        return self.sample(key)

    def log_prob_raw(self, raw: jax.Array) -> jax.Array:
        return self.log_prob(raw)

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

    def executed(self, raw: jax.Array) -> jax.Array:
        return raw

    def sample_raw(self, key: Key) -> jax.Array:
        return self.sample(key)

    def log_prob_raw(self, raw: jax.Array) -> jax.Array:
        return self.log_prob(raw)

    def entropy(self) -> jax.Array:
        """−Σ p log p in nats."""
        log_p = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


class TanhGaussian(NamedTuple):
    """tanh(u) of u ~ N(mean, exp(log_std)²), independent in each of the last axis; actions are in (−1, 1).

    The raw action is u.
    """

    mean: jax.Array
    log_std: jax.Array

    @property
    def gaussian(self) -> Gaussian:
        """That of u."""
        return Gaussian(self.mean, self.log_std)

    def sample(self, key: Key) -> jax.Array:
        return self.executed(self.sample_raw(key))

    def sample_raw(self, key: Key) -> jax.Array:
        return self.gaussian.sample(key)

    def executed(self, raw: jax.Array) -> jax.Array:
        return jnp.tanh(raw)

    def log_prob_raw(self, raw: jax.Array) -> jax.Array:
        """log N(u) − Σ log(1 − tanh(u)²): no inverse of tanh is taken (Haarnoja et al., 2018, appendix C)."""
        return self.gaussian.log_prob(raw) - losses.tanh_log_det(raw)

    def log_prob(self, action: jax.Array) -> jax.Array:
        """Of an action whose u nobody kept; those at ±1, where u is infinite, are taken for the next ones inside."""
        inside = 1.0 - jnp.finfo(action.dtype).eps
        return self.log_prob_raw(jnp.arctanh(jnp.clip(action, -inside, inside)))

    def sample_with_log_prob(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """An action and its log-density, from the same u."""
        raw = self.sample_raw(key)
        return self.executed(raw), self.log_prob_raw(raw)

    def mode(self) -> jax.Array:
        """tanh of the mean: what the median action is."""
        return jnp.tanh(self.mean)

    def entropy(self) -> jax.Array:
        """That of u, which grows with log_std for ever, while that of the action falls once it piles up at ±1."""
        return self.gaussian.entropy()

    def squashed_entropy(self, key: Key) -> jax.Array:
        """That of the action: H(u) + E[Σ log(1 − tanh(u)²)], estimated without bias from one u each, through which the
        gradient goes. There is no closed form."""
        return self.entropy() + losses.tanh_log_det(self.sample_raw(key))
