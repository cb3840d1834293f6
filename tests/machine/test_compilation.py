"""Programs compiled side by side are those that are then called: none is compiled twice."""

import logging
import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest

import landscapes
from landscapes import training
from landscapes.loading import make_agent
from landscapes.machine import devices
from landscapes.machine.compilation import Program, compile_together, compiling, told_to
from landscapes.studies import measurement, paths, rejection

SETTINGS = {
    "td3": {"learning_starts": 3, "hidden_dims": [8, 8], "replay_capacity": 30},
    "ppo": {"num_envs": 4, "unroll_length": 4, "hidden_dims": [8, 8], "total_timesteps": 1000},
}


@pytest.fixture
def compiled(caplog: pytest.LogCaptureFixture):
    """How often each program was compiled, or fetched from the cache, since this was last asked."""
    caplog.set_level(logging.WARNING, "jax")

    def since() -> Counter[str]:
        found = re.findall(r"Finished XLA compilation of jit\((\w+)\)", caplog.text)
        caplog.clear()
        return Counter(found)

    before = jax.config.jax_log_compiles
    jax.config.update("jax_log_compiles", True)  # `jax.log_compiles` is this thread's alone
    yield since
    jax.config.update("jax_log_compiles", before)


def test_a_call_finds_what_was_compiled(compiled):
    @jax.jit
    def product(x):
        return x @ x

    @jax.jit
    def total(x, y):
        return x.sum() + y

    compile_together(
        [Program(product, (jax.ShapeDtypeStruct((3, 3), jnp.float32),)), Program(total, (jnp.ones(2), np.float32(1)))]
    )
    found = compiled()
    assert found["product"] == found["total"] == 1
    x, ones = jnp.eye(3), jnp.ones(2)
    compiled()
    assert float(product(x).sum()) == 3.0 and float(total(ones, np.float32(1))) == 3.0
    found = compiled()
    assert "product" not in found and "total" not in found


def test_states_are_loaded_and_copied_without_a_program(compiled, trained_runs: Path):
    state = landscapes.load("td", 0, 60, trained_runs).state
    assert set(compiled()) <= {"_threefry_seed", "stage", "_threefry_split"}, "of the key of the template at most"
    again = landscapes.load("td", 1, 60, trained_runs).state
    spread = devices.put_apart(jax.tree.map(lambda *xs: np.stack(xs), state, again), 2)
    copies = [devices.own_part(spread, i) for i in range(2)]
    assert not compiled()
    jax.tree.map(np.testing.assert_array_equal, copies, [state, again])


def test_who_shows_progress_is_told_while_programs_are_compiled():
    heard = []

    @contextmanager
    def watcher(doing):
        heard.append(doing)
        yield
        heard.append("done")

    program = Program(jax.jit(lambda x: x + 1), (np.float32(1),))
    with told_to(watcher):
        compile_together([program])
        with compiling():
            assert heard == ["compiling", "done", "compiling"]
    assert heard == ["compiling", "done"] * 2
    compile_together([program])
    assert heard == ["compiling", "done"] * 2


def test_a_mistake_in_one_of_them_is_told():
    def wrong(x):
        raise ValueError("no such program")

    good = jax.jit(lambda x: x + 1)
    with pytest.raises(ValueError, match="no such program"):
        compile_together([Program(good, (np.float32(1),)), Program(jax.jit(wrong), (np.float32(1),))])


@pytest.mark.parametrize("num_seeds", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("name", list(SETTINGS))
def test_training_calls_what_it_names_beforehand(compiled, name, num_seeds):
    env = probes.line(episode_length=5)
    algorithm = make_agent(name, SETTINGS[name], env)
    keys = training.member_keys(0, num_seeds)
    trainer = training.make_trainer(algorithm)
    evaluator = training.make_evaluator(env, algorithm, num_seeds, 2)
    compile_together([*trainer.programs(keys), evaluator.program(keys.evaluate)])
    found = compiled()
    assert (found["start"], found["loop"], found["run"]) == (1, 1, 1)
    members = trainer.init(keys.init)
    members, _ = trainer.advance(keys.train, members, trainer.blank(num_seeds), 0, 4)
    evaluator.evaluate(keys.evaluate, members.policies(), 4)
    found = compiled()
    assert not {"start", "loop", "run"} & set(found)


def _trained(algorithm):
    trainer, keys = training.make_trainer(algorithm), training.member_keys(0, 1)
    members, _ = trainer.advance(keys.train, trainer.init(keys.init), trainer.blank(1), 0, 8)
    return members.member(0)


@pytest.mark.parametrize(
    "kind, num_points",
    [
        ("td3_optimization", None),
        ("parameter", 2),
        ("init_parameter", None),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("td3_optimization", 2), ("parameter", None), ("init_parameter", 2))
        ),
    ],
)
def test_a_measurement_compiles_each_program_once(compiled, kind, num_points):
    env = probes.line(episode_length=5)
    algorithm = make_agent("td3", SETTINGS["td3"], env)
    state = _trained(algorithm)
    points = None
    if num_points:
        one = jax.tree.map(lambda x: x[None], state.learner.policy)
        points = paths.Points(one, one, np.zeros(num_points, np.int32), np.ones((num_points, 1), np.float32))
    measure = measurement.make_measure(env, algorithm, measurement.Sampling(kind, 5, num_points=num_points), 4)
    compiled()
    measure.measure(jax.random.key(0), state, 0.1, points=points)
    found = compiled()
    measure.measure(jax.random.key(1), state, 0.2, points=points)
    again = compiled()
    draws = int(kind != "parameter" or num_points is not None)  # else noise is added where one acts
    assert (found["draw"], found["begin"], found["advance"]) == (draws, 1, 1)
    assert not {"draw", "begin", "advance"} & set(again)


def test_an_update_is_compiled_beside_the_measurement_that_it_waits_for(compiled):
    env = probes.line(episode_length=5)
    algorithm = make_agent("td3", SETTINGS["td3"], env)
    state = _trained(algorithm)
    measure = measurement.make_measure(env, algorithm, measurement.Sampling("td3_optimization", 5), 4)
    updater = rejection.make_updater(algorithm)
    compiled()
    measure.compile(jax.random.key(0), state, 0.1, beside=[updater.program(jax.random.key(0), state)])
    found = compiled()
    assert (found["draw"], found["begin"], found["advance"], found["step"]) == (1, 1, 1, 1)
    measure.measure(jax.random.key(0), state, 0.1)
    after = updater.advance(jax.random.key(1), state, 8, 3)
    measure.measure(jax.random.key(2), after, 0.1)
    assert not {"draw", "begin", "advance", "step"} & set(compiled())
