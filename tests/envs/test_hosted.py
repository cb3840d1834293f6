"""Simulators that Python steps: values as states, one call for all lanes, and the same studies on top."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees
import walkers

from landscapes import training
from landscapes.envs import pool
from landscapes.experience import unroll
from landscapes.loading import make_agent
from landscapes.studies import measurement
from landscapes.types import Environment, Policy, no_memory

BACKENDS = list(walkers.STEPS_PER_SAVE)


@pytest.fixture(params=BACKENDS)
def env(request: pytest.FixtureRequest) -> Environment:
    return walkers.make(12, request.param)


def alone(seed: int, actions: list[int], limit: int = 12) -> list[tuple[int, float, bool, bool]]:
    """What one simulator does by itself: place, reward, terminated, truncated of each step."""
    walker = walkers.Walker()
    walker.reset(seed)
    rows = []
    for t, action in enumerate(actions):
        obs, reward, ended, _ = walker.step(np.array(action))
        rows.append((int(obs.argmax()), reward, ended, t + 1 >= limit and not ended))
        if ended or t + 1 >= limit:
            break
    return rows


def test_each_lane_is_a_simulator_by_itself(env: Environment) -> None:
    states, first = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 6))
    assert first.obs.shape == (6, walkers.NUM_PLACES) and (first.obs[:, 0] == 1).all()
    generator = np.random.default_rng(0)
    actions = generator.integers(0, 2, (6, 12)) | (generator.random((6, 12)) < 0.5)
    step = jax.jit(jax.vmap(env.step))
    found: list[list[Any]] = [[] for _ in range(6)]
    seeds = np.asarray(states.seed)
    for t in range(12):
        over = np.asarray(states.over)
        states, after = step(states, jnp.asarray(actions[:, t], jnp.int32))
        for lane in np.flatnonzero(~over):
            row = (int(after.obs[lane].argmax()), *(x[lane].item() for x in after[2:]))
            found[lane].append(row)
    for lane in range(6):
        assert found[lane] == alone(int(seeds[lane]), actions[lane].tolist())


def test_a_state_may_be_taken_up_again(env: Environment) -> None:
    """From a state in the middle of an episode, twice and out of order, the same steps come: states are values."""
    step = jax.jit(env.step)
    state, _ = env.reset(jax.random.key(3))
    for action in (1, 0, 1):
        state, _ = step(state, jnp.int32(action))
    one, first = step(state, jnp.int32(1))
    two, _ = step(one, jnp.int32(0))
    _, again = step(state, jnp.int32(1))
    trees.assert_same(first, again)
    trees.assert_same(step(one, jnp.int32(0))[0], two)


def test_a_state_that_goes_on_is_led_nowhere(env: Environment) -> None:
    step = jax.jit(jax.vmap(env.step))
    states, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(4), 3))
    states, _ = step(states, jnp.zeros(3, jnp.int32))
    walkers.Walker.led = 0
    for _ in range(5):
        states, _ = step(states, jnp.zeros(3, jnp.int32))
    assert walkers.Walker.led == 0


def test_no_more_simulators_are_made_than_may_wait(env: Environment) -> None:
    walkers.Walker.made = 0
    step = jax.jit(jax.vmap(walkers.make(12, env.backend, most_idle=4).step))
    states, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(5), 10))
    begun, made_at_start = states, walkers.Walker.made
    for _ in range(3):
        states, _ = step(states, jnp.ones(10, jnp.int32))
    assert walkers.Walker.made <= made_at_start + 5  # the one at work beside those that wait
    plain = jax.vmap(env.step)
    for _ in range(3):
        begun, _ = plain(begun, jnp.ones(10, jnp.int32))
    trees.assert_same(begun, states)


@pytest.mark.parametrize("backend", ["saved", "rarely saved"])
def test_one_that_is_led_back_quickly_is_not_left_waiting(backend: str) -> None:
    """States that are taken up no more do not keep their simulators from others."""
    env = walkers.make(1000, backend)
    step = jax.jit(env.step)
    walkers.Walker.made = 0
    for seed in range(5):
        state, _ = env.reset(jax.random.key(seed))
        for _ in range(pool.PATIENCE + 2):
            state, _ = step(state, jnp.int32(0))
    assert walkers.Walker.made <= 2


def test_an_unroll_restarts_only_what_has_ended(env: Environment) -> None:
    def right(key: Any, policy: Policy, timestep: Any, memory: Any) -> Any:
        return jnp.int32(1), memory, ()

    policy = Policy((), ())

    @jax.jit
    def run(key: Any) -> Any:
        key_start, key_steps = jax.random.split(key)
        lanes = jax.vmap(lambda k: unroll.start_lane(env, no_memory, k, policy))(jax.random.split(key_start, 4))
        return unroll.unroll_many(env, right, no_memory, jax.random.split(key_steps, 4), policy, lanes, 40)

    walkers.Walker.led = 0
    lanes, steps, _ = run(jax.random.key(1))
    ended = np.asarray(steps.terminated | steps.truncated)
    assert ended.sum() > 8
    # Each start is drawn once; saving walkers are restored never, others never led along their actions again.
    assert walkers.Walker.led == 4 + ended.sum()
    obs = np.asarray(steps.obs).argmax(-1)
    assert (obs[:, 1:][ended[:, :-1]] == 0).all() and (np.asarray(steps.next_obs).argmax(-1)[ended] != 0).all()
    assert not np.asarray(lanes.env_state.over).any()


PPO = {
    "hidden_dims": [8],
    "num_envs": 4,
    "unroll_length": 16,
    "num_minibatches": 2,
    "num_epochs": 4,
    "learning_rate": 0.02,
    "total_timesteps": 6400,
}


@pytest.mark.slow
def test_an_agent_learns_and_is_measured() -> None:
    """PPO learns to walk right; its updates, drawn from where training stood, are the same on all kinds of states."""
    found = []
    for backend in BACKENDS:
        env = walkers.make(12, backend)
        agent = make_agent("ppo", PPO, env)
        trainer, keys = training.make_trainer(agent), training.member_keys(0, 2)
        members, _ = trainer.advance(keys.train, trainer.init(keys.init), trainer.blank(2), 0, 30)
        state = members.member(1)
        measure = measurement.make_measure(env, agent, measurement.Sampling("ppo_optimization", 6), 6)
        found.append((state.learner, measure.measure(jax.random.key(0), state, 0.0)))
    one, purd = found[0]
    for other, again in found[1:]:
        trees.assert_same(one, other)
        assert np.array_equal(purd.returns, again.returns) and np.array_equal(purd.lengths, again.lengths)
    assert purd.returns.mean() > 0.9 and purd.lengths.mean() < 8
