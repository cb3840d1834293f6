"""How weights begin.

Knows shapes and random keys; knows no network.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

SQRT2 = math.sqrt(2.0)

MOST_ONE_BY_ONE = 256
"""So many columns are orthogonalised one by one, more in blocks of `COLUMNS_AT_ONCE`: the 512 of the layer behind
Mnih et al.'s convolutions thirty times faster."""

COLUMNS_AT_ONCE = 32


def orthonormal_columns(a: jax.Array) -> jax.Array:
    """The Q `[n, m]`, n ≥ m, of A = QR with a positive diagonal of R: Gram-Schmidt, each column orthogonalised twice.

    Of a Gaussian A it is uniform over all such Q. Twice is enough for float32 (Giraud et al., 2005). Many columns go in
    blocks: first all of a block against those before it, as products of matrices, then each against the others of it.
    """

    def column(j: jax.Array, q: jax.Array, a: jax.Array) -> jax.Array:
        v = a[:, j]
        for _ in range(2):
            v = v - q @ (q.T @ v)  # columns from j on are still zero
        return q.at[:, j].set(v / jnp.linalg.norm(v))

    def columns(a: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, a.shape[1], lambda j, q: column(j, q, a), jnp.zeros_like(a))

    def block(i: jax.Array, q: jax.Array) -> jax.Array:
        v = jax.lax.dynamic_slice_in_dim(a, i * COLUMNS_AT_ONCE, COLUMNS_AT_ONCE, 1)
        for _ in range(2):
            v = v - q @ (q.T @ v)
        return jax.lax.dynamic_update_slice_in_dim(q, columns(v), i * COLUMNS_AT_ONCE, 1)

    num = a.shape[1]
    if num <= MOST_ONE_BY_ONE or num % COLUMNS_AT_ONCE:
        return columns(a)
    return jax.lax.fori_loop(0, num // COLUMNS_AT_ONCE, block, jnp.zeros_like(a))


def orthogonal(scale: float) -> Callable[..., jax.Array]:
    """An initializer of uniformly random (semi-)orthogonal matrices times `scale`.

    flax's own factorises with LAPACK, whose calls from XLA's thread pool can wait for each other for ever where there
    are few cores (seen on two, jaxlib 0.10.2); this one has no such call.
    """

    def init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
        rows, columns = shape
        q = orthonormal_columns(jax.random.normal(key, (max(rows, columns), min(rows, columns)), dtype))
        return scale * (q if rows >= columns else q.T)

    return init


INITIALIZATIONS = ("orthogonal", "xavier", "torch")
"""How weights begin, by name: orthogonal of scale √2 (Saxe et al., 2014); uniform within √(6 / (n_in + n_out)) (Glorot
and Bengio, 2010), both with zero biases; uniform within 1/√n_in, biases too, as PyTorch's `Linear` begins."""


def _uniform(bound: float) -> Callable[..., jax.Array]:
    def init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, tuple(shape), dtype, -bound, bound)

    return init


def begun(initialization: str, num_in: int, num_out: int, scale: float) -> dict[str, Callable[..., jax.Array]]:
    """`kernel_init` and `bias_init` of a dense layer; `scale` is that of orthogonal weights, of others a factor."""
    if initialization == "orthogonal":
        return {"kernel_init": orthogonal(scale), "bias_init": nn.initializers.zeros}
    if initialization == "xavier":
        bound = scale * math.sqrt(6.0 / (num_in + num_out))
        return {"kernel_init": _uniform(bound), "bias_init": nn.initializers.zeros}
    if initialization == "torch":
        bound = scale / math.sqrt(num_in)
        return {"kernel_init": _uniform(bound), "bias_init": _uniform(bound)}
    raise ValueError(f"{initialization} is none of {', '.join(INITIALIZATIONS)}")
