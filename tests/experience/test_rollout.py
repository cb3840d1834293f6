"""Unrolls and episodes on probes whose returns are known, and the engine against the plain way."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_allclose, assert_array_equal

from landscapes import training
from landscapes.experience import rollout, unroll
from landscapes.spaces import Box
from landscapes.types import Environment, Key, Policy, TimeStep

GAMMA = 0.9


def counting_memory(key: Key, policy: Policy) -> jax.Array:
    """How many steps of this episode there were."""
    return jnp.zeros((), jnp.int32)


def explore(key: Key, policy: Policy, timestep: TimeStep, memory: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
    """A constant action; the extras say what the agent saw and remembered."""
    return policy.params, memory + 1, {"memory": memory, "seen": timestep}


def act(key: Key, policy: Policy, timestep: TimeStep, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Depends on everything it may: the key, the policy, what is seen, and memory."""
    noise = 0.1 * jax.random.normal(key, policy.params.shape)
    lean = 0.05 * timestep.obs[:-1] - 0.02 * memory.astype(jnp.float32)
    return policy.params + noise + lean, memory + 1


def constant(key: Key, policy: Policy, timestep: TimeStep, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
    return policy.params, memory + 1


def unrolled(env: Environment, action: np.ndarray, num_steps: int, seed: int = 0) -> tuple[Any, Any, Any]:
    @jax.jit
    def run(key: Key) -> tuple[Any, Any, Any]:
        policy = Policy(jnp.float32(action), ())
        key_start, key_unroll = jax.random.split(key)
        lane = unroll.start_lane(env, counting_memory, key_start, policy)
        return unroll.unroll(env, explore, counting_memory, key_unroll, policy, lane, num_steps)

    return jax.tree.map(np.asarray, run(jax.random.key(seed)))


# --- unroll


def test_truncation_is_not_termination():
    _, steps, _ = unrolled(probes.truncating(episode_length=4), np.zeros(1), 10)
    assert not steps.terminated.any()
    assert_array_equal(np.flatnonzero(steps.truncated), [3, 7])


def test_termination_at_the_time_limit_is_termination():
    _, steps, _ = unrolled(probes.terminating(num_steps=3, episode_length=3), np.zeros(1), 6)
    assert_array_equal(np.flatnonzero(steps.terminated), [2, 5])
    assert not steps.truncated.any()
    assert_array_equal(steps.reward, [1.0, 2.0, 3.0] * 2)


@pytest.fixture(scope="module")
def line_steps():
    """48 steps on the line in episodes of at most 10; the action 0.5 reaches the limit 3 after 5 to 8 of them."""
    return unrolled(probes.line(), np.array([0.5, 0.0]), 48)


def test_transitions_keep_the_true_next_observation(line_steps):
    _, steps, _ = line_steps
    assert_allclose(steps.next_obs[:, 0], steps.obs[:, 0] + 0.5, rtol=1e-6)
    assert_array_equal(steps.reward, steps.next_obs[:, 0])
    assert_array_equal(steps.terminated, np.abs(steps.next_obs[:, 0]) >= 3.0)
    assert steps.terminated.sum() >= 5


def test_after_an_end_all_is_fresh(line_steps):
    _, steps, extras = line_steps
    ended = np.append(False, (steps.terminated | steps.truncated)[:-1])
    seen = extras["seen"]
    assert_array_equal(seen.obs, steps.obs)
    assert np.all(np.abs(steps.obs[ended, :2]) <= 1.0)  # within the start noise
    assert_array_equal(steps.obs[1:][~ended[1:]], steps.next_obs[:-1][~ended[1:]])
    # The agent sees that an episode ended and where it led, but no reward of it.
    assert_array_equal(seen.terminated[1:], steps.terminated[:-1])
    assert_array_equal(seen.next_obs[1:], steps.next_obs[:-1])
    assert_array_equal(seen.reward[1:], np.where(ended[1:], 0.0, steps.reward[:-1]))
    # Memory counts from 0 in each episode.
    expected = 0
    for t, memory in enumerate(extras["memory"]):
        expected = 0 if ended[t] else expected
        assert memory == expected
        expected += 1


def test_fresh_starts_differ(line_steps):
    _, steps, _ = line_steps
    starts = steps.obs[1:][(steps.terminated | steps.truncated)[:-1], 0]
    # 48 steps have ⌈48 / 16⌉ = 3 starts ready; the fourth end takes the first again.
    assert len(set(starts)) == 3 and starts[3] == starts[0]
    other = unrolled(probes.line(), np.array([0.5, 0.0]), 48, seed=1)[1]
    assert not np.isin(other.obs[:, 0], steps.obs[:, 0]).any()


def test_the_lane_stands_where_the_unroll_ended():
    env, action = probes.line(), np.array([0.5, 0.0])
    lane, steps, _extras = unrolled(env, action, 3)
    assert_array_equal(lane.timestep.obs, steps.next_obs[-1])
    assert lane.memory == 3 and lane.env_state.num_steps == 3
    lane, steps, _ = unrolled(probes.truncating(4), np.zeros(1), 4)
    assert steps.truncated[-1] and lane.timestep.truncated
    assert (lane.memory, lane.env_state.num_steps, lane.timestep.reward) == (0, 0, 0.0)


@pytest.mark.parametrize("num", [6, 7])  # 7 in chunks of 4 leaves a smaller one
def test_many_are_unrolled_in_chunks_as_each_alone(num, monkeypatch):
    env, policy = probes.line(), Policy(jnp.array([0.5, 0.0]), ())
    monkeypatch.setitem(unroll.UNROLLS_AT_ONCE, "cpu", 4)
    keys, starts = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed)), out_axes=1)(jnp.arange(num))
    lanes = jax.vmap(lambda key: unroll.start_lane(env, counting_memory, key, policy))(starts)

    def alone(key: Key, lane: Any) -> Any:
        return unroll.unroll(env, explore, counting_memory, key, policy, lane, 12)

    def many(keys: Key, lanes: Any) -> Any:
        return unroll.unroll_many(env, explore, counting_memory, keys, policy, lanes, 12)

    trees.assert_same(jax.jit(many)(keys, lanes), jax.jit(jax.vmap(alone))(keys, lanes))


