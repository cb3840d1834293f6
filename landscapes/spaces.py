"""What observations and actions may be: a box of numbers, or one of a few choices.

Knows shapes, dtypes and bounds, and how to draw or perturb such a value; knows no environment and no algorithm.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Box(NamedTuple):
    """Arrays of one shape and dtype, each number between `low` and `high`."""

    shape: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """How many numbers one value has."""
        return math.prod(self.shape)

    def zero(self) -> jax.Array:
        """A value to learn shapes from."""
        return jnp.zeros(self.shape, self.dtype)

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniform draw; the bounds must be finite."""
        return jax.random.uniform(key, self.shape, self.dtype, self.low, self.high)

    def clip(self, value: jax.Array) -> jax.Array:
        """The nearest value inside the bounds."""
        return jnp.clip(value, self.low, self.high)

    def perturb(self, key: jax.Array, value: jax.Array, amount: jax.Array | float) -> jax.Array:
        """`value` plus Gaussian noise of standard deviation `amount`, then clipped."""
        return self.clip(value + amount * jax.random.normal(key, value.shape))

    def __str__(self) -> str:
        return f"{self.dtype} numbers of shape {list(self.shape)}"


class Discrete(NamedTuple):
    """One of `num` choices, 0 .. num - 1, as an int32 scalar."""

    num: int

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def dtype(self) -> str:
        return "int32"

    def zero(self) -> jax.Array:
        """The first choice."""
        return jnp.zeros((), jnp.int32)

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniform draw."""
        return jax.random.randint(key, (), 0, self.num, jnp.int32)

    def clip(self, value: jax.Array) -> jax.Array:
        """The choice itself: there is none outside."""
        return value

    def perturb(self, key: jax.Array, value: jax.Array, amount: jax.Array | float) -> jax.Array:
        """With probability `amount` a uniform draw, else `value`."""
        key_whether, key_draw = jax.random.split(key)
        return jnp.where(jax.random.uniform(key_whether) < amount, self.sample(key_draw), value)

    def __str__(self) -> str:
        return f"one of {self.num} choices"


Space = Box | Discrete


class Spaces(NamedTuple):
    """All that an algorithm knows of an environment."""

    observation: Box
    action: Space
