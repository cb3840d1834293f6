"""Neighbours by one whole update: of a quadratic, where they are known, and of real algorithms, done by hand."""

import functools
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_allclose, assert_array_equal

from landscapes.errors import UserError
from landscapes.loading import make_agent
from landscapes.studies import measurement, neighborhood, paths
from landscapes.types import Agent, Policy, TrainState
from tests.studies.test_neighborhood import assert_distributed

KIND = "full_update"
KEY = jax.random.key(0)

SMALL = {"hidden_dims": [8]}
ON_POLICY = SMALL | {"num_envs": 2, "unroll_length": 4}
OFF_POLICY = SMALL | {"actor_batch_size": 4, "critic_batch_size": 4, "learning_starts": 4, "replay_capacity": 16}
LINE = probes.line(episode_length=5)
PPO = ON_POLICY | {"total_timesteps": 400, "learning_rate": 0.05, "num_epochs": 3, "num_minibatches": 2}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("ppo", PPO | {"lr_schedule": "linear", "normalize_observations": True}),
    ("ppo", PPO | {"lr_schedule": "kl", "separate_optimizers": True}),
    ("vpg", ON_POLICY | {"actor_final_scale": 1.0, "policy_iterations": 3}),
    ("td3", OFF_POLICY),
    ("sac", OFF_POLICY),
    ("ppo", PPO | {"learning_rate": 1e-3}),
]
LINEAR, KL, VPG, TD3, SAC, PLAIN = range(len(CASES))


@functools.cache
def made(index: int) -> tuple[Agent, TrainState]:
    """The agent of a case and a state of it with moments to restore, and rows to draw from."""
    agent = make_agent(*CASES[index], LINE)
    state = jax.jit(agent.init)(jax.random.key(7))
    for i in range(6):
        collect = jax.jit(agent.collect)
        state, data, _ = collect(jax.random.key(20 + i), state)
        if i >= 4 or not agent.algorithm.learns_from_log:
            update = jax.jit(agent.update, static_argnums=4)
            learner, _ = update(jax.random.key(40 + i), state.learner, state.log, data, i % agent.period)
            state = state._replace(learner=learner)
    return agent, state


def by_hand(agent: Agent, state: TrainState, key: Any, rate: Any = None) -> Policy:
    """The policy after one iteration of each phase, from the agent's own `collect` (`digest` in it) and `update`."""
    for phase in range(agent.period):
        key_collect, key_update = jax.random.split(jax.random.fold_in(key, phase))
        data = ()
        if not agent.algorithm.learns_from_log:
            state, data, _ = agent.collect(key_collect, state)
        learner, _ = agent.update(key_update, state.learner, state.log, data, phase, rate)
        state = state._replace(learner=learner)
    policy: Policy = state.learner.policy
    return policy


def test_a_whole_update_of_a_quadratic_is_distributed_as_it_must_be():
    agent = probes.quadratic(probes.Config(), probes.bowl(num_axes=3))
    measure = measurement.make_measure(
        agent.env, agent, measurement.Sampling(KIND, 2000, amount_sets_rate=True), 1000, 0.9
    ).measure
    result = measure(KEY, agent.init(jax.random.key(9)), 0.1)
    assert_distributed(result.returns, centre=0.19, scale=0.05, num_axes=3)


@pytest.mark.parametrize(
    "case, rate",
    [
        *((case, None) for case in (LINEAR, KL, VPG, TD3, SAC)),
        (LINEAR, 0.03),
        *(pytest.param(case, 0.03, marks=pytest.mark.slow) for case in (KL, VPG, TD3, SAC)),
    ],
)
def test_a_neighbour_is_what_training_makes_of_the_policy(case: int, rate: float | None):
    """Bit for bit."""
    agent, state = made(case)
    sets_rate = neighborhood.amount_sets_rate(agent, KIND, rate)
    near = neighborhood.make_neighborhood(agent.env, agent, KIND, sets_rate)
    assert near.draw is not None
    draw = jax.jit(near.draw)
    hand = jax.jit(lambda key, state, amount: by_hand(agent, state, key, amount if sets_rate else None))
    amount = neighborhood.traced(rate)
    neighbours = [draw(jax.random.key(i), state, amount) for i in (3, 4)]
    for i, found in zip((3, 4), neighbours, strict=True):
        trees.assert_same(found, hand(jax.random.key(i), state, amount))
    one, two = (jax.flatten_util.ravel_pytree(x.params)[0] for x in neighbours)
    assert not np.array_equal(one, two)


