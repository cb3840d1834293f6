"""Weights are drawn as the literature says: orthogonal, uniformly, each matrix its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from landscapes.networks.modules import DeterministicActor, TanhGaussianActor, orthogonal, orthonormal_columns


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
