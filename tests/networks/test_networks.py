"""Weights are drawn as the literature says: orthogonal, uniformly, each matrix its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from landscapes.networks.distributions import Categorical, Gaussian, TanhGaussian
from landscapes.networks.initializers import begun, orthogonal, orthonormal_columns
from landscapes.networks.modules import (
    ACTIVATIONS,
    MLP,
    DeterministicActor,
    StateCritic,
    StochasticActor,
    TanhGaussianActor,
)
from landscapes.spaces import Box, Discrete, Spaces


@pytest.mark.parametrize("shape", [(256, 256), (256, 3), (11, 64), (1, 5), (64, 1), (3136, 512)])
def test_weights_are_orthogonal_whatever_the_shape(shape):
    weights = np.asarray(orthogonal(2.0)(jax.random.key(0), shape), np.float64)
    assert weights.shape == shape
    small = weights @ weights.T if shape[0] <= shape[1] else weights.T @ weights
    assert_allclose(small, 4.0 * np.eye(min(shape)), atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 30), (400, 320)])  # one by one, and in blocks
def test_the_factor_is_that_of_a_qr_decomposition_with_positive_diagonal(shape):
    a = jax.random.normal(jax.random.key(1), shape)
    q, r = np.linalg.qr(np.asarray(a, np.float64))
    assert_allclose(orthonormal_columns(a), q * np.sign(np.diag(r)), atol=1e-5)


def test_nearly_dependent_columns_stay_orthogonal():
    a = jax.random.normal(jax.random.key(2), (50, 1)) + 1e-3 * jax.random.normal(jax.random.key(3), (50, 8))
    q = np.asarray(orthonormal_columns(a), np.float64)
    assert_allclose(q.T @ q, np.eye(8), atol=1e-5)


def test_entries_of_a_uniform_matrix_have_mean_zero_and_variance_one_over_n():
    draw = jax.vmap(lambda key: orthogonal(1.0)(key, (8, 8)))
    entries = np.asarray(draw(jax.random.split(jax.random.key(4), 4000)), np.float64)
    assert_allclose(entries.mean(0), 0.0, atol=4.5 * np.sqrt(1 / 8 / 4000))
    assert_allclose((entries**2).mean(0), 1 / 8, atol=0.015)


def test_weights_come_from_their_key():
    one, same, other = (orthogonal(1.0)(jax.random.key(i), (6, 6)) for i in (0, 0, 1))
    assert jnp.array_equal(one, same)
    assert not jnp.allclose(one, other)


@pytest.mark.parametrize("actor, num_last", [(DeterministicActor, 1), (TanhGaussianActor, 2)])
def test_the_last_layers_of_an_actor_have_a_scale_of_their_own(actor, num_last):
    params = actor([8, 8], 3, 0.01).init(jax.random.key(0), jnp.zeros(5))
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    scales = [float(jnp.linalg.norm(kernel, 2)) for kernel in kernels]  # the largest singular value
    last = [scale for kernel, scale in zip(kernels, scales, strict=True) if kernel.shape[1] == 3]
    assert_allclose(last, [0.01] * num_last, rtol=1e-4)
    assert_allclose([scale for scale in scales if scale not in last], [2**0.5] * 2, rtol=1e-4)


def layers(params: dict) -> list[tuple[np.ndarray, np.ndarray]]:
    found = params["params"]
    return [(np.asarray(found[name]["kernel"]), np.asarray(found[name]["bias"])) for name in sorted(found)]


@pytest.mark.parametrize(
    "initialization, bounds",
    [("torch", [1 / 10**0.5, 0.5 / 200**0.5]), ("xavier", [(6 / 210) ** 0.5, 0.5 * (6 / 240) ** 0.5])],
)
def test_uniform_weights_fill_their_bounds(initialization, bounds):
    """10 inputs, 200 units, 40 outputs; the last layer times ½."""
    module = MLP([200], 40, 0.5, initialization=initialization)
    for (kernel, bias), bound in zip(layers(module.init(jax.random.key(0), jnp.zeros(10))), bounds, strict=True):
        assert 0.99 * bound < np.abs(kernel).max() <= bound
        assert_allclose(kernel.std(), bound / 3**0.5, rtol=0.05)  # of a uniform distribution
        if initialization == "torch":
            assert 0.8 * bound < np.abs(bias).max() <= bound
        else:
            assert not bias.any()


@pytest.mark.parametrize("initialization", ["orthogonal", "xavier", "torch"])
def test_a_last_layer_of_scale_zero_is_zero(initialization):
    module = MLP([8], 3, 0.0, initialization=initialization)
    (kernel, _), last = layers(module.init(jax.random.key(0), jnp.zeros(4)))
    assert kernel.any() and not last[0].any() and not last[1].any()


def test_an_initialization_of_no_name_is_refused():
    with pytest.raises(ValueError, match="lecun is none of orthogonal, xavier, torch"):
        begun("lecun", 2, 2, 1.0)


def test_activations_act():
    obs = jnp.array([0.3, -0.7])
    outs = [
        StateCritic([16], Box((2,)), activation=name).apply(
            StateCritic([16], Box((2,))).init(jax.random.key(0), obs), obs
        )
        for name in ACTIVATIONS
    ]
    assert len({float(x) for x in outs}) == len(ACTIVATIONS)


def test_a_stochastic_actor_has_the_distribution_of_its_space():
    numbers = Spaces(Box((2,)), Box((3,), -1.0, 1.0))

    def made(spaces: Spaces, **more: object) -> object:
        actor = StochasticActor([8], spaces, **more)
        return actor.apply(actor.init(jax.random.key(0), jnp.zeros(2)), jnp.ones(2))

    plain, squashed = made(numbers, log_std_init=-0.5), made(numbers, log_std_init=0.7, log_std_max=0.5, squash=True)
    assert isinstance(plain, Gaussian) and isinstance(squashed, TanhGaussian)
    assert_allclose(plain.log_std, -0.5)
    assert_allclose(squashed.log_std, 0.5)  # cut off
    assert isinstance(made(Spaces(Box((2,)), Discrete(4))), Categorical)
