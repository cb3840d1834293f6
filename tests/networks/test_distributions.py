"""Distributions against closed forms and numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.networks.distributions import Categorical, Gaussian, TanhGaussian

LOGITS = jnp.array([-2.5, 0.9, 2.4, 3.7])
PROBABILITIES = np.array([0.0015, 0.0455, 0.2041, 0.7489])  # exp(x) / 54.02


def test_a_categorical_is_a_softmax() -> None:
    found = Categorical(LOGITS)
    each = np.exp([float(found.log_prob(jnp.int32(i))) for i in range(4)])
    np.testing.assert_allclose(each, PROBABILITIES, atol=5e-5)
    np.testing.assert_allclose(found.entropy(), -np.sum(each * np.log(each)), rtol=1e-5)
    assert found.mode() == 3 and found.mode().dtype == jnp.int32
    drawn = jax.vmap(found.sample)(jax.random.split(jax.random.key(0), 8000))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 8000, PROBABILITIES, atol=0.02)
    assert drawn.dtype == jnp.int32


def test_the_gradient_of_a_choice_is_one_hot_minus_probabilities() -> None:
    slope = jax.grad(lambda logits: Categorical(logits).log_prob(jnp.int32(2)))(LOGITS)
    np.testing.assert_allclose(slope, [-0.0015, -0.0455, 0.7959, -0.7489], atol=5e-5)


def test_the_gradient_of_a_gaussian_is_the_distance_over_the_variance() -> None:
    """σ = exp(-½): (a - μ) / σ² = (0.1, -0.2) / e⁻¹."""
    action, log_std = jnp.array([0.1, -0.2]), jnp.full(2, -0.5)
    slope = jax.grad(lambda mean: Gaussian(mean, log_std).log_prob(action))(jnp.zeros(2))
    np.testing.assert_allclose(slope, [0.2718, -0.5437], atol=5e-5)


def test_leading_axes_are_kept_apart_and_a_wrong_one_is_refused() -> None:
    logits = jnp.stack([LOGITS, LOGITS[::-1], jnp.zeros(4)])
    both = Categorical(logits).log_prob(jnp.array([3, 0, 1]))
    assert both.shape == (3,) and both[0] == both[1]
    np.testing.assert_allclose(both[2], np.log(0.25), rtol=1e-6)
    with pytest.raises(ValueError, match=r"actions \(3, 1\) must be one for each"):
        Categorical(logits).log_prob(jnp.zeros((3, 1), jnp.int32))


def test_the_density_behind_a_tanh_integrates_to_one() -> None:
    """What is drawn has the density of tanh(u) by the change of variables, which integrates to one."""
    mean, log_std = jnp.array([0.4]), jnp.array([-0.3])
    actions, log_probs = jax.vmap(TanhGaussian(mean, log_std).sample_with_log_prob)(
        jax.random.split(jax.random.key(1), 500)
    )
    a = np.asarray(actions[:, 0], np.float64)

    def density(a: np.ndarray) -> np.ndarray:
        std = np.exp(-0.3)
        return np.exp(-0.5 * ((np.arctanh(a) - 0.4) / std) ** 2) / (std * np.sqrt(2 * np.pi) * (1 - a**2))

    np.testing.assert_allclose(np.exp(log_probs), density(a), rtol=2e-3)
    grid = np.linspace(-1, 1, 200_002)[1:-1]
    np.testing.assert_allclose(np.trapezoid(density(grid), grid), 1.0, atol=1e-4)
    np.testing.assert_allclose(TanhGaussian(mean, log_std).mode(), np.tanh(0.4), rtol=1e-6)
