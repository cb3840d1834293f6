"""All six ψ against plain loops over trajectories that terminate, run out of time, and are cut off."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from landscapes.networks import advantages
from landscapes.networks.advantages import PSI, Steps, values_after

GAMMA, LAMBDA = 0.9, 0.7


def lived(ends: dict[int, str], length: int = 12, seed: int = 0) -> Steps:
    """Made-up steps of one lane, some of which are ends, and next values that are not the values one row later."""
    generator = np.random.default_rng(seed)
    rewards, values, next_values = generator.normal(size=(3, length)).astype(np.float32)
    kinds = [ends.get(t, "") for t in range(length)]
    terminated, truncated = (np.array([kind == name for kind in kinds]) for name in ("terminated", "truncated"))
    return Steps(rewards, values, next_values, terminated, truncated)


def trajectories(steps: Steps) -> list[list[int]]:
    """The numbers of the steps of each trajectory, in order."""
    found: list[list[int]] = [[]]
    for t in range(len(steps.rewards)):
        found[-1].append(t)
        if steps.terminated[t] or steps.truncated[t]:
            found.append([])
    return [numbers for numbers in found if numbers]


def plain(name: str, steps: Steps) -> np.ndarray:
    """ψ by its definition, one trajectory after the other, one step after the other."""
    r, v, w = (np.asarray(x, np.float64) for x in steps[:3])
    found = np.zeros(len(r))
    for numbers in trajectories(steps):
        last = numbers[-1]
        beyond = 0.0 if steps.terminated[last] else w[last]

        def to_go(t: int, last: int = last, beyond: float = beyond) -> float:
            rewards = sum(GAMMA ** (i - t) * r[i] for i in range(t, last + 1))
            return float(rewards + GAMMA ** (last + 1 - t) * beyond)

        def residual(t: int) -> float:
            return float(r[t] + GAMMA * (0.0 if steps.terminated[t] else w[t]) - v[t])

        for t in numbers:
            if name == "total_return":
                found[t] = to_go(numbers[0])
            elif name == "future_return":
                found[t] = to_go(t)
            elif name == "baseline_return":
                found[t] = to_go(t) - v[t]
            elif name == "q_value":
                found[t] = residual(t) + v[t]
            elif name == "gae":
                found[t] = sum((GAMMA * LAMBDA) ** (i - t) * residual(i) for i in range(t, last + 1))
            else:
                found[t] = residual(t)
    return found


CASES: list[dict[int, str]] = [
    {},  # cut off, nothing else
    {3: "terminated", 7: "truncated"},  # and a third trajectory that is cut off
    {0: "truncated", 1: "terminated", 11: "terminated"},  # single steps, and the last one ends
    {4: "terminated", 11: "truncated"},
]


@pytest.mark.parametrize("name", PSI)
@pytest.mark.parametrize("ends", CASES)
def test_every_psi_is_that_of_a_plain_loop(name: str, ends: dict[int, str]) -> None:
    steps = lived(ends)
    assert_allclose(advantages.psi(name, steps, GAMMA, LAMBDA), plain(name, steps), rtol=1e-5, atol=1e-5)


def test_psi_by_hand() -> None:
    """γ = ½; rewards 1, 2 and a termination, then 4, cut off where V(s') = 6; V = 1 everywhere else."""
    steps = Steps(
        jnp.array([1.0, 2.0, 4.0]),
        jnp.ones(3),
        jnp.array([1.0, 1.0, 6.0]),
        jnp.array([False, True, False]),
        jnp.zeros(3, bool),
    )
    expected = {
        "total_return": [2.0, 2.0, 7.0],
        "future_return": [2.0, 2.0, 7.0],
        "baseline_return": [1.0, 1.0, 6.0],
        "q_value": [1.5, 2.0, 7.0],
        "td_residual": [0.5, 1.0, 6.0],
        "gae": [0.5 + 0.25 * 1.0, 1.0, 6.0],  # γλ = ¼
    }
    for name, values in expected.items():
        assert_allclose(advantages.psi(name, steps, 0.5, 0.5), values, err_msg=name)


def test_the_six_are_related_as_they_must_be() -> None:
    """λ = 0 is the residual; λ = 1 the return less its baseline where V(s') is the V of the next row."""
    steps = lived({3: "terminated", 11: "terminated"}, seed=1)
    steps = steps._replace(next_values=np.append(steps.values[1:], np.float32(0.0)))

    def found(name: str, gae_lambda: float) -> Any:
        return advantages.psi(name, steps, GAMMA, gae_lambda)

    assert_allclose(found("gae", 0.0), found("td_residual", 0.5), rtol=1e-6)
    assert_allclose(found("gae", 1.0), found("baseline_return", 0.5), rtol=1e-5, atol=1e-5)
    assert_allclose(found("q_value", 0.5) - steps.values, found("td_residual", 0.5), rtol=1e-6)


def test_psi_of_another_name_or_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="advantage is none of total_return, future_return"):
        advantages.psi("advantage", lived({}), GAMMA, LAMBDA)
    column = lived({})._replace(values=np.ones((12, 1), np.float32))
    for name in ("total_return", "future_return", "baseline_return", "gae"):
        with pytest.raises(ValueError, match="shapes differ"):
            advantages.psi(name, column, GAMMA, LAMBDA)


def test_normalized() -> None:
    found = advantages.normalized(jnp.array([[1.0, 3.0], [5.0, 7.0]]), 1e-5)
    assert_allclose(found, (np.array([[1.0, 3.0], [5.0, 7.0]]) - 4.0) / (np.sqrt(5.0) + 1e-5), rtol=1e-6)


def test_values_after_are_those_of_the_true_next_observations() -> None:
    """Against the critic asked of all of them: lanes that go on, terminate, are cut off at a limit or by the end."""
    generator = np.random.default_rng(5)
    num, length = 3, 40
    ended = generator.random((num, length)) < 0.3
    terminated = ended & (generator.random((num, length)) < 0.5)
    truncated = ended & ~terminated
    obs = generator.normal(size=(num, length, 2)).astype(np.float32)
    next_obs = np.concatenate([obs[:, 1:], generator.normal(size=(num, 1, 2)).astype(np.float32)], axis=1)
    next_obs[ended] = generator.normal(size=(int(ended.sum()), 2))
    asked: list[tuple[int, ...]] = []

    def value_of(x: jax.Array) -> jax.Array:
        asked.append(x.shape)
        return jnp.sin(x[..., 0]) + 3.0 * x[..., 1]

    found = jax.jit(lambda *x: values_after(value_of, *x))(value_of(jnp.asarray(obs)), next_obs, ~terminated, ended)
    assert asked == [(num, length, 2), (num, 2)]  # so many at a time
    wanted = np.asarray(value_of(jnp.asarray(next_obs)))
    assert truncated.sum() > num and terminated[:, :-1].any()
    np.testing.assert_allclose(np.asarray(found)[~terminated], wanted[~terminated], rtol=1e-6)