def test_an_iteration_of_training_is_such_an_update():
    """From the same keys, `train_step` leads to the same policy."""
    agent, state = made(LINEAR)
    draw = jax.jit(neighborhood.full_update(agent, amount_is_rate=False))
    after, _ = jax.jit(agent.train_step, static_argnums=2)(jax.random.fold_in(KEY, 0), state, 0)
    trees.assert_same(draw(KEY, state, jnp.float32(0.0)), after.learner.policy)


@pytest.mark.parametrize("case", [LINEAR, KL, VPG, TD3, SAC])
def test_a_rate_of_nought_moves_no_weight(case: int):
    agent, state = made(case)
    draw = jax.jit(neighborhood.full_update(agent, amount_is_rate=True))
    trees.assert_same(draw(KEY, state, jnp.float32(0.0)).params, state.learner.policy.params)


def test_all_steps_are_made():
    """At one epoch of one minibatch the policy goes less far than in three epochs of two."""
    agent, state = made(PLAIN)
    fewer = make_agent("ppo", PPO | {"num_epochs": 1, "num_minibatches": 1}, LINE)

    def way(agent: Agent) -> float:
        policy = jax.jit(neighborhood.full_update(agent, amount_is_rate=True))(KEY, state, jnp.float32(1e-3))
        gone = jax.tree.map(lambda x, y: jnp.abs(x - y).max(), policy.params, state.learner.policy.params)
        return float(max(jax.tree.leaves(gone)))

    assert way(agent) > 3.0 * way(fewer) > 0.0


def test_a_sample_depends_on_its_own_number_only():
    """Samples of three are those of seven, in other batches; each has data of its own."""
    agent, state = made(PLAIN)
    seven = measurement.make_measure(agent.env, agent, measurement.Sampling(KIND, 7), 7).measure(KEY, state, None)
    three = measurement.make_measure(agent.env, agent, measurement.Sampling(KIND, 3), 2).measure(KEY, state, None)
    assert_allclose(three.returns, seven.returns[:3], rtol=1e-5)
    assert len(np.unique(seven.returns)) == 7
    tail = measurement.make_measure(agent.env, agent, measurement.Sampling(KIND, 7), 7).measure(
        KEY, state, None, entries=range(5, 7)
    )
    assert_allclose(tail.returns, seven.returns[5:], rtol=1e-5)


def test_points_of_a_path_have_it_too():
    agent, state = made(PLAIN)
    policy = state.learner.policy
    alone = measurement.make_measure(agent.env, agent, measurement.Sampling(KIND, 4), 4).measure(KEY, state, None)
    points = paths.between(policy, policy, 2)
    together = measurement.make_measure(agent.env, agent, measurement.Sampling(KIND, 4, num_points=2), 8)
    found = together.measure(KEY, state, None, points=points).returns.reshape(4, 2)
    assert_array_equal(found[:, 0], found[:, 1])
    assert_allclose(found[:, 0], alone.returns, rtol=1e-5)


def test_amounts_are_rates_or_null():
    agent, _ = made(VPG)
    neighborhood.check_amounts(agent, KIND, [None, 0.0, 0.1], "experiment.noise_amounts")
    assert neighborhood.is_update(agent, KIND) and KIND in neighborhood.kinds_of(agent.env, agent)
    assert [neighborhood.amount_sets_rate(agent, KIND, x) for x in (None, 0.0, 0.1)] == [False, True, True]


def test_an_algorithm_whose_update_takes_no_rate_has_its_own_only():
    agent, state = made(VPG)
    plain = agent.algorithm.update

    def update(key: Any, learner: Any, log: Any, data: Any, phase: int) -> Any:
        return plain(key, learner, log, data, phase)

    without = agent._replace(algorithm=agent.algorithm._replace(update=update))
    neighborhood.check_amounts(without, KIND, [None], "experiment.noise_amounts")
    with pytest.raises(UserError, match=r"noise_amounts=0.1: must be null: update of vpg takes no learning_rate"):
        neighborhood.check_amounts(without, KIND, [None, 0.1], "experiment.noise_amounts")
    draw = jax.jit(neighborhood.full_update(without, amount_is_rate=False))
    trees.assert_same(draw(KEY, state, jnp.float32(0.0)), jax.jit(functools.partial(by_hand, agent, state))(KEY))
