"""Learning rates and gradient norms against numbers worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from landscapes.networks import optimizers, schedules


@pytest.mark.parametrize("done, left", [(0, 1.0), (25, 0.75), (100, 0.0), (140, 0.0)])
def test_linear(done: int, left: float) -> None:
    assert_allclose(schedules.linear(0.2, jnp.uint32(done), 100), 0.2 * left, rtol=1e-6)


@pytest.mark.parametrize("done, expected", [(0, 1.0), (49, 1.0), (50, 0.1), (74, 0.1), (75, 0.01), (100, 0.01)])
def test_steps(done: int, expected: float) -> None:
    found = schedules.steps(1.0, jnp.uint32(done), 100, [0.5, 0.75], 0.1)
    assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "rate, kl, expected",
    [
        (1e-3, 0.021, 1e-3 / 1.5),  # more than twice 0.01
        (1e-3, 0.019, 1e-3),
        (1e-3, 0.0049, 1.5e-3),  # less than half of it
        (1e-3, 0.0, 1e-3),  # nothing was measured: the first minibatch of an iteration
        (1.2e-5, 1.0, 1e-5),
        (9e-3, 1e-4, 1e-2),
    ],
)
def test_by_kl(rate: float, kl: float, expected: float) -> None:
    assert_allclose(schedules.by_kl(jnp.float32(rate), jnp.float32(kl), 0.01), expected, rtol=1e-6)


def test_spread_of_gradient_norms() -> None:
    found = optimizers.norm_spread("norm", jnp.array([[1.0, 3.0], [5.0, 7.0]]))
    assert found == {"norm": 4.0, "norm_var": 5.0, "norm_cv": pytest.approx(np.sqrt(5.0) / 4.0)}
    weights = jnp.array([[0.5, 0.5], [0.0, 0.0]])  # of the second row nothing counts
    found = optimizers.norm_spread("norm", jnp.array([[1.0, 3.0], [5.0, 7.0]]), weights)
    assert found == {"norm": 2.0, "norm_var": 1.0, "norm_cv": 0.5}
    assert optimizers.norm_spread("norm", jnp.zeros(3)) == {"norm": 0.0, "norm_var": 0.0, "norm_cv": 0.0}


def test_a_factor_on_the_loss_changes_no_coefficient_of_variation() -> None:
    norms = jnp.array([1.0, 2.0, 4.0])
    one, other = (optimizers.norm_spread("norm", factor * norms) for factor in (1.0, 100.0))
    assert_allclose(one["norm_cv"], other["norm_cv"], rtol=1e-6)
    assert_allclose(10_000.0 * one["norm_var"], other["norm_var"], rtol=1e-6)