@pytest.mark.parametrize("asked", [False, True])
def test_uniform_actions_may_be_asked_for_by_a_traced_value(asked):
    def noisy(key: Key, policy: Policy, timestep: TimeStep, memory: Any) -> tuple[jax.Array, Any, Any]:
        return policy.params + jax.random.normal(key, (2,)), memory, ()

    def action(uniform: Any) -> jax.Array:
        behave = unroll.or_uniform(noisy, Box((2,), -1.0, 1.0), uniform)
        return behave(jax.random.key(0), Policy(jnp.full(2, 100.0), ()), None, ())[0]  # type: ignore[arg-type]

    assert_array_equal(action(asked), jax.jit(action)(jnp.array(asked)))
    assert bool(jnp.all(jnp.abs(action(asked)) <= 1.0)) == asked


# --- one episode, the plain way


def episode(env: Environment, action: np.ndarray, start_noise: float = 1.0) -> tuple[np.ndarray, rollout.EpisodeResult]:
    start = env.reset(jax.random.key(3), start_noise)
    run = jax.jit(lambda key, policy: rollout.episode_return(env, constant, counting_memory, key, policy, start, GAMMA))
    return np.asarray(start[1].obs), run(jax.random.key(4), Policy(jnp.float32(action), ()))


def test_the_terminating_steps_reward_counts_and_nothing_after_it():
    _, result = episode(probes.terminating(num_steps=3, episode_length=10), np.zeros(1))
    assert result.returns == 1.0 + 2.0 + 3.0 and result.lengths == 3
    assert_allclose(result.discounted_returns, 1.0 + 2.0 * GAMMA + 3.0 * GAMMA**2, rtol=1e-6)


def test_the_time_limit_ends_an_episode():
    _, result = episode(probes.truncating(episode_length=4), np.zeros(1))
    assert result.returns == 4.0 and result.lengths == 4
    assert_allclose(result.discounted_returns, sum(GAMMA**t for t in range(4)), rtol=1e-6)


@pytest.mark.parametrize("action", [(0.5, 0.0), (-0.9, 0.3), (0.01, -0.02), (5.0, 0.0)])
def test_returns_on_the_line_are_those_of_a_loop(action):
    start, result = episode(probes.line(), np.array(action))
    returned, discounted, length = probes.line_episode(start[:2], np.array(action), GAMMA)
    assert result.lengths == length
    assert_allclose([result.returns, result.discounted_returns], [returned, discounted], rtol=1e-5)


# --- the engine

NUM_EPISODES, NUM_STARTS = 20, 5


def episodes(num_policies: int, num_episodes: int = NUM_EPISODES) -> rollout.Episodes:
    """Twenty episodes of made-up lengths, policies, starts and keys."""
    generator = np.random.default_rng(0)
    policies = Policy(jnp.float32(generator.uniform(-1.2, 1.2, (num_policies, 2))), ())
    starts = jax.vmap(probes.line().reset)(jax.random.split(jax.random.key(1), NUM_STARTS))
    index = jnp.arange(NUM_EPISODES)
    keys = jax.random.split(jax.random.key(2), NUM_EPISODES)
    return rollout.Episodes(policies, index % num_policies, starts, index % NUM_STARTS, keys, jnp.int32(num_episodes))


def plainly(episodes: rollout.Episodes) -> rollout.EpisodeResult:
    def one(policy_index: jax.Array, start_index: jax.Array, key: Key) -> rollout.EpisodeResult:
        policy, start = trees.row(episodes.policies, policy_index), trees.row(episodes.starts, start_index)
        return rollout.episode_return(probes.line(), act, counting_memory, key, policy, start, GAMMA)

    return jax.jit(jax.vmap(one))(episodes.policy_index, episodes.start_index, episodes.keys)


def engine(num_lanes: int, shared_policy: bool = False) -> rollout.Engine:
    made = rollout.make_engine(probes.line(), act, counting_memory, num_lanes, GAMMA, shared_policy)
    return made._replace(begin=jax.jit(made.begin), advance=jax.jit(made.advance))


