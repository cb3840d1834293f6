"""An algorithm of which some members are born sick.

Knows TD3 and the contract of a dotted path; knows no test.
"""

from typing import Any

import jax
import jax.numpy as jnp

from landscapes.algorithms import td3
from landscapes.spaces import Spaces
from landscapes.types import Algorithm, Key, PyTree


def make(config: Any, spaces: Spaces) -> Algorithm:
    """TD3 whose members have NaN in their policy where their own key says so (`uniform(key) > 0.5`)."""
    tiny = td3.Config(hidden_dims=[8, 8], learning_starts=20, replay_capacity=100, critic_batch_size=8)
    algorithm = td3.make(tiny, spaces)

    def init(key: Key) -> tuple[Any, PyTree]:
        learner, log = algorithm.init(key)
        poison = jnp.where(jax.random.uniform(key) > 0.5, jnp.nan, 0.0)
        params = jax.tree.map(lambda x: x + poison, learner.policy.params)
        return learner._replace(policy=learner.policy._replace(params=params)), log

    return algorithm._replace(init=init)
