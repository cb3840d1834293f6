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


def squashed_density(action: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Of tanh(u), u ~ N(mean, std²), by the change of variables in float64."""
    u = np.arctanh(action)
    return np.exp(-0.5 * ((u - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi) * (1 - action**2))


GRID = np.linspace(-1.0, 1.0, 400_002)[1:-1]


@pytest.mark.parametrize("mean, log_std", [(0.0, 0.0), (0.4, -0.3), (-1.0, -1.0), (0.7, 0.4)])
def test_a_squashed_gaussian_against_numerical_integration(mean: float, log_std: float) -> None:
    found = TanhGaussian(jnp.array([mean]), jnp.array([log_std]))
    raw = jnp.linspace(-3.0, 3.0, 25)[:, None]
    many = TanhGaussian(*(jnp.broadcast_to(x, raw.shape) for x in found))
    density = squashed_density(np.tanh(np.asarray(raw[:, 0], np.float64)), mean, np.exp(log_std))
    np.testing.assert_allclose(many.log_prob_raw(raw), np.log(density), rtol=1e-4, atol=1e-4)
    near = jnp.linspace(-0.99, 0.99, 25)[:, None]
    expected = np.log(squashed_density(np.asarray(near[:, 0], np.float64), mean, np.exp(log_std)))
    np.testing.assert_allclose(many.log_prob(near), expected, rtol=1e-4, atol=1e-4)

    grid = squashed_density(GRID, mean, np.exp(log_std))
    np.testing.assert_allclose(np.trapezoid(grid, GRID), 1.0, atol=1e-3)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.trapezoid(np.where(grid > 0.0, grid * np.log(grid), 0.0), GRID)
    draws = jax.vmap(found.squashed_entropy)(jax.random.split(jax.random.key(0), 40_000))
    standard_error = float(draws.std()) / np.sqrt(40_000)
    assert abs(float(draws.mean()) - entropy) < 4.0 * standard_error + 2e-3


def test_the_entropy_of_squashed_actions_falls_where_the_gaussians_grows() -> None:
    """Integrated at mean 0: 0.673 at σ = 1, 0.314 at 1.65, -0.51 at 2.5; the Gaussian's are 1.42, 1.92, 2.34."""
    keys = jax.random.split(jax.random.key(1), 40_000)
    for std, squashed, plain in [(1.0, 0.673, 1.42), (1.65, 0.314, 1.92), (2.5, -0.51, 2.34)]:
        found = TanhGaussian(jnp.zeros(1), jnp.log(jnp.array([std])))
        assert abs(float(jax.vmap(found.squashed_entropy)(keys).mean()) - squashed) < 0.03
        np.testing.assert_allclose(found.entropy(), plain, atol=5e-3)
    slopes = jax.vmap(
        jax.grad(lambda log_std, key: TanhGaussian(jnp.zeros(1), log_std).squashed_entropy(key)), (None, 0)
    )
    assert slopes(jnp.log(jnp.array([2.0])), keys).mean() < -0.3  # the gradient goes through the draw


def test_what_was_drawn_far_out_has_a_finite_density_and_gradient() -> None:
    """tanh(20) is 1 in float32, whose arctanh is infinite; from u itself nothing is lost."""
    raw = jnp.array([20.0])

    def log_prob(mean: jax.Array) -> jax.Array:
        return TanhGaussian(mean, jnp.zeros(1)).log_prob_raw(raw)

    value, slope = jax.value_and_grad(log_prob)(jnp.zeros(1))
    expected = -200.0 - 0.5 * np.log(2 * np.pi) - (2 * np.log(2.0) - 40.0)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, 20.0, rtol=1e-6)
    saturated = TanhGaussian(jnp.zeros(1), jnp.zeros(1)).log_prob(jnp.tanh(raw))
    assert np.isfinite(saturated)


def test_ratios_are_those_of_the_gaussians_before_the_tanh() -> None:
    raw = jnp.array([[0.3, -1.2], [2.0, 0.1]])
    mean, other = jnp.zeros((2, 2)), jnp.full((2, 2), 0.3)
    log_std = jnp.full((2, 2), -0.2)
    squashed = TanhGaussian(mean, log_std).log_prob_raw(raw) - TanhGaussian(other, log_std).log_prob_raw(raw)
    plain = Gaussian(mean, log_std).log_prob(raw) - Gaussian(other, log_std).log_prob(raw)
    np.testing.assert_allclose(squashed, plain, rtol=1e-4, atol=1e-6)


def test_raw_actions_are_actions_but_behind_a_tanh() -> None:
    key, raw = jax.random.key(2), jnp.array([0.5])
    for found in (Gaussian(jnp.zeros(1), jnp.zeros(1)), Categorical(LOGITS)):
        np.testing.assert_array_equal(found.executed(found.sample_raw(key)), found.sample(key))
    squashed = TanhGaussian(jnp.zeros(1), jnp.zeros(1))
    np.testing.assert_allclose(squashed.executed(raw), np.tanh(0.5), rtol=1e-6)
    np.testing.assert_array_equal(squashed.sample(key), jnp.tanh(squashed.sample_raw(key)))
