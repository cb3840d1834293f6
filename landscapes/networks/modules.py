"""Actors and critics as flax modules.

Knows arrays and parameter trees; knows no algorithm, no environment and no optimizer.
"""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscapes.networks.distributions import Categorical, Gaussian, TanhGaussian
from landscapes.networks.initializers import SQRT2, begun, orthogonal
from landscapes.networks.pictures import Features
from landscapes.spaces import Box, Discrete, Spaces

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
    "elu": nn.elu,
    "swish": nn.swish,
}
"""Activations between dense layers, by name."""


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
