"""Passes over a batch in minibatches.

Knows batches as trees of arrays and a step that learns from one; knows no loss, no optimizer and no algorithm.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.types import Key, Metrics, PyTree


class Passes(NamedTuple):
    """What passes over a batch came to: of each minibatch its metrics, `[num_epochs, num_minibatches]`, of each epoch
    their means and its weight, `[num_epochs]`. Weights sum to 1 and are 0 where an epoch did not count any more."""

    learner: Any
    metrics: Metrics
    epoch_means: Metrics
    weights: jax.Array

    def means(self) -> Metrics:
        """The mean `[]` of each metric over all that counted."""
        return {name: jnp.sum(self.weights * values) for name, values in self.epoch_means.items()}

    def each_weight(self) -> jax.Array:
        """Weights of single minibatches, `[num_epochs, num_minibatches]`, which sum to 1."""
        num = next(iter(self.metrics.values())).shape[1]
        return jnp.repeat(self.weights[:, None] / num, num, axis=1)


def partition(key: Key, batch: PyTree, num_minibatches: int) -> PyTree:
    """A random partition of a batch `[B, ...]` into equal parts, `[num_minibatches, B / num_minibatches, ...]`."""
    size = jax.tree.leaves(batch)[0].shape[0]
    order = _shuffled(key, size).reshape(num_minibatches, -1)
    return jax.tree.map(lambda x: x[order], batch)


def _shuffled(key: Key, size: int) -> jax.Array:
    """0 .. size - 1 in random order: one sort by 32 random bits, where JAX's own permutation makes two, lest two rows
    with the same bits keep their order. Of 10 000 rows there are two such in one shuffle of 86."""
    ranks = jax.random.bits(key, (size,), "uint32")
    order: jax.Array = jax.lax.sort_key_val(ranks, jnp.arange(size, dtype=jnp.int32))[1]
    return order


def epochs(
    key: Key,
    learner: Any,
    batch: PyTree,
    step: Callable[[Key, Any, PyTree], tuple[Any, Metrics]],
    num_epochs: int,
    num_minibatches: int,
    goes_on: Callable[[Metrics], jax.Array] | None = None,
) -> Passes:
    """`num_epochs` passes over `batch`, one `step` for each minibatch of a fresh partition.

    No epoch counts any more after the first whose mean metrics say that it does not go on, [] bool.
    """

    def minibatch(learner: Any, x: tuple[Key, PyTree]) -> tuple[Any, Metrics]:
        return step(x[0], learner, x[1])

    def epoch(carry: tuple[Any, jax.Array], key: Key) -> tuple[tuple[Any, jax.Array], Any]:
        learner, going = carry
        key_order, key_steps = jax.random.split(key)
        keys = jax.random.split(key_steps, num_minibatches)
        new, metrics = jax.lax.scan(minibatch, learner, (keys, partition(key_order, batch, num_minibatches)))
        means = jax.tree.map(jnp.mean, metrics)
        if goes_on is None:
            return (new, going), (metrics, means, going)
        learner = jax.tree.map(lambda x, y: jnp.where(going, x, y), new, learner)
        return (learner, going & goes_on(means)), (metrics, means, going)

    keys = jax.random.split(key, num_epochs)
    (learner, _), (metrics, means, ran) = jax.lax.scan(epoch, (learner, jnp.array(True)), keys)
    return Passes(learner, metrics, means, ran / ran.sum())
