"""Adam steps whose learning rate is an argument.

Knows gradients and optimizer states; knows neither losses nor algorithms. The rate is applied outside the optimizer so
that it can be traced: several rates in one job compile once.
"""

import jax
import jax.numpy as jnp
import optax

from landscapes.types import PyTree


def adam(eps: float = 1e-8, max_grad_norm: float | None = None) -> optax.GradientTransformation:
    """Adam without its learning rate; `max_grad_norm` clips the global norm first."""
    direction = optax.scale_by_adam(eps=eps)
    return direction if max_grad_norm is None else optax.chain(optax.clip_by_global_norm(max_grad_norm), direction)


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
    return params, opt_state, optax.tree.norm(gradients)
