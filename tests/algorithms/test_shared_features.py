"""PPO whose policy and critic look at the same features of screens: exploring finds them, and digesting uses them."""

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.algorithms import ppo
from landscapes.networks.actor_critic import make_actor_critic
from landscapes.settings.algorithms.ppo import Config
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Transition, Unrolled, first_step

LANES, STEPS = 2, 3
SPACES = Spaces(Box((36, 36, 2), 0.0, 255.0, "uint8"), Discrete(3))


def test_values_are_those_of_the_observations() -> None:
    """Also where an episode ends at its time limit, whose last observation is met by nobody but the critic."""
    config = Config(num_envs=LANES, unroll_length=STEPS, gamma=0.5, gae_lambda=0.0)
    algorithm = ppo.make(config, SPACES)
    learner, log = algorithm.init(jax.random.key(0))
    screens = jax.random.randint(jax.random.key(1), (LANES, STEPS + 1, 36, 36, 2), 0, 256).astype(jnp.uint8)
    met, beyond = screens[:, :-1], screens[:, 1:]

    def explored(key: jax.Array, obs: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        action, _, extras = algorithm.explore(key, learner.policy, first_step(obs), ())
        return action, extras

    keys = jax.random.split(jax.random.key(2), (LANES, STEPS))
    actions, extras = jax.jit(jax.vmap(jax.vmap(explored)))(keys, met)
    assert extras["seen"].shape == (LANES, STEPS, 512)
    nowhere = jnp.zeros((LANES, STEPS), bool)
    limit = nowhere.at[0, 1].set(True)
    steps = Transition(met, actions, jnp.ones((LANES, STEPS)), beyond, nowhere, limit)
    unrolled = Unrolled(steps, extras, (), ~nowhere)
    _, data, _ = jax.jit(algorithm.digest)(jax.random.key(3), learner, log, unrolled)

    networks = make_actor_critic("nature", config, SPACES)
    values, after = (networks.value(learner.critic, networks.see(learner.policy.params, x)) for x in (met, beyond))
    assert np.ptp(np.asarray(values)) > 0
    np.testing.assert_allclose(data.batch.value.reshape(LANES, STEPS), values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.batch.value_target.reshape(LANES, STEPS), 1.0 + 0.5 * after, rtol=1e-4, atol=1e-5)
