"""Adam steps whose learning rate is an argument.

Knows gradients and optimizer states; knows neither losses nor algorithms. The rate is applied outside the optimizer so
that it can be traced: several rates in one job compile once.
"""

import jax
import jax.numpy as jnp
import optax

from landscapes.types import Metrics, PyTree

TINY = 1e-30
"""Stands in for a mean of 0 below a ratio."""


def adam(eps: float = 1e-8, max_grad_norm: float | None = None) -> optax.GradientTransformation:
    """Adam without its learning rate; `max_grad_norm` clips the global norm first."""
    direction = optax.scale_by_adam(eps=eps)
    return direction if max_grad_norm is None else optax.chain(optax.clip_by_global_norm(max_grad_norm), direction)


def global_norm(gradients: PyTree) -> jax.Array:
    """The root of the sum of the squares of all entries of all leaves, `[]`."""
    norm: jax.Array = optax.tree.norm(gradients)
    return norm


def descend(
    optimizer: optax.GradientTransformation,
    params: PyTree,
    gradients: PyTree,
    opt_state: PyTree,
    learning_rate: float | jax.Array,
) -> tuple[PyTree, PyTree, jax.Array]:
    """One step: `(params − learning_rate · direction, opt_state, global norm of the gradients before clipping)`."""
    direction, opt_state = optimizer.update(gradients, opt_state, params)
    params = jax.tree.map(lambda p, d: p - jnp.asarray(learning_rate, p.dtype) * d, params, direction)
    return params, opt_state, global_norm(gradients)


def norm_spread(name: str, norms: jax.Array, weights: jax.Array | None = None) -> Metrics:
    """Metrics of gradient norms, of any shape: `name` their mean, `name_var` their variance (of n, not n − 1) and
    `name_cv` its root over the mean, which no factor on the loss changes. `weights` (of that shape) sum to 1."""
    weights = jnp.full(norms.shape, 1.0 / norms.size) if weights is None else weights
    mean = jnp.sum(weights * norms)
    variance = jnp.sum(weights * (norms - mean) ** 2)
    return {name: mean, f"{name}_var": variance, f"{name}_cv": jnp.sqrt(variance) / jnp.maximum(mean, TINY)}
