"""What the dense layers of a network see of an observation: a vector as it is, a picture by convolutions.

Knows shapes of observations and products of matrices; knows no policy and no critic.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscapes.networks.initializers import SQRT2, orthogonal
from landscapes.spaces import Box


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
