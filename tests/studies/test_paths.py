"""Points of parameter space, and returns measured at many of them at once, where both are known in closed form."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_allclose, assert_array_equal

from landscapes.envs import make_environment
from landscapes.loading import make_agent
from landscapes.machine import devices
from landscapes.studies import measurement, neighborhood, paths
from landscapes.types import Agent, Environment, Policy, TrainState

KEY = jax.random.key(0)

bowl, line = map(functools.cache, (probes.bowl, probes.line))


def some_policy(seed: int) -> Policy:
    """Two layers, the second of which begins with biases of 0, and statistics beside them."""
    keys = jax.random.split(jax.random.key(seed), 4)
    first = {"kernel": jax.random.normal(keys[0], (3, 4)), "bias": 0.1 * jax.random.normal(keys[1], (4,))}
    second = {"kernel": 5.0 * jax.random.normal(keys[2], (4, 2)), "bias": jnp.zeros(2)}
    return Policy({"first": first, "second": second}, {"mean": jax.random.normal(keys[3], (3,))})


def all_points(points: paths.Points) -> list[Policy]:
    at = jax.jit(paths.policy_at)
    return [at(points, jnp.uint32(i)) for i in range(len(points.origin))]


# --- paths


@pytest.mark.parametrize("num_points", [2, 3, 4, 10, 101])
def test_a_path_is_the_straight_line_with_policy_2_in_column_0(num_points):
    one, two = some_policy(1), some_policy(2)
    found = all_points(paths.between(one, two, num_points))
    assert len(found) == num_points
    trees.assert_same(found[0], two)
    trees.assert_same(found[-1], one)
    for alpha, policy in zip(paths.shares(num_points), found, strict=True):
        expected = jax.tree.map(lambda x, y, a=alpha: a * np.asarray(x, float) + (1.0 - a) * np.asarray(y), one, two)
        trees.assert_close(policy, expected)


def test_shares_are_of_policy_1():
    assert_array_equal(paths.shares(1), [0.0])
    assert_array_equal(paths.shares(5), [0.0, 0.25, 0.5, 0.75, 1.0])
    trees.assert_same(all_points(paths.between(some_policy(1), some_policy(2), 1))[0], some_policy(2))


@pytest.mark.parametrize("num_points", [1, 2, 7, 50])
def test_a_path_from_a_policy_to_itself_does_not_move_by_a_bit(num_points):
    policy = some_policy(3)
    for point in all_points(paths.between(policy, policy, num_points)):
        trees.assert_same(point, policy)


@pytest.mark.parametrize("num_points", [2, 6, 7, 101])
def test_the_way_back_has_the_same_points(num_points):
    one, two = some_policy(1), some_policy(2)
    there, back = (all_points(paths.between(*ends, num_points)) for ends in ((one, two), (two, one)))
    for i in range(num_points):
        same = trees.assert_close if 2 * i == num_points - 1 else trees.assert_same
        same(there[i], back[num_points - 1 - i])


# --- planes


@pytest.mark.parametrize("num", [1, 2, 5, 20, 21])
def test_axes_are_symmetric_and_pass_through_zero(num):
    found = paths.axis(num, 0.7)
    assert_array_equal(found, -found[::-1])
    assert_allclose(found, np.linspace(-0.7, 0.7, num) if num > 1 else [0.0], atol=1e-15)
    if num % 2:
        assert found[num // 2] == 0.0


def test_a_plane_is_its_origin_and_two_directions():
    origin, one, two = some_policy(1), some_policy(2), some_policy(3)
    x, y = np.array([-0.5, 0.0, 1.0, 2.0]), np.array([-3.0, 0.0, 1.0])
    found = all_points(paths.plane(origin, [one, two], x, y))
    assert len(found) == 12
    trees.assert_same(found[1 * 3 + 1], origin)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            expected = jax.tree.map(lambda o, u, v, a=a, b=b: o + a * u + b * v, origin, one, two)
            trees.assert_close(found[3 * i + j], expected, rtol=1e-4, atol=1e-5)


def test_a_line_has_one_direction_and_no_second_coordinate():
    origin, one = some_policy(1), some_policy(2)
    found = all_points(paths.plane(origin, [one], np.array([0.0, 1.0]), np.zeros(1)))
    trees.assert_same(found[0], origin)
    trees.assert_close(found[1], jax.tree.map(jnp.add, origin, one))
    with pytest.raises(ValueError, match="a line has the one y-coordinate 0"):
        paths.plane(origin, [one], np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def test_coordinate_one_along_a_difference_is_the_other_policy():
    origin, other = some_policy(1), some_policy(2)
    towards = paths.difference(other, origin)
    trees.assert_close(all_points(paths.plane(origin, [towards], np.ones(1), np.zeros(1)))[0], other)


# --- random directions


def test_every_array_of_a_random_direction_has_the_norm_of_the_weights():
    policy = some_policy(1)
    direction = paths.random_direction(KEY, policy)
    for found, weights in zip(jax.tree.leaves(direction.params), jax.tree.leaves(policy.params), strict=True):
        assert_allclose(np.linalg.norm(found), np.linalg.norm(weights), rtol=1e-5)
    assert_array_equal(direction.params["second"]["bias"], 0.0)
    assert_array_equal(direction.constants["mean"], 0.0)


def test_random_directions_are_gaussian_and_of_their_key():
    like = Policy({"kernel": jnp.ones((200, 100)), "other": jnp.ones((200, 100))}, ())
    one, again, two = (paths.random_direction(jax.random.key(seed), like) for seed in (1, 1, 2))
    trees.assert_same(one, again)

    def cosine(x: jax.Array, y: jax.Array) -> float:
        return float(jnp.vdot(x, y) / jnp.linalg.norm(x.ravel()) / jnp.linalg.norm(y.ravel()))

    # Of two independent directions in n = 20000 dimensions it has the standard deviation 1 / √n = 0.007.
    assert abs(cosine(one.params["kernel"], two.params["kernel"])) < 0.035
    assert abs(cosine(one.params["kernel"], one.params["other"])) < 0.035
    kernel = np.asarray(one.params["kernel"])
    assert_allclose([kernel.mean(), kernel.std()], [0.0, 1.0], atol=0.035)
    assert_allclose(np.mean(kernel**4), 3.0, rtol=0.1)


def test_what_has_no_line_between_is_told():
    policy = some_policy(1)
    assert paths.unlike(policy, some_policy(2)) is None
    wider = policy._replace(params={**policy.params, "second": {"kernel": jnp.zeros((4, 5)), "bias": jnp.zeros(2)}})
    assert paths.unlike(policy, wider) == "params/second/kernel is [4, 2] in one and [4, 5] in the other"
    fewer = policy._replace(params={"first": policy.params["first"]})
    assert paths.unlike(policy, fewer) == "params/second/bias is [2] in one and absent in the other"


# --- measured


def quadratic(env: Environment, **settings: Any) -> tuple[Agent, TrainState]:
    algorithm = probes.quadratic(probes.Config(**settings), env)
    return algorithm, algorithm.init(jax.random.key(9))


def at(*point: float) -> Policy:
    return Policy({"point": jnp.array(point, jnp.float32)}, ())


def measured(
    env: Environment,
    points: paths.Points,
    kind: str = "init_parameter",
    amount: float = 0.0,
    num_samples: int = 1,
    batch_size: int = 1000,
    **settings: Any,
) -> np.ndarray:
    """Returns `[num_samples, num_points]`."""
    algorithm, state = quadratic(env, **settings)
    num = len(points.origin)
    rate = neighborhood.amount_sets_rate(algorithm, kind, amount)
    made = measurement.make_measure(
        env, algorithm, measurement.Sampling(kind, num_samples, amount_sets_rate=rate, num_points=num), batch_size
    )
    return made.measure(KEY, state, amount, points=points).returns.reshape(num_samples, num)


def test_a_slice_of_a_bowl_is_the_bowl():
    x, y = paths.axis(5, 0.4), paths.axis(3, 0.2)
    origin, directions = at(0.1, -0.2), [at(1.0, 0.5), at(-0.25, 1.0)]
    found = measured(bowl(2), paths.plane(origin, directions, x, y)).reshape(5, 3)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            assert_allclose(found[i, j], -((0.1 + a - 0.25 * b) ** 2 + (-0.2 + 0.5 * a + b) ** 2), rtol=1e-5)
    np.testing.assert_array_max_ulp(found[2, 1], np.float32(-(np.float32(0.1) ** 2 + np.float32(-0.2) ** 2)), 1)
    nowhere = np.zeros(1)
    assert found[2, 1] == measured(bowl(2), paths.plane(origin, [at(0.0, 0.0)], nowhere, nowhere))


def test_updates_on_a_path_see_the_same_data_at_every_point():
    # θ' = (1 - rate) θ + rate x̄ with the same x̄ at all points: what it adds does not depend on the point.
    rate, start = 0.1, np.linspace(0.3, 0.7, 6)
    returns = measured(bowl(1), paths.between(at(0.7), at(0.3), 6), "quadratic_optimization", rate, 20)
    reached = np.sqrt(-returns.astype(float))
    added = reached - (1.0 - rate) * start
    assert_allclose(added, np.broadcast_to(added[:, :1], added.shape), atol=1e-6)
    assert len(np.unique(np.round(added[:, 0], 5))) == 20


@pytest.mark.parametrize("kind", ["quadratic_optimization", "init_parameter", "init_state"])
def test_a_path_from_a_policy_to_itself_is_flat(kind):
    _, state = quadratic(line(limit=2.0), start=0.5)
    points = paths.between(state.learner.policy, state.learner.policy, 5)
    returns = measured(line(limit=2.0), points, kind, 0.2, 6, start=0.5)
    assert_array_equal(returns, np.broadcast_to(returns[:, :1], returns.shape))
    assert len(np.unique(returns[:, 0])) > 1


@pytest.mark.parametrize("kind", ["quadratic_optimization", "quadratic_with_action", *neighborhood.GENERIC_KINDS])
def test_the_ends_are_the_purds_of_the_policies(kind):
    env, ends = line(limit=2.0), (at(0.5, 0.2), at(-0.1, 0.3))
    returns = measured(env, paths.between(*ends, 4), kind, 0.2, 7)
    algorithm, state = quadratic(env)
    rate = neighborhood.amount_sets_rate(algorithm, kind, 0.2)
    alone = measurement.make_measure(env, algorithm, measurement.Sampling(kind, 7, amount_sets_rate=rate), 1000)
    for column, policy in ((3, ends[0]), (0, ends[1])):
        there = state._replace(learner=state.learner._replace(policy=policy))
        assert_allclose(returns[:, column], alone.measure(KEY, there, 0.2).returns, rtol=1e-5)


@pytest.mark.parametrize("kind", ["quadratic_optimization", "action"])
def test_the_path_back_is_the_mirror_image(kind):
    one, two = at(0.5, 0.2), at(-0.1, 0.3)
    there, back = (measured(line(limit=2.0), paths.between(*e, 4), kind, 0.1, 5) for e in ((one, two), (two, one)))
    assert_array_equal(there, back[:, ::-1])


@pytest.mark.parametrize("kind, batch_size", [("quadratic_optimization", 7), ("quadratic_with_action", 1)])
def test_any_batch_size_gives_the_same_returns(kind, batch_size):
    points = paths.between(at(0.5, 0.2), at(-0.1, 0.3), 5)
    expected = measured(line(limit=2.0), points, kind, 0.2, 6, updates_per_chunk=4)
    found = measured(line(limit=2.0), points, kind, 0.2, 6, batch_size, updates_per_chunk=4)
    assert_allclose(found, expected, rtol=1e-5)


def test_points_are_measured_alike_on_one_device(monkeypatch):
    points = paths.between(at(0.5, 0.2), at(-0.1, 0.3), 5)
    apart = measured(line(limit=2.0), points, "quadratic_optimization", 0.2, 3)
    monkeypatch.setattr(devices, "num_devices", lambda num_items: 1)
    alone = measured(line(limit=2.0), points, "quadratic_optimization", 0.2, 3)
    assert_allclose(alone, apart, rtol=1e-5)


def test_some_of_the_entries_are_those_of_the_whole():
    """The first `num_points` entries are sample 0 of every point."""
    algorithm, state = quadratic(line())
    points = paths.between(at(0.5, 0.2), at(-0.1, 0.3), 4)
    measure = measurement.make_measure(
        line(), algorithm, measurement.Sampling("init_parameter", 3, num_points=4), 1000
    ).measure
    whole = measure(KEY, state, 0.1, points=points).returns
    assert_allclose(measure(KEY, state, 0.1, points, range(4)).returns, whole[:4], rtol=1e-5)
    assert_allclose(measure(KEY, state, 0.1, points, range(5, 11)).returns, whole[5:11], rtol=1e-5)


def test_many_paths_compile_once():
    env, calls = probes.counted(line())
    algorithm, state = quadratic(env)
    made = measurement.make_measure(env, algorithm, measurement.Sampling("init_parameter", 3, num_points=5), 8)
    made.measure(KEY, state, 0.1, points=paths.between(at(0.5, 0.2), at(-0.1, 0.3), 5))
    traced = dict(calls)
    assert traced["step"] > 0
    made.measure(KEY, state, 0.0, paths.between(at(0.1, 0.2), at(0.4, 0.3), 5), range(5))
    assert calls == traced


def test_one_diverged_end_takes_the_path_with_it():
    returns = measured(line(), paths.between(at(math.nan, 0.0), at(0.1, 0.3), 3))
    assert np.isnan(returns).all()


def test_constants_move_on_a_path_and_stay_in_a_random_direction():
    one, two = some_policy(1), some_policy(2)
    middle = all_points(paths.between(one, two, 3))[1]
    assert_allclose(middle.constants["mean"], (one.constants["mean"] + two.constants["mean"]) / 2, rtol=1e-6)
    beside = all_points(paths.plane(one, [paths.random_direction(KEY, one)], np.ones(1), np.zeros(1)))[0]
    assert_array_equal(beside.constants["mean"], one.constants["mean"])


@pytest.mark.parametrize("name, amount", [("td3", 0.03), ("sac", 0.0), ("ppo", 0.0)])
def test_updates_at_a_point_take_everything_else_from_the_learner(name, amount):
    """By hand: the state with another policy in it, one `policy_update`, one roll-out."""
    env = line(episode_length=5)
    small: dict[str, Any] = {"hidden_dims": [8]}
    small |= (
        {"num_envs": 2, "unroll_length": 4, "total_timesteps": 400}
        if name == "ppo"
        else {"actor_batch_size": 4, "critic_batch_size": 4, "replay_capacity": 16}
    )
    algorithm = make_agent(name, small, env)
    state, other = (jax.jit(algorithm.init)(jax.random.key(seed)) for seed in (0, 1))
    if name != "ppo":
        for i in range(8):
            state = jax.jit(algorithm.warm_up)(jax.random.key(i), state)
    points = paths.between(state.learner.policy, other.learner.policy, 3)
    kind = f"{name}_optimization"
    rate = neighborhood.amount_sets_rate(algorithm, kind, amount)
    together = measurement.make_measure(
        env, algorithm, measurement.Sampling(kind, 2, amount_sets_rate=rate, num_points=3), 100
    )
    alone = measurement.make_measure(env, algorithm, measurement.Sampling(kind, 2, amount_sets_rate=rate), 100)
    found = together.measure(KEY, state, amount, points=points).returns.reshape(2, 3)
    for p in range(3):
        policy = paths.policy_at(points, p)
        there = state._replace(learner=state.learner._replace(policy=policy))
        assert_allclose(found[:, p], alone.measure(KEY, there, amount).returns, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_equal_points_have_equal_returns_under_contacts() -> None:
    """A foot on the ground amplifies the last bit, so that lanes which round differently return differently."""
    env = make_environment("hopper", "spring", 1000)
    algorithm = make_agent("td3", {"hidden_dims": [32, 32], "replay_capacity": 100, "learning_starts": 20}, env)
    state = algorithm.init(jax.random.key(4))
    policy = jax.tree.map(lambda x: 0.1 * x, state.learner.policy)  # it hardly moves, and stands for long
    measure = measurement.make_measure(env, algorithm, measurement.Sampling("init_parameter", 1, num_points=90), 90)
    purd = measure.measure(jax.random.key(0), state, 0.0, points=paths.between(policy, policy, 90))
    assert purd.lengths[0] > 300
    assert_array_equal(purd.returns, purd.returns[0])
