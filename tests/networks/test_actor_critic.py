"""Actor and critic apart and on shared features: sizes as published, one pass for both, what does not fit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.networks.actor_critic import make_actor_critic, network_for
from landscapes.settings.algorithms.ppo import Config
from landscapes.spaces import Box, Discrete, Space, Spaces

SCREEN = Box((84, 84, 4), 0.0, 255.0, "uint8")


def test_the_network_for_screens_is_the_published_one() -> None:
    """Mnih et al. (2015) up to 512 units, and a head each."""
    networks = make_actor_critic(network_for(SCREEN), Config(), Spaces(SCREEN, Discrete(4)))
    policy, critic = networks.init(jax.random.key(0))
    convolutions = (8 * 8 * 4 + 1) * 32 + (4 * 4 * 32 + 1) * 64 + (3 * 3 * 64 + 1) * 64
    assert sum(x.size for x in jax.tree.leaves(policy)) == convolutions + (3136 + 1) * 512 + (512 + 1) * 4
    assert sum(x.size for x in jax.tree.leaves(critic)) == 512 + 1
    heads = [policy["head"]["params"], critic["params"]]
    scales = [float(jnp.linalg.norm(x["MLP_0"]["Dense_0"]["kernel"], ord=2)) for x in heads]
    np.testing.assert_allclose(scales, [0.01, 1.0], rtol=1e-4)
    last = policy["trunk"]["params"]["Dense_0"]["kernel"]
    np.testing.assert_allclose(jnp.linalg.norm(last[:, 0]), math.sqrt(2.0), rtol=1e-4)
    pictures = jnp.zeros((2, 3, *SCREEN.shape), jnp.uint8)
    seen = networks.see(policy, pictures)
    assert seen.shape == (2, 3, 512) and (seen >= 0).all()
    assert networks.decide(policy, seen).logits.shape == (2, 3, 4) and networks.value(critic, seen).shape == (2, 3)


def test_both_losses_move_what_is_shared() -> None:
    networks = make_actor_critic("nature", Config(), Spaces(SCREEN, Discrete(4)))
    policy, critic = networks.init(jax.random.key(0))
    picture = jax.random.randint(jax.random.key(1), SCREEN.shape, 0, 256).astype(jnp.uint8)

    def value(policy: object, critic: object) -> jax.Array:
        return networks.value(critic, networks.see(policy, picture))

    gradients = jax.grad(value)(policy, critic)
    moved = {name: sum(float(jnp.abs(x).sum()) for x in jax.tree.leaves(part)) for name, part in gradients.items()}
    assert moved["trunk"] > 0 and moved["head"] == 0


@pytest.mark.parametrize(
    "observation, network", [(Box((3,)), "mlp"), (Box((10, 10, 4), 0.0, 1.0, "uint8"), "mlp"), (SCREEN, "nature")]
)
def test_the_network_follows_the_observation(observation: Box, network: str) -> None:
    assert network_for(observation) == network


@pytest.mark.parametrize(
    "network, action, message",
    [("cnn", Discrete(2), "must be one of mlp, nature"), ("nature", Box((2,), -1.0, 1.0), "actions that are choices")],
)
def test_what_does_not_fit_is_refused(network: str, action: Space, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_actor_critic(network, Config(hidden_dims=[8]), Spaces(SCREEN, action))
