"""What a training says that it takes, before it takes it: against what it then holds, with logs of pictures too."""

import multiprocessing
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.worker import peak_bytes
from landscapes import training
from landscapes.config.compose import compose_job
from landscapes.config.training import Training
from landscapes.envs import make_environment
from landscapes.experience import replay
from landscapes.loading import make_agent
from landscapes.spaces import Spaces
from landscapes.storage import Run, create_run
from landscapes.types import Agent, Algorithm, Collecting, Environment, Policy
from run_algorithm.plan import estimate, print_plan
from run_algorithm.schedule import Schedule, make_schedule

ROW = 2 * 10 * 10 * 4 + 4 + 4 + 1 + 1
"""Bytes of a transition of Breakout: two pictures, an action and a reward of four bytes, and two flags."""


class Learner(NamedTuple):
    policy: Policy


def remembering(spaces: Spaces, capacity: int) -> Algorithm:
    """Acts at random, remembers all of it, and learns nothing."""

    def init(key: Any) -> tuple[Learner, replay.Replay]:
        return Learner(Policy({"weight": jnp.zeros(3)}, ())), replay.make_replay(spaces, capacity)

    def digest(key: Any, learner: Any, log: replay.Replay, unrolled: Any) -> tuple[replay.Replay, Any, dict]:
        return replay.insert(log, replay.in_order(unrolled)), (), {}

    return Algorithm(
        name="remembering",
        init=init,
        collecting=Collecting(lanes=2, steps=3),
        digest=digest,
        update=lambda key, learner, log, data, phase: (learner, {}),
        batch_of=lambda key, log, data: replay.sample(key, log, 4),
        policy_update=lambda key, learner, batch, learning_rate=None: (learner, {}),
        act=lambda key, policy, timestep, memory: (spaces.action.sample(key), memory),
        explore=lambda key, policy, timestep, memory: (spaces.action.sample(key), memory, ()),
        learns_from_log=True,
    )


@pytest.fixture(scope="module")
def env() -> Environment:
    return make_environment("Breakout-MinAtar", episode_length=20)


def agent_of(env: Environment, capacity: int) -> Agent:
    return training.make_agent(env, remembering(env.spaces, capacity))


def schedule_of(agent: Agent, steps: int) -> Schedule:
    all_at_the_end = [f"{key}={steps}" for key in ("steps", "eval_interval", "log_interval")]
    settings = compose_job("run_algorithm", [*all_at_the_end, f"checkpoints=[{steps}]", "learning_starts=1"]).settings
    assert isinstance(settings, Training)
    return make_schedule(agent.env_steps, settings)


def bytes_of(tree: Any) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(tree))


def test_a_row_of_pictures_takes_a_byte_a_pixel(env: Environment) -> None:
    assert replay.bytes_per_row(env.spaces) == ROW == 810
    log = jax.eval_shape(lambda: replay.make_replay(env.spaces, 1_000_000))
    assert sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(log)) == 810_000_000 + 4


def test_twenty_seeds_with_a_million_pictures_each(
    env: Environment, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """16.2 GB, said without taking any."""
    agent = agent_of(env, 1_000_000)
    schedule = schedule_of(agent, 1_200_000)
    needed = estimate(agent, 20, schedule, 200_000)
    assert needed.logs == 20 * (1_000_000 * ROW + 4)
    assert needed.logs < needed.memory < 1.001 * needed.logs
    rows_on_disk = 20 * ROW * 1_200_000
    assert rows_on_disk < needed.checkpoints < 1.001 * rows_on_disk
    run: Run = create_run(tmp_path, "pictures", {"num_seeds": 20, "config": {}}, overwrite=False)
    print_plan(run.path, env, agent, 20, schedule, needed, "not known yet")
    assert "memory             16 GB, of which replay logs 16 GB" in capsys.readouterr().out


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_what_is_said_is_what_is_held(env: Environment, num_seeds: int) -> None:
    """By the very members that are trained, those that fill up the last round included."""
    agent = agent_of(env, 500)
    keys = training.member_keys(0, num_seeds)
    trainer = training.make_trainer(agent)
    needed = estimate(agent, num_seeds, schedule_of(agent, 600), 200_000)
    members = trainer.init(keys.init)
    assert bytes_of(members.rounds) == needed.memory
    assert bytes_of([states.log for states in members.rounds]) == needed.logs
    members, _ = trainer.advance(keys.train, members, trainer.blank(num_seeds), 0, 100)
    assert bytes_of(members.rounds) == needed.memory
    log = members.member(num_seeds - 1).log
    assert int(log.count) == 600
    assert np.asarray(log.data.obs).any() and log.data.obs.dtype == np.uint8


def said_and_peak(num_seeds: int, capacity: int) -> tuple[int, int]:
    """Bytes that are said, and those which this process, a fresh one, then comes to hold besides what it held before,
    while all members train until each has stored 24,000 rows."""
    env = make_environment("Breakout-MinAtar", episode_length=20)
    agent = agent_of(env, capacity)
    said = estimate(agent, num_seeds, schedule_of(agent, 1_200_000), 200_000).memory
    before = peak_bytes()
    trainer = training.make_trainer(agent)
    keys = training.member_keys(0, num_seeds)
    members = trainer.init(keys.init)
    for start in (0, 2000):
        members, _ = trainer.advance(keys.train, members, trainer.blank(num_seeds), start, start + 2000)
        jax.block_until_ready(members.rounds)
    return said, peak_bytes() - before


@pytest.mark.slow
def test_a_process_holds_what_was_said() -> None:
    """With 100,000 rows of each of 20 seeds, 1.6 GB; compiling takes some 0.2 GB whatever the rows."""
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        said, peak = fresh.apply(said_and_peak, (20, 100_000))
    assert said > 20 * 100_000 * ROW
    assert said < peak < said + 400_000_000


def test_training_keeps_no_second_log(env: Environment) -> None:
    """Log and learner are given up to each call, and what it needs besides is small."""
    agent = agent_of(env, 20_000)
    trainer = training.make_trainer(agent)
    loop, _ = trainer.programs(training.member_keys(0, 1))
    took = loop.function.lower(*loop.arguments).compile().memory_analysis()
    log = 20_000 * ROW
    besides = took.temp_size_in_bytes + took.output_size_in_bytes - took.alias_size_in_bytes
    assert took.argument_size_in_bytes > log
    assert besides < 0.05 * log


def test_what_an_algorithm_without_a_log_holds(env: Environment) -> None:
    config = {"num_envs": 4, "unroll_length": 5, "num_minibatches": 1, "hidden_dims": [8], "total_timesteps": 100}
    agent = make_agent("ppo", config, env)
    needed = estimate(agent, 2, schedule_of(agent, 100), 200_000)
    assert needed.logs == 0
    assert bytes_of(training.make_trainer(agent).init(training.member_keys(0, 2).init).rounds) == needed.memory
