"""An algorithm of which some members are born sick.

Knows TD3 and the contract of a dotted path; knows no test.
"""

from typing import Any

import jax
import jax.numpy as jnp

from landscapes.algorithms import td3
from landscapes.types import Algorithm, Environment, Key, TrainState


def make(config: Any, env: Environment) -> Algorithm:
    """TD3 whose members have NaN in their policy where their own key says so (`uniform(key) > 0.5`)."""
    tiny = td3.Config(hidden_dims=[8, 8], learning_starts=20, replay_capacity=100, critic_batch_size=8)
    algorithm = td3.make(tiny, env)

    def init(key: Key) -> TrainState:
        state = algorithm.init(key)
        poison = jnp.where(jax.random.uniform(key) > 0.5, jnp.nan, 0.0)
        policy = state.learner.policy
        policy = policy._replace(params=jax.tree.map(lambda x: x + poison, policy.params))
        return state._replace(learner=state.learner._replace(policy=policy))

    return algorithm._replace(init=init)
