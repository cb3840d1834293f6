"""Spaces: how a value is drawn, clipped and perturbed."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from landscapes.spaces import Box, Discrete

KEYS = jax.random.split(jax.random.key(0), 4000)


def test_a_box_is_perturbed_by_gaussian_noise_and_clipped() -> None:
    box = Box((2,), -1.0, 1.0)
    drawn = np.asarray(jax.vmap(lambda key: box.perturb(key, jnp.array([0.0, 0.95]), 0.1))(KEYS))
    assert scipy.stats.kstest(drawn[:, 0] / 0.1, "norm").pvalue > 0.001
    assert drawn.max() == 1.0 and (drawn[:, 1] == 1.0).mean() > 0.25
    np.testing.assert_array_equal(box.perturb(KEYS[0], jnp.array([0.5, -2.0]), 0.0), [0.5, -1.0])


def test_a_choice_is_perturbed_by_a_uniform_one() -> None:
    """With probability ε uniform over all, the own included: the own is kept with 1 - ε + ε / 4."""
    space = Discrete(4)
    drawn = np.asarray(jax.vmap(lambda key: space.perturb(key, jnp.int32(2), 0.4))(KEYS))
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, [0.1, 0.1, 0.7, 0.1], atol=0.025)
    kept = np.asarray(jax.vmap(lambda key: space.perturb(key, jnp.int32(2), 0.0))(KEYS))
    assert (kept == 2).all() and drawn.dtype == kept.dtype == np.int32


def test_uniform_draws_cover_the_space() -> None:
    choices = np.asarray(jax.vmap(Discrete(3).sample)(KEYS))
    np.testing.assert_allclose(np.bincount(choices) / len(choices), [1 / 3] * 3, atol=0.03)
    numbers = np.asarray(jax.vmap(Box((1,), -1.0, 1.0).sample)(KEYS))[:, 0]
    assert scipy.stats.kstest(numbers, "uniform", args=(-1.0, 2.0)).pvalue > 0.001


def test_spaces_say_what_they_are() -> None:
    assert str(Discrete(3)) == "one of 3 choices" and str(Box((2,))) == "float32 numbers of shape [2]"
    assert Box((10, 10, 4), 0.0, 1.0, "uint8").zero().dtype == jnp.uint8 and Box((2, 3)).size == 6
