"""A stochastic policy and a critic of states as one set of functions: apart, or on features that they share.

Knows networks and spaces; knows no algorithm, no environment and no optimizer.

Whoever needs both at an observation sees it once: `see`, and of what was seen `decide` and `value`. Shared features
belong to the policy, whose parameters are all that acting needs.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from landscapes.networks.initializers import SQRT2, orthogonal
from landscapes.networks.modules import StateCritic, StochasticActor
from landscapes.networks.pictures import Features
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Key, PyTree

NETWORKS = ("mlp", "nature")
"""`mlp`: actor and critic apart, of dense layers (behind convolutions where observations are pictures); `nature`: that
of Mnih et al. (2015) for screens, up to its last hidden layer shared, as in the reference implementations of PPO."""

SMALLEST_SCREEN = 36
"""Pixels a side that the network for screens needs."""

WIDTH = 512
"""Of the last hidden layer of the network for screens."""


class ActorCritic(NamedTuple):
    """Functions of the parameters of a policy and of a critic."""

    init: Callable[[Key], tuple[PyTree, PyTree]]
    """Fresh parameters: the policy's and the critic's."""
    see: Callable[[PyTree, jax.Array], jax.Array]
    """What both are to look at, from the policy's parameters and observations `[..., *shape]`."""
    decide: Callable[[PyTree, jax.Array], Any]
    """The distribution of actions, from the policy's parameters and what was seen."""
    value: Callable[[PyTree, jax.Array], jax.Array]
    """V `[...]`, from the critic's parameters and what was seen."""
    is_shared: bool
    """Whether what was seen are features, which take most of the work, and not the observation itself."""


def network_for(observation: Box) -> str:
    """The network that suits such observations: `nature` for screens."""
    is_screen = len(observation.shape) == 3 and min(observation.shape[:2]) >= SMALLEST_SCREEN
    return "nature" if is_screen else "mlp"


def make_actor_critic(network: str, config: Any, spaces: Spaces, **more: Any) -> ActorCritic:
    """The networks called `network`, for these spaces, as the `config` of an algorithm says that they are built.

    Both read its `actor_final_scale` and `critic_final_scale`; `mlp` its `hidden_dims`, `activation`, `initialization`
    and `log_std_init` too, and `more` of the fields of `StochasticActor`.
    Raises ValueError for `nature` where observations are no screens, or actions no choices.
    """
    if network == "mlp":
        return _apart(config, spaces, more)
    if network != "nature":
        raise ValueError(f"network {network}: must be one of {', '.join(NETWORKS)}")
    if network_for(spaces.observation) != "nature" or not isinstance(spaces.action, Discrete):
        side = f"{SMALLEST_SCREEN} pixels a side or more"
        raise ValueError(f"network nature: needs pictures of {side}, and actions that are choices")
    return _shared(config, spaces)


def _apart(config: Any, spaces: Spaces, more: Mapping[str, Any]) -> ActorCritic:
    both = {name: getattr(config, name) for name in ("hidden_dims", "activation", "initialization")}
    actor = StochasticActor(
        spaces=spaces, out_scale=config.actor_final_scale, log_std_init=config.log_std_init, **both, **more
    )
    critic = StateCritic(observation=spaces.observation, out_scale=config.critic_final_scale, **both)

    def init(key: Key) -> tuple[PyTree, PyTree]:
        key_actor, key_critic = jax.random.split(key)
        obs = spaces.observation.zero()
        return actor.init(key_actor, obs), critic.init(key_critic, obs)

    return ActorCritic(init, lambda params, obs: obs, actor.apply, critic.apply, is_shared=False)


class _Screens(nn.Module):
    """Features `[..., 512]` of screens."""

    observation: Box

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return nn.relu(nn.Dense(WIDTH, kernel_init=orthogonal(SQRT2))(Features(self.observation)(obs)))


def _shared(config: Any, spaces: Spaces) -> ActorCritic:
    assert isinstance(spaces.action, Discrete)
    trunk = _Screens(spaces.observation)
    features = Spaces(Box((WIDTH,)), spaces.action)
    heads = (
        StochasticActor((), features, out_scale=config.actor_final_scale),
        StateCritic((), features.observation, out_scale=config.critic_final_scale),
    )

    def init(key: Key) -> tuple[PyTree, PyTree]:
        key_trunk, *keys = jax.random.split(key, 3)
        policy, critic = (heads[i].init(keys[i], features.observation.zero()) for i in range(2))
        return {"trunk": trunk.init(key_trunk, spaces.observation.zero()), "head": policy}, critic

    return ActorCritic(
        init,
        lambda params, obs: trunk.apply(params["trunk"], obs),
        lambda params, seen: heads[0].apply(params["head"], seen),
        heads[1].apply,
        is_shared=True,
    )
