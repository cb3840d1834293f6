"""The environment contract on a Brax task. One task and one backend: compiling physics takes its time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees

from landscapes.envs import make_environment
from landscapes.errors import UserError
from landscapes.types import Environment

EPISODE_LENGTH = 4


@pytest.fixture(scope="module")
def hopper() -> Environment:
    return make_environment("hopper", "spring", EPISODE_LENGTH)


@pytest.fixture(scope="module")
def step(hopper):
    return jax.jit(hopper.step)


@pytest.fixture(scope="module")
def reset(hopper):
    return jax.jit(hopper.reset)


def test_sizes(hopper):
    assert (hopper.name, hopper.backend, hopper.episode_length) == ("hopper", "spring", EPISODE_LENGTH)
    assert (hopper.observation.shape, hopper.action.shape, hopper.scales_start_noise) == ((11,), (3,), True)


def test_the_first_time_step(reset):
    _, first = reset(jax.random.key(0))
    assert first.obs.shape == (11,) and first.obs.dtype == first.reward.dtype == jnp.float32
    assert (float(first.reward), bool(first.terminated), bool(first.truncated)) == (0.0, False, False)


def test_the_start_without_noise_is_one_and_the_noise_scales(reset):
    fixed = [np.asarray(reset(jax.random.key(seed), 0.0)[1].obs) for seed in range(2)]
    np.testing.assert_array_equal(*fixed)
    own, double = (np.asarray(reset(jax.random.key(0), scale)[1].obs) for scale in (1.0, 2.0))
    assert not np.array_equal(own, np.asarray(reset(jax.random.key(1), 1.0)[1].obs))
    # Positions (the first five numbers) are noisy in proportion, within ±0.005 of the fixed start.
    assert 0.0 < np.abs(own - fixed[0])[:5].max() <= 0.00501
    np.testing.assert_allclose((double - fixed[0])[1:5], 2.0 * (own - fixed[0])[1:5], atol=1e-5)


def test_the_time_limit_truncates_and_does_not_terminate(reset, step):
    state, _ = reset(jax.random.key(0), 0.0)
    ends = []
    for _ in range(EPISODE_LENGTH):
        state, after = step(state, jnp.zeros(3))
        ends.append((bool(after.terminated), bool(after.truncated)))
        np.testing.assert_array_equal(after.obs, after.next_obs)
    assert ends == [(False, False)] * (EPISODE_LENGTH - 1) + [(False, True)]


def test_a_fall_terminates_even_at_the_time_limit(reset, step):
    state, after = reset(jax.random.key(0), 0.0)
    for _ in range(500):  # the environment itself goes on past its limit: resetting is the caller's part
        before, (state, after) = state, step(state, jnp.array([1.0, -1.0, 1.0]))
        if after.terminated:
            break
    assert after.terminated and not after.truncated
    assert after.obs[0] <= 0.7 or abs(after.obs[1]) > 0.2  # height and tilt of a healthy hopper
    for num_steps in (0, EPISODE_LENGTH - 1):
        _, after = step(before._replace(num_steps=jnp.int32(num_steps)), jnp.array([1.0, -1.0, 1.0]))
        assert (bool(after.terminated), bool(after.truncated)) == (True, False)


def test_actions_are_clipped(reset, step):
    state, _ = reset(jax.random.key(0), 0.0)
    one, great = (step(state, jnp.array(action)) for action in ([1.0, -1.0, 0.5], [9.0, -7.0, 0.5]))
    trees.assert_same(great, one)
    assert not trees.is_same(step(state, jnp.array([0.9, -1.0, 0.5])), one)


def test_states_keep_structure_shape_and_dtype(hopper):
    state, first = jax.eval_shape(hopper.reset, jax.random.key(0))
    after = jax.eval_shape(hopper.step, state, jnp.zeros(3))
    assert jax.tree.structure(after) == jax.tree.structure((state, first))
    for old, new in zip(jax.tree.leaves((state, first)), jax.tree.leaves(after), strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)


def test_what_does_not_exist_is_one_line():
    with pytest.raises(UserError, match=r"env=walker: must be one of .*did you mean walker2d\?"):
        make_environment("walker", "spring")
    with pytest.raises(UserError, match=r"experiment\.backend=fast: must be one of positional, spring, generalized"):
        make_environment("hopper", "fast")


def test_tasks_that_write_their_start_noise_say_so():
    assert not make_environment("inverted_pendulum", "spring", 10).scales_start_noise
