"""Actors and critics as flax modules.

Knows arrays and parameter trees; knows no algorithm, no environment and no optimizer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscapes.networks.distributions import Categorical, Gaussian, TanhGaussian
from landscapes.spaces import Box, Discrete, Spaces

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


ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
    "elu": nn.elu,
    "swish": nn.swish,
}
"""Activations between dense layers, by name."""

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


class MLP(nn.Module):
    """Dense layers with linear output, which begin as `initialization` says: by default orthogonal weights (scale √2,
    the last `out_scale`) and zero biases."""

    hidden_dims: Sequence[int]
    out_dim: int
    out_scale: float = SQRT2
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    initialization: str = "orthogonal"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = SQRT2 if self.initialization == "orthogonal" else 1.0
        for width in self.hidden_dims:
            x = self.activation(nn.Dense(width, **begun(self.initialization, x.shape[-1], width, hidden))(x))
        return nn.Dense(self.out_dim, **begun(self.initialization, x.shape[-1], self.out_dim, self.out_scale))(x)


def convolve_by_patches(x: jax.Array, kernel: jax.Array, side: int, stride: int) -> jax.Array:
    """`x` `[..., height, width, channels]` convolved, without padding, by `kernel` `[side * side * channels, filters]`:
    the patches of `x`, one beside the other, times the kernel."""
    rows, columns = ((n - side) // stride + 1 for n in x.shape[-3:-1])
    shifted = [
        x[..., i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride, :]
        for i in range(side)
        for j in range(side)
    ]
    return _rows_times(jnp.concatenate(shifted, axis=-1), kernel)


def _rows_times(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`x @ kernel` as a product of two matrices: XLA for CPUs transposes others in the gradient."""
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def convolve_by_blocks(x: jax.Array, kernel: jax.Array, side: int, stride: int) -> jax.Array:
    """The same where `side` is a multiple of `stride`: blocks of `stride` by `stride` pixels, which do not overlap,
    times every part of the kernel, and of these products those added up, shifted, that make a patch.

    No pixel is written down twice, as in patches that overlap: to write takes longer than to multiply.
    """
    parts, channels, filters = side // stride, x.shape[-1], kernel.shape[-1]
    rows, columns = ((n - side) // stride + 1 for n in x.shape[-3:-1])
    tall, wide = rows + parts - 1, columns + parts - 1
    blocks = x[..., : tall * stride, : wide * stride, :]
    blocks = blocks.reshape(*x.shape[:-3], tall, stride, wide, stride, channels).swapaxes(-4, -3)
    kernels = kernel.reshape(parts, stride, parts, stride, channels, filters).transpose(1, 3, 4, 0, 2, 5)
    size = stride * stride * channels
    products = _rows_times(blocks.reshape(*x.shape[:-3], tall, wide, size), kernels.reshape(size, -1))
    pieces = [
        products[..., i : i + rows, j : j + columns, (i * parts + j) * filters : (i * parts + j + 1) * filters]
        for i in range(parts)
        for j in range(parts)
    ]
    return sum(pieces[1:], pieces[0])


class Convolution(nn.Module):
    """A convolution without padding, as products of matrices."""

    filters: int
    side: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.side * self.side * x.shape[-1], self.filters)
        kernel = self.param("kernel", orthogonal(SQRT2), shape)
        bias = self.param("bias", nn.initializers.zeros, shape[1:])
        overlap = self.side > self.stride > 1 and self.side % self.stride == 0
        convolve = convolve_by_blocks if overlap else convolve_by_patches
        convolved = convolve(x, kernel, self.side, self.stride)
        return convolved + jnp.broadcast_to(bias, convolved.shape)


class Pictures(nn.Module):
    """Features `[..., n]` of pictures `[..., height, width, channels]`: convolutions without padding, as products of
    matrices, with a ReLU behind each.

    `layers` are (filters, side of a patch, stride); `scale` is the largest value of a pixel. On CPUs XLA's own
    convolutions are 15 to 20 times slower than these products inside a compiled loop.
    """

    layers: Sequence[tuple[int, int, int]]
    scale: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.astype(jnp.float32) / self.scale
        for i, (filters, side, stride) in enumerate(self.layers):
            x = nn.relu(Convolution(filters, side, stride, name=f"Dense_{i}")(x))
        return x.reshape(*x.shape[:-3], -1)


