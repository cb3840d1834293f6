"""Targets and losses against plain Python loops, SciPy and numbers worked out by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from landscapes.networks import losses


def sequence(length: int, seed: int) -> dict[str, np.ndarray]:
    """Made-up steps with both kinds of endings, and next values that are not the values one row later."""
    generator = np.random.default_rng(seed)
    terminated = generator.random(length) < 0.25
    return {
        "rewards": generator.normal(size=length).astype(np.float32),
        "values": generator.normal(size=length).astype(np.float32),
        "next_values": generator.normal(size=length).astype(np.float32),
        "terminated": terminated,
        "truncated": ~terminated & (generator.random(length) < 0.3),
    }


def advantages_by_definition(steps: dict[str, np.ndarray], gamma: float, gae_lambda: float) -> list[float]:
    """Σ_k (γλ)^k δ_{t+k}, the sum ending with the episode: a double loop."""
    length = len(steps["rewards"])
    result = []
    for t in range(length):
        total = 0.0
        for k in range(length - t):
            i = t + k
            bootstrap = 0.0 if steps["terminated"][i] else gamma * float(steps["next_values"][i])
            delta = float(steps["rewards"][i]) + bootstrap - float(steps["values"][i])
            total += (gamma * gae_lambda) ** k * delta
            if steps["terminated"][i] or steps["truncated"][i]:
                break
        result.append(total)
    return result


@pytest.mark.parametrize("seed, gamma, gae_lambda", [(0, 0.99, 0.95), (1, 0.9, 0.0), (2, 1.0, 1.0), (3, 0.0, 0.5)])
def test_generalized_advantages(seed, gamma, gae_lambda):
    steps = sequence(23, seed)
    assert steps["terminated"].any() and steps["truncated"].any()
    found = losses.generalized_advantages(**steps, gamma=gamma, gae_lambda=gae_lambda)
    assert_allclose(found, advantages_by_definition(steps, gamma, gae_lambda), rtol=1e-5, atol=1e-5)


def test_advantages_by_hand():
    # γ = λ = ½. Step 2 is truncated: 0 + ½·8 - 1 = 3. Step 1 terminated: 2 - 1 = 1, whatever V(s') is.
    # Step 0: 1 + ½·4 - 1 = 2, plus ¼ of step 1's: 2.25.
    found = losses.generalized_advantages(
        jnp.array([1.0, 2.0, 0.0]),
        jnp.ones(3),
        jnp.array([4.0, 100.0, 8.0]),
        jnp.array([False, True, False]),
        jnp.array([False, False, True]),
        0.5,
        0.5,
    )
    assert_allclose(found, [2.25, 1.0, 3.0])


def test_lambda_one_is_the_discounted_sum_minus_the_value():
    steps = sequence(6, 4) | {"terminated": np.zeros(6, bool), "truncated": np.zeros(6, bool)}
    steps["next_values"] = np.append(steps["values"][1:], np.float32(0.7))
    found = losses.generalized_advantages(**steps, gamma=0.9, gae_lambda=1.0)
    for t in range(6):
        total = sum(0.9 ** (i - t) * steps["rewards"][i] for i in range(t, 6)) + 0.9 ** (6 - t) * 0.7
        assert_allclose(found[t], total - steps["values"][t], rtol=1e-5, atol=1e-5)


def test_td_target_bootstraps_unless_terminated():
    reward, value = jnp.array([1.0, 2.0, 3.0]), jnp.array([10.0, 20.0, 30.0])
    target = losses.td_target(reward, jnp.array([False, True, False]), value, 0.9)
    assert_allclose(target, [10.0, 2.0, 30.0])
    assert target.dtype == jnp.float32


def test_twin_critic_loss_is_a_sum_over_critics_without_a_half():
    # Errors 1, -2 of the first critic and 3, 0 of the second: ((1 + 9) + (4 + 0)) / 2.
    q = jnp.array([[2.0, 0.0], [4.0, 2.0]])
    assert losses.twin_critic_loss(q, jnp.array([1.0, 2.0])) == 7.0


def test_polyak():
    found = losses.polyak({"w": jnp.array([1.0, 0.0])}, {"w": jnp.array([3.0, 1.0])}, 0.25)
    assert_allclose(found["w"], [1.5, 0.25])


def gaussian_arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return tuple(generator.normal(size=(5, 3)).astype(np.float32) for _ in range(3))  # type: ignore[return-value]


def test_gaussian_log_prob():
    x, mean, log_std = gaussian_arrays()
    expected = scipy.stats.norm.logpdf(x.astype(float), mean, np.exp(log_std.astype(float))).sum(axis=-1)
    assert_allclose(losses.gaussian_log_prob(x, mean, log_std), expected, rtol=1e-5, atol=1e-5)


def test_gaussian_entropy():
    log_std = gaussian_arrays()[2]
    expected = scipy.stats.norm.entropy(0.0, np.exp(log_std.astype(float))).sum(axis=-1)
    assert_allclose(losses.gaussian_entropy(log_std), expected, rtol=1e-5, atol=1e-6)


def test_entropy_is_that_of_all_dimensions_together():
    """d log σ + d/2 log(2πe) for d equal ones: d times what the published code takes, the mean of the dimensions'."""
    for num_dimensions in (1, 3, 8):
        log_std = np.full(num_dimensions, np.log(0.5), np.float32)
        one = np.log(0.5) + 0.5 * np.log(2.0 * np.pi * np.e)
        assert_allclose(losses.gaussian_entropy(log_std), num_dimensions * one, rtol=1e-6)


def test_tanh_log_det_is_the_numeric_derivative_of_tanh():
    x = np.linspace(-3.0, 3.0, 12).reshape(4, 3)
    step = 1e-5
    derivative = (np.tanh(x + step) - np.tanh(x - step)) / (2.0 * step)
    assert_allclose(losses.tanh_log_det(jnp.float32(x)), np.log(derivative).sum(axis=-1), rtol=1e-5)


