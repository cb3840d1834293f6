"""Running moments and reward scales against NumPy on all values at once and plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from landscapes.networks import running


def test_merged_moments_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, (50, 3)).astype(np.float32)
    moments = running.no_moments((3,))
    for part in (values[:1], values[1:20], values[20:]):
        moments = running.merged(moments, part)
    assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-5)
    assert_allclose(moments.variance, values.var(axis=0), rtol=1e-5)
    assert moments.num == 50.0


def test_moments_far_from_zero_keep_their_variance() -> None:
    """Mean 1000 and deviation 1 in float32: the difference of mean squares would be all rounding."""
    values = np.random.default_rng(1).normal(1000.0, 1.0, (4000, 1)).astype(np.float32)
    moments = running.no_moments((1,))
    for part in values.reshape(40, 100, 1):
        moments = running.merged(moments, part)
    assert_allclose(moments.variance, values.astype(np.float64).var(axis=0), rtol=1e-3)


def test_standardized() -> None:
    moments = running.Moments(jnp.array([1.0, 2.0]), jnp.array([4.0, 9.0]), jnp.float32(5))
    obs = jnp.array([[3.0, 2.0], [1.0, 80.0]])
    assert_allclose(running.standardized(moments, obs), [[1.0, 0.0], [0.0, 26.0]], rtol=1e-6)
    assert_allclose(running.standardized(moments, obs, 10.0), [[1.0, 0.0], [0.0, 10.0]], rtol=1e-6)
    assert_allclose(running.standardized(moments, obs[0]), [1.0, 0.0], rtol=1e-6)
    assert_allclose(running.standardized((), obs, 10.0), [[3.0, 2.0], [1.0, 10.0]])
    assert running.standardized((), obs) is obs
    fresh = running.no_moments((2,))
    assert_allclose(running.standardized(fresh, obs), obs, rtol=1e-6)


def test_rewards_are_scaled_by_the_spread_of_the_discounted_return() -> None:
    gamma = 0.9
    rewards = np.random.default_rng(2).normal(1.0, 3.0, (2, 10)).astype(np.float32)
    ended = np.zeros((2, 10), bool)
    ended[0, 3] = ended[1, 9] = True
    scale = running.no_reward_scale(2)
    outs = []
    for part in (slice(0, 5), slice(5, 10)):  # a return goes on from one unroll to the next
        out, scale = running.scaled(scale, jnp.asarray(rewards[:, part]), jnp.asarray(ended[:, part]), gamma)
        outs.append(np.asarray(out))
    returned, seen = np.zeros(2), []
    for t in range(10):
        returned = gamma * returned + rewards[:, t]
        seen.append(returned.copy())
        returned = np.where(ended[:, t], 0.0, returned)
        if t in (4, 9):
            assert_allclose(outs[t // 5], rewards[:, t - 4 : t + 1] / np.std(seen), rtol=1e-4)
    assert_allclose(scale.returns, returned, rtol=1e-5)
    assert returned[1] == 0.0


def test_rewards_may_be_clipped_with_and_without_a_scale() -> None:
    rewards, ended = jnp.array([[3.0, -0.5]]), jnp.zeros((1, 2), bool)
    out, scale = running.scaled((), rewards, ended, 0.9, 1.0)
    assert_allclose(out, [[1.0, -0.5]])
    assert scale == ()
    out, _ = running.scaled(running.no_reward_scale(1), rewards, ended, 0.9, 1.0)
    assert_allclose(out, np.clip(np.array([[3.0, -0.5]]) / np.std([3.0, 2.2]), -1.0, 1.0), rtol=1e-5)
    assert out[0, 0] == 1.0


def test_moments_are_floats_that_a_line_can_go_through() -> None:
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(running.no_moments((3,))))
