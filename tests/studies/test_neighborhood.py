"""Post-update return distributions: of a quadratic, where they are known, and of real updates done by hand."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import scipy.stats
import trees
from numpy.testing import assert_allclose, assert_array_equal

from landscapes.errors import UserError
from landscapes.experience import rollout
from landscapes.loading import make_agent
from landscapes.studies import measurement, neighborhood
from landscapes.types import Agent, Environment, TrainState

KEY = jax.random.key(0)

# The same functions each time, so that what is compiled for one test serves the next.
bowl, changes, line = map(functools.cache, (probes.bowl, probes.changes, probes.line))


def quadratic(env: Environment, **settings: Any) -> tuple[Agent, TrainState]:
    algorithm = probes.quadratic(probes.Config(**settings), env)
    return algorithm, algorithm.init(jax.random.key(9))


@functools.cache
def compiled(
    env: Environment, kind: str, num_samples: int, batch_size: int, sets_rate: bool, settings: tuple[Any, ...]
) -> measurement.Measure:
    algorithm, _ = quadratic(env, **dict(settings))
    return measurement.make_measure(
        env, algorithm, measurement.Sampling(kind, num_samples, amount_sets_rate=sets_rate), batch_size, 0.9
    )


def purd(
    env: Environment,
    kind: str,
    amount: float,
    num_samples: int = 20,
    batch_size: int = 1000,
    key: Any = KEY,
    sets_rate: bool | None = None,
    **settings: Any,
) -> measurement.Purd:
    algorithm, state = quadratic(env, **settings)
    if sets_rate is None:
        sets_rate = neighborhood.amount_sets_rate(algorithm, kind, amount)
    made = compiled(env, kind, num_samples, batch_size, sets_rate, tuple(settings.items()))
    return made.measure(key, state, amount)


def points(start: float, rate: float, key: Any = KEY, num_samples: int = 20) -> np.ndarray:
    """θ' of each sample after one update on the bowl with one axis, where the return is -θ'² (they stay positive)."""
    env = bowl(num_axes=1)
    made = compiled(env, "quadratic_optimization", num_samples, 1000, True, ())
    state = quadratic(env, start=start)[1]
    return np.sqrt(-made.measure(key, state, rate).returns.astype(float))


# --- the distribution


def assert_distributed(returns: np.ndarray, centre: float, scale: float, num_axes: int) -> None:
    """-‖x‖² of x ~ N(centre, scale²) on each axis: a noncentral χ². Mean within 4 standard errors, variance within 15 %
    (5 of its standard errors at 2000 samples), the whole by Kolmogorov and Smirnov at 0.001."""
    law = scipy.stats.ncx2(num_axes, num_axes * centre**2 / scale**2, scale=scale**2)
    standard_error = law.std() / math.sqrt(len(returns))
    assert abs(-returns.mean() - law.mean()) < 4.0 * standard_error
    assert abs(returns.var() / law.var() - 1.0) < 0.15
    assert scipy.stats.kstest(-returns, law.cdf).pvalue > 0.001


def test_one_update_of_a_quadratic_is_distributed_as_it_must_be():
    # θ' ~ N(θ - rate (θ - mean), (rate · std)² / 4) with θ = 0.2, mean 0.1, std 1 and rate 0.1.
    result = purd(bowl(num_axes=3), "quadratic_optimization", 0.1, num_samples=2000)
    assert_distributed(result.returns, centre=0.19, scale=0.05, num_axes=3)
    assert_array_equal(result.lengths, 1)
    assert_array_equal(result.discounted_returns, result.returns)
    assert result.returns.dtype == np.float32


@pytest.mark.parametrize("kind", ["action", "parameter", "init_parameter"])
def test_noise_on_the_bowl_is_distributed_as_it_must_be(kind):
    result = purd(bowl(num_axes=3), kind, 0.05, num_samples=2000)
    assert_distributed(result.returns, centre=0.2, scale=0.05, num_axes=3)


def test_a_label_leaves_the_learning_rate_unless_it_is_positive():
    env = bowl(num_axes=1)
    for label, rate in [(0.0, 0.1), (0.3, 0.3)]:  # the run's own rate is 0.1
        expected = purd(env, "quadratic_optimization", rate)
        assert_allclose(purd(env, "quadratic_label", label).returns, expected.returns, rtol=1e-5)


@pytest.mark.parametrize(
    "kind, amount, expected",
    [
        ("quadratic_optimization", 0.1, True),
        ("quadratic_optimization", 0.0, True),
        ("quadratic_optimization", None, False),
        ("quadratic_label", 0.1, True),
        ("quadratic_label", 0.0, False),
        ("quadratic_label", -1.0, False),
        ("quadratic_label", None, False),
        ("action", 0.1, False),
    ],
)
def test_when_an_amount_is_the_learning_rate(kind, amount, expected):
    assert neighborhood.amount_sets_rate(quadratic(bowl())[0], kind, amount) is expected


# --- several updates on one batch


def stepped(num_steps: float, env: Environment | None = None, num_samples: int = 20, **settings: Any) -> np.ndarray:
    """θ after so many updates on one batch each, on the bowl with one axis."""
    returns = purd(env or bowl(num_axes=1), "policy_steps", num_steps, num_samples=num_samples, **settings).returns
    return np.sqrt(-returns.astype(float))


def test_several_updates_of_a_quadratic_are_distributed_as_they_must_be():
    # Towards one x̄: θ_k - x̄ = (1 - rate)^k (θ - x̄), so θ_k ~ N(mean + left (θ - mean), (1 - left)² std² / 4).
    result = purd(bowl(num_axes=3), "policy_steps", 5.0, num_samples=2000)
    left = 0.9**5
    assert_distributed(result.returns, centre=0.1 + left * 0.1, scale=(1.0 - left) * 0.5, num_axes=3)


def test_a_sample_has_the_same_batch_whatever_the_number_of_updates():
    start, one, four = (stepped(k, start=0.9) for k in (0.0, 1.0, 4.0))
    assert_allclose(start, 0.9, rtol=1e-6)  # the policy itself
    assert len(np.unique(one)) == 20
    batch_mean = 0.9 - (0.9 - one) / 0.1
    assert_allclose(four, batch_mean + 0.9**4 * (0.9 - batch_mean), rtol=1e-4)


def test_one_of_several_updates_is_the_one_update():
    expected = purd(bowl(num_axes=1), "quadratic_label", 0.0).returns  # the run's own rate
    assert_array_equal(purd(bowl(num_axes=1), "policy_steps", 1.0).returns, expected)


@pytest.mark.parametrize("amount", [None, 0.5, 100_001, 1e30])
def test_what_is_no_number_of_updates_is_refused(amount):
    agent, _ = quadratic(bowl())
    with pytest.raises(UserError, match="must be a whole number of updates, from 0 to 100000"):
        neighborhood.check_amounts(agent, "policy_steps", [1, amount], "experiment.noise_amounts")
    neighborhood.check_amounts(agent, "policy_steps", [0, 1, 4.0, 20], "experiment.noise_amounts")
    assert neighborhood.amount_sets_rate(agent, "policy_steps", 4) is False
    assert neighborhood.is_update(agent, "policy_steps") and not neighborhood.is_update(agent, "action")


# --- common random numbers


def test_amounts_share_random_numbers():
    # θ' = θ - rate (θ - x̄): the way gone is proportional to the rate, sample by sample.
    assert_array_equal(points(0.2, 0.0), points(0.2, 0.0)[0])
    assert_allclose(points(0.2, 0.0), 0.2, rtol=1e-6)
    assert_allclose(points(0.2, 0.1) - 0.2, 2.0 * (points(0.2, 0.05) - 0.2), atol=1e-6)
    assert len(np.unique(points(0.2, 0.1))) == 20


def test_states_share_random_numbers():
    # Another θ sees the same x̄: θ' differs by (1 - rate) times the difference.
    assert_allclose(points(0.3, 0.1) - points(0.2, 0.1), 0.09, atol=1e-6)


def test_same_arguments_give_the_same_bits_and_another_key_others():
    assert_array_equal(points(0.2, 0.1), points(0.2, 0.1))
    assert not np.isin(points(0.2, 0.1, key=jax.random.key(1)), points(0.2, 0.1)).any()


def test_a_sample_does_not_depend_on_how_many_there_are():
    assert_allclose(points(0.2, 0.1, num_samples=7), points(0.2, 0.1)[:7], rtol=1e-6)


# --- sizes


@pytest.mark.parametrize(
    "kind, batch_size",
    [
        ("quadratic_optimization", 1),
        ("quadratic_optimization", 7),
        ("quadratic_optimization", 100),
        ("parameter", 7),
    ],
)
def test_any_batch_size_gives_the_same_samples(kind, batch_size):
    """To rounding; bit for bit is promised for one shape of the program only.

    Of 20 samples; 7 and 19 divide neither that nor the chunk.
    """
    env = line(limit=2.0)
    expected = purd(env, kind, 0.3, batch_size=19, start=0.5, updates_per_chunk=4)
    assert len(np.unique(expected.lengths)) > 1
    found = purd(env, kind, 0.3, batch_size=batch_size, start=0.5, updates_per_chunk=4)
    assert_array_equal(found.lengths, expected.lengths)
    assert_allclose(found.returns, expected.returns, rtol=1e-5)
    assert_allclose(found.discounted_returns, expected.discounted_returns, rtol=1e-5)


@pytest.mark.parametrize("kind", ["quadratic_optimization", "action"])
def test_a_single_sample(kind):
    result = purd(bowl(), kind, 0.1, num_samples=1)
    assert [x.shape for x in result] == [(1,)] * 3 and np.isfinite(result.returns).all()


def test_the_shape_of_the_program_is_told():
    shape = compiled(bowl(), "quadratic_optimization", 20, 7, True, ()).program_shape
    assert (shape["block"], shape["devices"]) == (7, 2)
    # Of each device: never more than 7 side by side. A CPU draws one by one, for all lanes at a time.
    assert (shape["lanes"], shape["updates_per_chunk"]) == (3, 3)
    assert shape["device"] == jax.default_backend()


def test_nothing_is_compiled_twice():
    env, calls = probes.counted(line())
    algorithm, state = quadratic(env)
    _, other = quadratic(env, start=0.4)
    made = measurement.make_measure(
        env, algorithm, measurement.Sampling("quadratic_optimization", 9, amount_sets_rate=True), 4
    )
    made.measure(KEY, state, 0.1)
    traced = dict(calls)
    assert traced["step"] > 0
    made.measure(jax.random.key(1), other, 0.2)
    made.measure(jax.random.key(2), other, 0.0)
    assert calls == traced


def test_progress_rises_to_the_number_of_samples():
    env = probes.truncating(episode_length=200)
    algorithm, state = quadratic(env)
    told: list[tuple[int, float | None]] = []
    made = measurement.make_measure(env, algorithm, measurement.Sampling("quadratic_optimization", 10), 4)
    made.measure(KEY, state, 0.0, listeners=measurement.Listeners(lambda done, mean: told.append((done, mean))))
    done = [number for number, _ in told]
    assert done == sorted(done) and done[-1] == 10 and len(done) >= 3
    assert {mean for _, mean in told} == {None, 200.0}  # None while policies are drawn


# --- kinds


def test_noise_on_actions_is_drawn_every_step():
    # The return is the sum of three squared changes of the action, each of variance 2σ².
    still = purd(changes(), "action", 0.0, num_samples=1000)
    assert_array_equal(still.returns, 0.0)
    noisy = purd(changes(), "action", 0.1, num_samples=1000).returns
    assert_allclose(noisy.mean(), 3 * 2 * 0.1**2, rtol=0.1)


def test_noise_on_parameters_is_drawn_every_step_or_once_an_episode():
    every_step = purd(changes(), "parameter", 0.1, num_samples=1000).returns
    assert_allclose(every_step.mean(), 3 * 2 * 0.1**2, rtol=0.1)
    once = purd(changes(), "init_parameter", 0.1)
    assert_array_equal(once.returns, 0.0)
    assert len(np.unique(purd(bowl(num_axes=3), "init_parameter", 0.05, num_samples=2000).returns)) > 1990


def test_noise_zero_is_the_policy_itself_from_the_fixed_start():
    env = line(num_axes=1, limit=1e6)
    returned, discounted, length = probes.line_episode(np.zeros(1), np.array([0.2]), 0.9, limit=1e6)
    for kind in ("action", "parameter", "init_parameter", "init_state", "quadratic_optimization"):
        result = purd(env, kind, 0.0, num_samples=20)
        assert_allclose(result.returns, returned, rtol=1e-5)
        assert_allclose(result.discounted_returns, discounted, rtol=1e-5)
        assert_array_equal(result.lengths, length)


def test_the_start_noise_is_scaled():
    # Without a limit ten steps of 0.2 from p return 10 p + 55 · 0.2.
    env = line(num_axes=1, limit=1e6)
    starts = {amount: (purd(env, "init_state", amount).returns - 11.0) / 10.0 for amount in (0.5, 1.0, 2.0)}
    assert len(np.unique(starts[1.0])) == 20 and np.abs(starts[1.0]).max() <= 1.0
    assert_allclose(starts[2.0], 2.0 * starts[1.0], atol=1e-5)
    assert_allclose(starts[0.5], 0.5 * starts[1.0], atol=1e-5)


def test_a_start_that_cannot_be_scaled_is_refused():
    env = line()._replace(scales_start_noise=False)
    algorithm = quadratic(env)[0]
    assert "init_state" not in neighborhood.kinds_of(env, algorithm)
    with pytest.raises(UserError, match=r"experiment\.noise_type=init_state: does not fit quadratic on line; .*action"):
        measurement.make_measure(env, algorithm, measurement.Sampling("init_state", 5), 5)


def test_a_kind_of_another_algorithm_is_refused():
    env = line()
    with pytest.raises(UserError) as error:
        measurement.make_measure(env, quadratic(env)[0], measurement.Sampling("td3_optimization", 5), 5)
    assert error.value.key == "experiment.noise_type"
    for kind in ("quadratic_optimization", "quadratic_label", "quadratic_with_action", *neighborhood.GENERIC_KINDS):
        assert kind in str(error.value)


def test_ten_noisy_episodes_are_averaged():
    # At rate 0 nothing but the action noise varies: a mean of ten has a tenth of the variance.
    one = purd(changes(), "action", 0.1, num_samples=1000).returns
    ten = purd(changes(), "quadratic_with_action", 0.0, num_samples=1000, learning_rate=0.0).returns
    assert_allclose(ten.mean(), one.mean(), rtol=0.1)
    assert_allclose(one.var() / ten.var(), 10.0, rtol=0.3)


def test_the_ten_episodes_may_be_spread_over_batches():
    # To rounding: 3 samples of 10 episodes in lanes of 4.
    sizes = {"num_samples": 7, "learning_rate": 0.1}
    expected = purd(changes(), "quadratic_with_action", 0.0, batch_size=100, **sizes)
    found = purd(changes(), "quadratic_with_action", 0.0, batch_size=3, **sizes)
    assert_allclose(found.returns, expected.returns, rtol=1e-5)


@pytest.mark.parametrize("name", ["td3", "sac", "ppo", "vpg"])
def test_published_names_of_updates(name):
    kinds = make_agent(name, {}, line()).update_kinds
    if name == "td3":
        assert set(kinds) == {"td3_optimization", "td3_opt_with_action"}
        assert kinds["td3_optimization"].amount == "learning_rate"
        assert (kinds["td3_opt_with_action"].episodes, kinds["td3_opt_with_action"].action_noise) == (10, 0.1)
    else:
        amount = "learning_rate" if name == "vpg" else "label"
        assert set(kinds) == {f"{name}_optimization"} and kinds[f"{name}_optimization"].amount == amount


# --- real algorithms


@pytest.mark.parametrize(
    "name, amount",
    [("td3", 0.03), ("ppo", 0.0), ("vpg", 0.05)],
)
def test_a_sample_is_the_update_that_training_makes(name, amount):
    """`sample_batch`, one `policy_update` from the state's own moments, one roll-out from the fixed start, by hand."""
    env = line(episode_length=5)
    small = {"hidden_dims": [8]}
    settings: dict[str, dict[str, Any]] = {
        "td3": small | {"actor_batch_size": 4, "critic_batch_size": 4, "learning_starts": 4, "replay_capacity": 16},
        "ppo": small | {"num_envs": 2, "unroll_length": 4, "total_timesteps": 400, "learning_rate": 0.05},
        "vpg": small | {"num_envs": 2, "unroll_length": 4, "actor_final_scale": 1.0},
    }
    algorithm = make_agent(name, settings[name], env)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    if name == "td3":  # rows to sample from, and moments to restore
        rows = jax.vmap(lambda k: jax.random.uniform(k, (16, 3), minval=-1.0))(jax.random.split(jax.random.key(1)))
        log = state.log
        log = log._replace(data=log.data._replace(obs=rows[0], next_obs=rows[1]), count=jnp.uint32(16))
        state = state._replace(log=log)

    @jax.jit
    def updated(key: Any, learner: Any, rate: Any) -> Any:
        key_batch, key_update = jax.random.split(key)
        batch = algorithm.sample_batch(key_batch, state._replace(learner=learner))
        rate = None if name == "ppo" else rate
        return algorithm.policy_update(key_update, learner, batch, rate)[0]

    for i in range(2):
        state = state._replace(learner=updated(jax.random.key(50 + i), state.learner, jnp.float32(amount)))
    kind = f"{name}_optimization"
    made = measurement.make_measure(
        env,
        algorithm,
        measurement.Sampling(kind, 3, amount_sets_rate=neighborhood.amount_sets_rate(algorithm, kind, amount)),
        2,
        0.9,
    )
    found = made.measure(KEY, state, amount)

    roll_out = jax.jit(
        lambda policy: rollout.episode_return(
            env, algorithm.act, algorithm.init_memory, KEY, policy, env.reset(KEY, start_noise=0.0), 0.9
        )
    )
    for i in range(3):
        key_draw = jax.random.split(jax.random.fold_in(KEY, i), 3)[0]
        learner = updated(key_draw, state.learner, jnp.float32(amount))
        expected = roll_out(learner.policy)
        sample = measurement.Purd(*(x[i] for x in found))
        trees.assert_close(tuple(sample), tuple(expected), rtol=1e-5, atol=1e-5)
    assert len(np.unique(found.returns)) == 3


def test_a_policy_of_nan_gives_returns_of_nan():
    env = line()
    algorithm, state = quadratic(env, start=math.nan)
    made = measurement.make_measure(env, algorithm, measurement.Sampling("quadratic_optimization", 5), 2)
    result = made.measure(KEY, state, 0.0)
    assert np.isnan(result.returns).all() and np.isnan(result.discounted_returns).all()
    assert_array_equal(result.lengths, env.episode_length)
