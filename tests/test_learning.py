"""Each algorithm learns what it should: on probes in seconds and, marked slow, to balance a pole in minutes.

What a probe isolates: the value of a constant reward (losses, optimizer), of an observation (inputs), of a later reward
(bootstrapping), of being cut off (truncation is not termination), and actions that matter, alone and by observation.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probes
from landscapes import training
from landscapes.algorithms import make_algorithm
from landscapes.envs import make_environment
from landscapes.networks import StateCritic, TwinCritic
from landscapes.types import Algorithm, TimeStep

GAMMA = 0.9
WIDTHS = [32]
OFF_POLICY = {
    "hidden_dims": WIDTHS,
    "gamma": GAMMA,
    "actor_lr": 3e-3,
    "critic_lr": 1e-2,
    "tau": 0.05,
    "actor_batch_size": 32,
    "critic_batch_size": 32,
    "learning_starts": 300,
    "replay_capacity": 2000,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "td3": OFF_POLICY,
    # Almost no bonus for entropy, so that values are those of the reward.
    "sac": OFF_POLICY | {"initial_temperature": 1e-3, "temperature_lr": 0.0},
    "ppo": {
        "hidden_dims": WIDTHS,
        "gamma": GAMMA,
        "learning_rate": 1e-2,
        "num_envs": 16,
        "unroll_length": 8,
        "total_timesteps": 100_000,
    },
}
ITERATIONS = {"td3": 1300, "sac": 1300, "ppo": 150}
SIX = ("constant", "observation", "discounting", "action", "action by observation", "truncation")


def look(obs: float) -> TimeStep:
    false = jnp.array(False)
    return TimeStep(jnp.array([obs]), jnp.array([obs]), jnp.float32(0.0), false, false)


def values_and_actions(name: str, algorithm: Algorithm, learner: Any, key: Any) -> tuple[Any, Any]:
    """Of the observations -1, 0 and 1: what the critic thinks of the policy's own action there, and that action."""
    obs = jnp.array([-1.0, 0.0, 1.0])
    actions = jax.vmap(lambda x: algorithm.act(key, learner.policy, look(x), ())[0])(obs)
    if name == "ppo":
        return StateCritic(WIDTHS).apply(learner.critic, obs[:, None]), actions[:, 0]
    return TwinCritic(WIDTHS).apply(learner.critic, obs[:, None], actions).min(axis=0), actions[:, 0]


@functools.cache
def learned(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values and actions `[3]` after training, by probe; the six learn side by side."""

    def run(which: jax.Array, key: Any) -> tuple[Any, Any]:
        algorithm = make_algorithm(name, SETTINGS[name], probes.any_of_six(which))
        key_init, key_train = jax.random.split(key)
        state = algorithm.init(key_init)
        state, _, _ = training.iterate(algorithm, key_train, state, jnp.uint32(0), jnp.uint32(ITERATIONS[name]))
        return values_and_actions(name, algorithm, state.learner, key)

    keys = jax.random.split(jax.random.key(0), len(SIX))
    values, actions = jax.jit(jax.vmap(run))(jnp.arange(len(SIX)), keys)
    return {probe: (np.asarray(v), np.asarray(a)) for probe, v, a in zip(SIX, values, actions, strict=True)}


every_algorithm = pytest.mark.parametrize("name", list(SETTINGS))


@every_algorithm
def test_the_value_of_a_constant_reward(name):
    values, _ = learned(name)["constant"]
    assert abs(values[1] - 1.0) < 0.05


@every_algorithm
def test_values_depend_on_the_observation(name):
    values, _ = learned(name)["observation"]
    np.testing.assert_allclose(values[[0, 2]], [-1.0, 1.0], atol=0.1)


@every_algorithm
def test_a_later_reward_is_discounted(name):
    values, _ = learned(name)["discounting"]
    np.testing.assert_allclose(values[[1, 2]], [GAMMA, 1.0], atol=0.04)


@every_algorithm
def test_a_time_limit_does_not_end_the_value(name):
    values, _ = learned(name)["truncation"]
    # Taken for a termination it would be 1 + γ + γ² + γ³ = 3.4 at most.
    assert abs(values[1] - 1.0 / (1.0 - GAMMA)) < 2.0


@every_algorithm
def test_the_best_action_is_found(name):
    _, actions = learned(name)["action"]
    assert abs(actions[1] - 0.5) < 0.1


@every_algorithm
def test_the_best_action_depends_on_the_observation(name):
    _, actions = learned(name)["action by observation"]
    np.testing.assert_allclose(actions[[0, 2]], [-0.5, 0.5], atol=0.1)
