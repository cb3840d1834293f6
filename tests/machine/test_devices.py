"""Work spread over the local devices (two of them: conftest.py), against the same work on one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_allclose, assert_array_equal

from landscapes import training
from landscapes.loading import make_agent
from landscapes.machine import devices
from landscapes.studies import measurement


@pytest.fixture
def on_one_device(monkeypatch: pytest.MonkeyPatch):
    """Calls a function as if there were one device only."""

    def call(f):
        with monkeypatch.context() as patch:
            patch.setattr(devices, "num_devices", lambda num_items: 1)
            return f()

    return call


def test_there_are_two_devices_and_never_more_than_items():
    assert jax.local_device_count() == 2
    assert [devices.num_devices(n) for n in (0, 1, 2, 20)] == [1, 1, 2, 2]


def test_each_device_gets_its_part_and_the_whole_of_what_is_shared():
    def f(part: jax.Array, whole: jax.Array) -> jax.Array:
        return part * whole.sum() + part.shape[0]

    x, shared = jnp.arange(6.0), jnp.arange(3.0)
    found = jax.jit(devices.spread(f, 2, (0, None)))(x, devices.put_everywhere(shared, 2))
    assert_array_equal(found, 3.0 * np.arange(6.0) + 3)
    assert len(found.sharding.device_set) == 2
    assert [float(devices.own_part(found, i)) for i in range(6)] == found.tolist()
    assert devices.own_part(found, 5).devices() == {jax.local_devices()[1]}


def test_what_is_put_apart_lies_apart():
    x = np.arange(8).reshape(4, 2)
    apart = devices.put_apart(x, 2)
    assert_array_equal(apart, x)
    assert [shard.data.shape for shard in apart.addressable_shards] == [(2, 2), (2, 2)]
    blank = devices.zeros(jax.ShapeDtypeStruct((2, 3), jnp.int32), 2)
    assert blank.dtype == jnp.int32 and not blank.any() and len(blank.sharding.device_set) == 2


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_one_of_several_functions_runs_or_none(monkeypatch, backend):
    """Its loops, and the branches that stand for them elsewhere."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    key, x, read = jax.random.key(3), {"sum": jnp.arange(3.0), "who": jnp.int32(7)}, jnp.array([1.0, 10.0, 100.0])

    def add(who):
        def added(key, x, read):
            return {"sum": x["sum"] + jax.random.permutation(key, read), "who": jnp.int32(who)}

        return added

    run = jax.jit(lambda index: devices.run_one(index, [add(0), add(1)], key, x, read))
    drawn = x["sum"] + jax.random.permutation(key, read)
    for index, expected in (
        (-1, {"sum": x["sum"], "who": 7}),
        (0, {"sum": drawn, "who": 0}),
        (1, {"sum": drawn, "who": 1}),
    ):
        found, given_back = run(jnp.int32(index))
        assert_array_equal(found["sum"], expected["sum"])
        assert int(found["who"]) == expected["who"]
        assert_array_equal(given_back, read)


@pytest.mark.parametrize("name", ["td3", "sac"])
def test_the_replay_log_is_not_copied_by_a_step(name):
    rows = 4999  # a size that nothing else has
    config = {"hidden_dims": [8, 8], "replay_capacity": rows, "learning_starts": 3}
    trainer = training.make_trainer(make_agent(name, config, probes.line()))
    loop, _ = trainer.programs(training.member_keys(0, 1))
    program = loop.function.lower(*loop.arguments).compile().as_text()
    assert f"[{rows}," in program
    assert re.findall(rf"= \w+\[(?:1,)?{rows}[],].* copy(?:-start)?\(.*", program) == []


@pytest.mark.parametrize("num_seeds, expected", [(1, [[0]]), (2, [[0, 1]]), (3, [[0, 1], [2, 2]])])
def test_the_last_round_of_seeds_is_filled_up(num_seeds, expected):
    assert training.places(num_seeds).tolist() == expected


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_training_is_the_same_on_one_device(on_one_device, num_seeds):
    settings = {"learning_starts": 3, "hidden_dims": [8, 8], "replay_capacity": 30}
    settings |= {"actor_batch_size": 4, "critic_batch_size": 4}
    algorithm = make_agent("td3", settings, probes.line(episode_length=5))
    keys = training.member_keys(0, num_seeds)

    def trained():
        trainer = training.make_trainer(algorithm)
        blank = trainer.blank(keys.init.shape[0])
        members, tallies = trainer.advance(keys.train, trainer.init(keys.init), blank, 0, 12)
        metrics = training.means(tallies)
        return members.joined(), metrics, members.member(num_seeds - 1)

    apart, metrics, last = trained()
    together, expected, _ = on_one_device(trained)
    trees.assert_close(apart, together)
    trees.assert_close(metrics, expected)
    trees.assert_same(last, trees.row(apart, num_seeds - 1))


@pytest.mark.parametrize("kind", ["quadratic_optimization", "init_parameter", "action", "init_state"])
@pytest.mark.parametrize("num_samples, batch_size", [(7, 7), (7, 3), (1, 5)])
def test_measurements_are_the_same_on_one_device(on_one_device, kind, num_samples, batch_size):
    env = probes.line(limit=2.0)
    algorithm = probes.quadratic(probes.Config(start=0.5, updates_per_chunk=2), env)
    state = algorithm.init(jax.random.key(9))

    def measured():
        made = measurement.make_measure(
            env, algorithm, measurement.Sampling(kind, num_samples, amount_sets_rate=True), batch_size, 0.9
        )
        return made.measure(jax.random.key(0), state, 0.3)

    apart, together = measured(), on_one_device(measured)
    assert_array_equal(apart.lengths, together.lengths)
    assert_allclose(apart.returns, together.returns, rtol=1e-5)
    assert_allclose(apart.discounted_returns, together.discounted_returns, rtol=1e-5)


@pytest.mark.parametrize("first, count", [(0, 3), (3, 4), (5, None), (6, 1)])
def test_some_of_the_samples_are_those_of_the_whole(first, count):
    env = probes.line(limit=2.0)
    algorithm = probes.quadratic(probes.Config(start=0.5, updates_per_chunk=2), env)
    state = algorithm.init(jax.random.key(9))
    measure = measurement.make_measure(
        env, algorithm, measurement.Sampling("quadratic_optimization", 7, amount_sets_rate=True), 7, 0.9
    ).measure
    whole = measure(jax.random.key(0), state, 0.3)
    stop = 7 if count is None else first + count
    part = measure(jax.random.key(0), state, 0.3, entries=range(first, stop))
    assert_array_equal(part.lengths, whole.lengths[first:stop])
    assert_allclose(part.returns, whole.returns[first:stop], rtol=1e-5)
