"""An agent is an algorithm at work in an environment: its lanes, and whole episodes where it asks for them."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import probes
import trees

from landscapes.experience import replay
from landscapes.spaces import Box, Spaces
from landscapes.training import make_agent
from landscapes.types import Agent, Collecting, Policy, Transition, Unrolled

FORCE = np.array([0.9, -0.2], np.float32)


def recording(collecting: Collecting, episode_length: int = 10) -> Agent:
    """An agent on the line that always pushes alike, and whose data are all that it lived through."""
    env = probes.line(episode_length)
    algorithm = probes.quadratic_algorithm(probes.Config(), env.spaces)

    def digest(key: Any, learner: Any, log: Any, unrolled: Unrolled) -> tuple[Any, Any, Any]:
        return log, unrolled, {}

    def explore(key: Any, policy: Policy, timestep: Any, memory: Any) -> tuple[Any, Any, Any]:
        return jnp.asarray(FORCE), memory + 1, {"memory": memory}

    changed = algorithm._replace(
        digest=digest,
        explore=explore,
        collecting=collecting,
        learns_from_log=False,
        batch_of=lambda key, log, data: data,
        init_memory=lambda key, policy: jnp.int32(0),
    )
    return make_agent(env, changed)


def test_whole_episodes_are_those_of_the_formula() -> None:
    agent = recording(Collecting(lanes=5, whole_episodes=True))
    assert agent.env_steps == 50
    state = agent.init(jax.random.key(0))
    assert state.lanes == ()  # every episode begins anew
    after, unrolled, _ = jax.jit(agent.collect)(jax.random.key(1), state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    alive = np.asarray(unrolled.alive)
    returns = np.sum(np.where(alive, unrolled.steps.reward, 0.0), axis=1)
    starts = np.asarray(unrolled.steps.obs[:, 0, :2])
    expected = [probes.line_episode(start, FORCE, 1.0) for start in starts]
    np.testing.assert_allclose(returns, [found[0] for found in expected], rtol=1e-5)
    np.testing.assert_array_equal(alive.sum(axis=1), [found[2] for found in expected])
    assert len(set(alive.sum(axis=1))) > 1  # they end when they end
    ends = np.asarray(unrolled.steps.terminated | unrolled.steps.truncated)
    assert all(ends[lane, length - 1] for lane, length in enumerate(alive.sum(axis=1)))
    np.testing.assert_array_equal(np.asarray(unrolled.extras["memory"])[alive], np.nonzero(alive)[1])
    assert unrolled.memory.tolist() == [0] * 5


def test_whole_episodes_of_an_update_are_fresh_and_their_own() -> None:
    agent = recording(Collecting(lanes=2, whole_episodes=True))
    state = agent.init(jax.random.key(0))
    draw = jax.jit(agent.sample_batch)
    one, again, other = (draw(jax.random.key(i), state) for i in (1, 1, 2))
    trees.assert_same(one, again)
    assert not np.array_equal(one.steps.obs[:, 0], other.steps.obs[:, 0])


def test_lanes_go_on_where_they_stood_and_remember() -> None:
    agent = recording(Collecting(lanes=3, steps=2), episode_length=7)
    state, seen = agent.init(jax.random.key(0)), []
    for i in range(4):
        state, unrolled, _ = jax.jit(agent.collect)(jax.random.key(i), state)
        assert unrolled.alive.all() and unrolled.steps.reward.shape == (3, 2)
        seen.append(unrolled)
    for before, after in itertools.pairwise(seen):
        ended = np.asarray(before.steps.terminated | before.steps.truncated)[:, -1]
        going = ~ended
        np.testing.assert_array_equal(after.steps.obs[going, 0], before.steps.next_obs[going, -1])
        assert (np.asarray(after.memory)[ended] == 0).all()
        assert (np.asarray(after.memory)[going] == np.asarray(before.extras["memory"])[going, -1] + 1).all()


def test_fresh_starts_begin_each_iteration_and_cut_off_what_is_not_over() -> None:
    agent = recording(Collecting(lanes=3, steps=6, fresh_starts=True), episode_length=4)
    state = agent.init(jax.random.key(0))
    assert state.lanes == () and agent.env_steps == 18
    one, other = (jax.jit(agent.collect)(jax.random.key(i), state) for i in (1, 2))
    assert jax.tree.structure(one[0]) == jax.tree.structure(state)
    for _, unrolled, _ in (one, other):
        assert unrolled.alive.all() and unrolled.memory.tolist() == [0] * 3
        assert np.abs(unrolled.steps.obs[:, 0, :2]).max() <= 1.0  # within the start noise
        assert (np.asarray(unrolled.extras["memory"])[:, 0] == 0).all()
        ended = np.asarray(unrolled.steps.terminated | unrolled.steps.truncated)
        assert ended.sum(axis=1).min() >= 1  # episodes of at most four steps among six
        assert not ended[:, -1].all()
    assert not np.array_equal(one[1].steps.obs, other[1].steps.obs)
    assert len(np.unique(np.asarray(one[1].steps.obs[:, 0, 0]))) == 3
    # Data of an update follow from the key and the policy alone: nothing else is in the state.
    trees.assert_same(agent.sample_batch(jax.random.key(5), one[0]), agent.sample_batch(jax.random.key(5), state))


def test_one_lane_of_fresh_starts() -> None:
    agent = recording(Collecting(lanes=1, steps=3, fresh_starts=True))
    state, unrolled, _ = jax.jit(agent.collect)(jax.random.key(1), agent.init(jax.random.key(0)))
    assert state.lanes == () and unrolled.steps.reward.shape == (1, 3)


def test_rows_of_several_lanes_are_logged_step_by_step() -> None:
    spaces = Spaces(Box((1,)), Box((1,), -1.0, 1.0))
    numbers = jnp.arange(6.0).reshape(2, 3)  # [lanes, T]
    column = numbers[..., None]
    false = jnp.zeros((2, 3), bool)
    unrolled = Unrolled(Transition(column, column, numbers, column, false, false), (), (), ~false)
    log = replay.insert(replay.make_replay(spaces, 4), replay.in_order(unrolled))
    assert int(log.count) == 6
    np.testing.assert_array_equal(replay.rows(log, 2, 6).reward, [1.0, 4.0, 2.0, 5.0])  # 0, 3 are overwritten
    both = replay.insert(replay.make_replay(spaces, 8), replay.in_order(unrolled))
    np.testing.assert_array_equal(both.data.reward[:6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