SMALL_PICTURES = ((16, 3, 1),)
"""For the ten by ten cells of MinAtar (Young and Tian, 2019)."""

LARGE_PICTURES = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""For screens (Mnih et al., 2015)."""


class Features(nn.Module):
    """What the dense layers of a network see of an observation: a vector as it is, a picture by convolutions."""

    observation: Box

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        shape = self.observation.shape
        if len(shape) == 1:
            return obs
        if len(shape) != 3:
            raise ValueError(f"observations of shape {shape}: must be vectors, or pictures with channels last")
        layers = SMALL_PICTURES if max(shape[:2]) < 32 else LARGE_PICTURES
        return Pictures(layers, self.observation.high)(obs)


class DeterministicActor(nn.Module):
    """tanh(MLP(obs)), `[..., action_size]` in (-1, 1): the actor of TD3."""

    hidden_dims: Sequence[int]
    action_size: int
    out_scale: float = SQRT2

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return jnp.tanh(MLP(self.hidden_dims, self.action_size, self.out_scale)(obs))


class TanhGaussianActor(nn.Module):
    """Mean and log-std `[..., action_size]` of the Gaussian before its tanh: the actor of SAC.

    The log-std is squashed smoothly into [log_std_min, log_std_max].
    """

    hidden_dims: Sequence[int]
    action_size: int
    out_scale: float = SQRT2
    log_std_min: float = -10.0
    log_std_max: float = 2.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        features = nn.relu(MLP(self.hidden_dims[:-1], self.hidden_dims[-1])(obs))
        dense = [nn.Dense(self.action_size, kernel_init=orthogonal(self.out_scale)) for _ in range(2)]
        mean, log_std = dense[0](features), jnp.tanh(dense[1](features))
        return mean, self.log_std_min + 0.5 * (self.log_std_max - self.log_std_min) * (log_std + 1.0)


class StochasticActor(nn.Module):
    """A distribution over actions of any space: the actor of PPO and VPG.

    Numbers have a mean `[..., n]` and a log-std `[n]` that does not depend on the observation and is cut off above
    `log_std_max`; with `squash` they are the tanh of such ones. Choices have logits.
    """

    hidden_dims: Sequence[int]
    spaces: Spaces
    out_scale: float = 0.01
    activation: str = "tanh"
    initialization: str = "orthogonal"
    log_std_init: float = 0.0
    log_std_max: float | None = None
    squash: bool = False

    @nn.compact
    def __call__(self, obs: jax.Array) -> Gaussian | TanhGaussian | Categorical:
        space = self.spaces.action
        size = space.num if isinstance(space, Discrete) else space.size
        seen = Features(self.spaces.observation)(obs)
        out = MLP(self.hidden_dims, size, self.out_scale, ACTIVATIONS[self.activation], self.initialization)(seen)
        if isinstance(space, Discrete):
            return Categorical(out)
        log_std = self.param("log_std", nn.initializers.constant(self.log_std_init), (size,))
        if self.log_std_max is not None:
            log_std = jnp.minimum(log_std, self.log_std_max)
        family = TanhGaussian if self.squash else Gaussian
        return family(out, jnp.broadcast_to(log_std, out.shape))


class StateCritic(nn.Module):
    """V(obs), `[...]`: the critic of PPO and VPG."""

    hidden_dims: Sequence[int]
    observation: Box
    out_scale: float = 1.0
    activation: str = "tanh"
    initialization: str = "orthogonal"

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        seen = Features(self.observation)(obs)
        mlp = MLP(self.hidden_dims, 1, self.out_scale, ACTIVATIONS[self.activation], self.initialization)
        return mlp(seen)[..., 0]


class ActionCritic(nn.Module):
    """Q(obs, action), `[...]`."""

    hidden_dims: Sequence[int]

    @nn.compact
    def __call__(self, obs: jax.Array, action: jax.Array) -> jax.Array:
        return MLP(self.hidden_dims, 1)(jnp.concatenate([obs, action], axis=-1))[..., 0]


class TwinCritic(nn.Module):
    """Q1 and Q2, `[2, ...]`, with weights of their own."""

    hidden_dims: Sequence[int]

    @nn.compact
    def __call__(self, obs: jax.Array, action: jax.Array) -> jax.Array:
        return jnp.stack([ActionCritic(self.hidden_dims)(obs, action) for _ in range(2)])