@pytest.mark.parametrize("x", [-40.0, 40.0])
def test_tanh_log_det_stays_finite_where_tanh_is_flat(x):
    # log(1 - tanh²) = log 4 - 2 |x| up to e^(-4|x|); computed naively it is log 0.
    value, slope = jax.value_and_grad(lambda u: losses.tanh_log_det(u[None]))(jnp.float32(x))
    assert_allclose(value, math.log(4.0) - 80.0, rtol=1e-6)
    assert_allclose(slope, -2.0 * np.sign(x), rtol=1e-6)


def test_density_after_tanh_integrates_to_one():
    # The change of variables as SAC makes it, on one axis.
    action = np.linspace(-1.0, 1.0, 20_002)[1:-1]
    u = jnp.float32(np.arctanh(action))[:, None]
    log_density = losses.gaussian_log_prob(u, jnp.full_like(u, 0.3), jnp.full_like(u, -0.5)) - losses.tanh_log_det(u)
    assert_allclose(np.trapezoid(np.exp(log_density), action), 1.0, rtol=1e-3)


def test_clipped_surrogate_by_hand():
    # ε = 0.2. Gains are capped at 1.2 A, losses are not: A = 1: ρ 1.5 -> -1.2, ρ 0.5 -> -0.5;
    # A = -1: ρ 1.5 -> 1.5, ρ 0.5 -> 0.8. Mean 0.15.
    ratio, advantage = jnp.array([1.5, 0.5, 1.5, 0.5]), jnp.array([1.0, 1.0, -1.0, -1.0])
    assert_allclose(losses.clipped_surrogate_loss(ratio, advantage, 0.2), (-1.2 - 0.5 + 1.5 + 0.8) / 4)
    slope = jax.grad(lambda r: 4.0 * losses.clipped_surrogate_loss(r, advantage, 0.2))(ratio)
    assert_allclose(slope, [0.0, -1.0, 1.0, 0.0])


def test_policy_gradient_loss_by_hand():
    log_prob, weights = jnp.array([-1.0, -2.0]), jnp.array([3.0, -0.5])
    assert losses.policy_gradient_loss(log_prob, weights) == -(-3.0 + 1.0) / 2
    slope = jax.grad(losses.policy_gradient_loss)(log_prob, weights)
    assert_allclose(slope, [-1.5, 0.25])  # -ψ / B: each row by its own weight


@pytest.mark.parametrize("loss", ["policy gradient", "surrogate"])
def test_normalised_weights_keep_their_gradient(loss):
    """An outer product of ratios and weights would have the mean of the weights, 0, times the mean gradient: none."""
    weights = jnp.array([-1.5, -0.5, 0.5, 1.5])
    if loss == "policy gradient":
        slope = jax.grad(losses.policy_gradient_loss)(jnp.zeros(4), weights)
    else:
        slope = jax.grad(lambda x: losses.clipped_surrogate_loss(jnp.exp(x), weights, 0.2))(jnp.zeros(4))
    assert_allclose(slope, -weights / 4)


def test_ratio_metrics_by_hand():
    found = losses.ratio_metrics(jnp.log(jnp.array([1.0, 1.5, 0.9, 0.5])), 0.2)
    expected = np.mean([rho - 1 - np.log(rho) for rho in (1.0, 1.5, 0.9, 0.5)])
    assert_allclose(found["approx_kl"], expected, rtol=1e-5)
    assert found["clip_fraction"] == 0.5


def test_value_losses_by_hand():
    values, targets = jnp.array([1.0, 3.0]), jnp.array([0.0, 5.0])
    assert losses.value_loss(values, targets) == 0.5 * (1.0 + 4.0) / 2
    # Old values 0 and 3.1, ε = 0.2: 1 is clipped to 0.2 (error 0.04, but 1 is worse), 3 stays: the same loss.
    assert_allclose(losses.clipped_value_loss(values, jnp.array([0.0, 3.1]), targets, 0.2), 0.5 * (1.0 + 4.0) / 2)
    # Old value 2: 3 is clipped to 2.2, farther from 5: (2.8)².
    assert_allclose(losses.clipped_value_loss(values, jnp.array([0.9, 2.0]), targets, 0.2), 0.5 * (1.0 + 7.84) / 2)


B, COLUMN = np.ones(4, np.float32), np.ones((4, 1), np.float32)
NEITHER = np.zeros(4, bool)


@pytest.mark.parametrize(
    "function, shapes, rest",
    [
        (losses.td_target, (B, NEITHER, B), (0.9,)),
        (losses.generalized_advantages, (B, B, B, NEITHER, NEITHER), (0.9, 0.9)),
        (losses.clipped_surrogate_loss, (B, B), (0.2,)),
        (losses.policy_gradient_loss, (B, B), ()),
        (losses.value_loss, (B, B), ()),
        (losses.clipped_value_loss, (B, B, B), (0.2,)),
        (losses.gaussian_log_prob, (B, B, B), ()),
    ],
)
def test_a_column_among_rows_raises(function, shapes, rest):
    function(*shapes, *rest)
    for i in range(len(shapes)):
        mixed = [*shapes[:i], COLUMN, *shapes[i + 1 :]]
        with pytest.raises(ValueError, match=r"shapes differ: .*\(4, 1\)"):
            function(*mixed, *rest)


@pytest.mark.parametrize("shape", [(2, 4, 1), (4, 2), (4,)])
def test_critics_of_another_shape_raise(shape):
    with pytest.raises(ValueError, match="must be"):
        losses.twin_critic_loss(jnp.zeros(shape), jnp.zeros(4))
