"""Actors and critics as flax modules.

Knows arrays and parameter trees; knows no algorithm, no environment and no optimizer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

SQRT2 = math.sqrt(2.0)


def orthonormal_columns(a: jax.Array) -> jax.Array:
    """The Q `[n, m]`, n ≥ m, of A = QR with a positive diagonal of R: Gram-Schmidt, each column orthogonalised twice.

    Of a Gaussian A it is uniform over all such Q. Twice is enough for float32 (Giraud et al., 2005).
    """

    def column(j: jax.Array, q: jax.Array) -> jax.Array:
        v = a[:, j]
        for _ in range(2):
            v = v - q @ (q.T @ v)  # columns from j on are still zero
        return q.at[:, j].set(v / jnp.linalg.norm(v))

    return jax.lax.fori_loop(0, a.shape[1], column, jnp.zeros_like(a))


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


class MLP(nn.Module):
    """Dense layers with orthogonal weights (scale √2, the last `out_scale`) and zero biases; linear output."""

    hidden_dims: Sequence[int]
    out_dim: int
    out_scale: float = SQRT2
    activation: Callable[[jax.Array], jax.Array] = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in self.hidden_dims:
            x = self.activation(nn.Dense(width, kernel_init=orthogonal(SQRT2))(x))
        return nn.Dense(self.out_dim, kernel_init=orthogonal(self.out_scale))(x)


class DeterministicActor(nn.Module):
    """tanh(MLP(obs)), `[..., action_size]` in (-1, 1): the actor of TD3."""

    hidden_dims: Sequence[int]
    action_size: int

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return jnp.tanh(MLP(self.hidden_dims, self.action_size)(obs))


class TanhGaussianActor(nn.Module):
    """Mean and log-std `[..., action_size]` of the Gaussian before its tanh: the actor of SAC.

    The log-std is squashed smoothly into [log_std_min, log_std_max].
    """

    hidden_dims: Sequence[int]
    action_size: int
    log_std_min: float = -10.0
    log_std_max: float = 2.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        features = nn.relu(MLP(self.hidden_dims[:-1], self.hidden_dims[-1])(obs))
        dense = [nn.Dense(self.action_size, kernel_init=orthogonal(SQRT2)) for _ in range(2)]
        mean, log_std = dense[0](features), jnp.tanh(dense[1](features))
        return mean, self.log_std_min + 0.5 * (self.log_std_max - self.log_std_min) * (log_std + 1.0)


class GaussianActor(nn.Module):
    """Mean `[..., action_size]` and a state-independent log-std `[action_size]`: the actor of PPO."""

    hidden_dims: Sequence[int]
    action_size: int

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = MLP(self.hidden_dims, self.action_size, out_scale=0.01, activation=nn.tanh)(obs)
        log_std = self.param("log_std", nn.initializers.zeros, (self.action_size,))
        return mean, jnp.broadcast_to(log_std, mean.shape)


class StateCritic(nn.Module):
    """V(obs), `[...]`: the critic of PPO."""

    hidden_dims: Sequence[int]

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return MLP(self.hidden_dims, 1, out_scale=1.0, activation=nn.tanh)(obs)[..., 0]


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