def run(engine: rollout.Engine, episodes: rollout.Episodes, rounds_per_call: int = 1000) -> rollout.EngineState:
    state = engine.begin(episodes)
    while state.num_finished < episodes.num_episodes:
        state = engine.advance(state, episodes, jnp.int32(rounds_per_call))
    return state


@pytest.fixture(scope="module")
def three_lanes() -> rollout.Engine:
    return engine(3)


@pytest.mark.parametrize("num_lanes", [1, 3, 64])
def test_the_engine_gives_what_the_plain_way_gives(num_lanes, three_lanes):
    """To rounding (other sums, other batches); lengths exactly. 64 lanes are more than there are episodes."""
    listed = episodes(num_policies=7)
    expected = plainly(listed)
    assert len(np.unique(expected.lengths)) > 3
    state = run(three_lanes if num_lanes == 3 else engine(num_lanes), listed)
    assert_array_equal(state.results.lengths, expected.lengths)
    trees.assert_close(state.results, expected, rtol=1e-5, atol=1e-5)
    assert state.num_finished == NUM_EPISODES and state.steps_lived == expected.lengths.sum()


def test_a_shared_policy_gives_what_the_plain_way_gives():
    listed = episodes(num_policies=1)
    trees.assert_close(run(engine(3, shared_policy=True), listed).results, plainly(listed), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_episodes", [1, 2, 7])
def test_padding_is_not_rolled_out(num_episodes, three_lanes):
    whole = run(three_lanes, episodes(num_policies=7)).results
    state = run(three_lanes, episodes(7, num_episodes))
    trees.assert_same(
        jax.tree.map(lambda x: x[:num_episodes], state.results), jax.tree.map(lambda x: x[:num_episodes], whole)
    )
    assert not any(x[num_episodes:].any() for x in state.results)
    assert state.num_finished == num_episodes and state.steps_lived == state.results.lengths.sum()


@pytest.mark.parametrize("rounds_per_call", [1, 2, 5])
def test_when_the_host_looks_in_changes_nothing(rounds_per_call, three_lanes):
    listed = episodes(num_policies=7)
    often, once = run(three_lanes, listed, rounds_per_call), run(three_lanes, listed)
    trees.assert_same(often._replace(key=()), once._replace(key=()))


def test_what_an_episode_draws_does_not_depend_on_its_place(three_lanes):
    listed = episodes(num_policies=7)
    order = np.random.default_rng(5).permutation(NUM_EPISODES)
    shuffled = listed._replace(
        policy_index=listed.policy_index[order], start_index=listed.start_index[order], keys=listed.keys[order]
    )
    found, expected = run(three_lanes, shuffled).results, run(three_lanes, listed).results
    trees.assert_same(found, jax.tree.map(lambda x: x[order], expected))


def test_the_engine_stops_counting_at_a_termination():
    env = probes.terminating(num_steps=3, episode_length=10)
    made = rollout.make_engine(env, constant, counting_memory, 2, GAMMA)
    starts = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 1))
    zeros = jnp.zeros(5, jnp.int32)
    keys = jax.random.split(jax.random.key(0), 5)
    listed = rollout.Episodes(Policy(jnp.zeros((1, 1)), ()), zeros, starts, zeros, keys, jnp.int32(5))
    results = run(made._replace(begin=jax.jit(made.begin), advance=jax.jit(made.advance)), listed).results
    assert_array_equal(results.returns, [6.0] * 5)
    assert_array_equal(results.lengths, [3] * 5)
    assert_allclose(results.discounted_returns, [1.0 + 2.0 * GAMMA + 3.0 * GAMMA**2] * 5, rtol=1e-6)


# --- evaluation while training


def test_evaluation_draws_fresh_starts_for_every_member_episode_and_step():
    env = probes.line()
    algorithm = probes.quadratic(probes.Config(start=0.5), env)
    keys = training.member_keys(0, 2)
    states = jax.vmap(algorithm.init)(keys.init)
    evaluate = training.make_evaluator(env, algorithm, 2, 30).evaluate
    returns = evaluate(keys.evaluate, states.learner.policy, 0)
    assert returns.shape == (2, 30) and len(np.unique(returns)) == 60
    assert_array_equal(evaluate(keys.evaluate, states.learner.policy, 0), returns)
    assert not np.isin(evaluate(keys.evaluate, states.learner.policy, 1), returns).any()


def test_each_member_is_evaluated_with_its_own_policy():
    env = probes.bowl(num_axes=1)  # the return is -action²
    algorithm = probes.quadratic(probes.Config(), env)
    policies = Policy({"point": jnp.array([[0.5], [-1.0], [0.0]])}, ())
    evaluate = training.make_evaluator(env, algorithm, 3, 2, max_lanes=4).evaluate
    returns = evaluate(training.member_keys(0, 3).evaluate, policies, 0)
    assert_allclose(returns, [[-0.25] * 2, [-1.0] * 2, [0.0] * 2])
