"""Roll-outs recorded again: that they are those that were measured, and what the file says of them."""

import json
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import shown
from tiny_runs import TD3_SIZES, launch

from landscapes.envs import make_environment
from landscapes.loading import make_agent
from landscapes.studies import measurement, neighborhood, trajectories
from landscapes.types import Agent, Environment

pytestmark = pytest.mark.usefixtures("shared_programs")

KEY = jax.random.key(3)
NUM = 11


@pytest.fixture(scope="module")
def env() -> Environment:
    return shown.make()


@pytest.fixture(scope="module")
def algorithm(env: Environment) -> Agent:
    return probes.quadratic(probes.Config(data_std=2.0), env)


def measured(
    env: Environment, algorithm: Agent, kind: str, batch_size: int, amount: float = 1.0
) -> tuple[measurement.Purd, list[trajectories.Trajectory]]:
    """A PURD of 11 samples, and all of them recorded again in some order."""
    rate = neighborhood.amount_sets_rate(algorithm, kind, amount)
    measure = measurement.make_measure(
        env, algorithm, measurement.Sampling(kind, NUM, amount_sets_rate=rate), batch_size
    )
    state = algorithm.init(jax.random.key(0))
    purd = measure.measure(KEY, state, amount)
    record = trajectories.make_record(env, measure)
    return purd, record(KEY, state, amount, purd.returns, [*range(NUM)][::-1])


@pytest.mark.parametrize("kind", ["quadratic_optimization", "init_parameter", "action", "init_state"])
@pytest.mark.parametrize("batch_size", [NUM, 4, 1])
def test_recorded_samples_are_the_measured_ones(env: Environment, algorithm: Agent, kind: str, batch_size: int) -> None:
    purd, recorded = measured(env, algorithm, kind, batch_size)
    assert len(set(purd.returns.tolist())) > NUM // 2
    for one, sample in zip(recorded, reversed(range(NUM)), strict=True):
        assert one.sample == sample
        assert one.sample_return == one.episode_return == float(purd.returns[sample])
        assert len(one.rewards) == len(one.seen["positions"]) == len(one.seen["rotations"]) == purd.lengths[sample]
        # The reward of `line` is the position on the first axis, and reaching 3 on either ends it.
        np.testing.assert_array_equal(one.rewards, one.seen["positions"][:, 0, 0])
        np.testing.assert_allclose(one.rewards.sum(), purd.returns[sample], rtol=1e-6)
        out = np.abs(one.seen["positions"][:, 0, :2]).max(axis=1) >= 3.0
        assert not out[:-1].any()
        assert one.terminated == out[-1]
        assert one.terminated or len(one.rewards) == env.episode_length


def test_of_several_episodes_the_first_is_recorded(env: Environment, algorithm: Agent) -> None:
    purd, recorded = measured(env, algorithm, "quadratic_with_action", 4)
    for one in recorded:
        assert one.sample_return == float(purd.returns[one.sample])
        np.testing.assert_allclose(one.rewards.sum(), one.episode_return, rtol=1e-6)
    assert any(one.sample_return != one.episode_return for one in recorded)


def test_a_return_that_does_not_come_again_shows(env: Environment, algorithm: Agent) -> None:
    measure = measurement.make_measure(env, algorithm, measurement.Sampling("init_parameter", 4), 4)
    state = algorithm.init(jax.random.key(0))
    purd = measure.measure(KEY, state, 1.0)
    (one,) = trajectories.make_record(env, measure)(KEY, state, 1.0, purd.returns + np.float32(1.0), [2])
    assert one.sample_return == float(purd.returns[2])


def test_an_environment_that_shows_nothing_is_refused(algorithm: Agent) -> None:
    env = probes.line()
    measure = measurement.make_measure(env, algorithm, measurement.Sampling("action", 2), 2)
    with pytest.raises(ValueError, match="line shows nothing"):
        trajectories.make_record(env, measure)


def test_pictures_are_those_of_the_measured_steps(env: Environment, algorithm: Agent) -> None:
    """A frame that writes the position into its pixels, and never of another lane."""

    def frame(state: probes.ProbeState) -> jax.Array:
        place = jnp.round(20.0 * (state.obs[:2] + 5.0)).astype(jnp.uint8)
        return jnp.broadcast_to(jnp.concatenate([place, jnp.uint8([7])]), (2, 3, 3))

    pictured = env._replace(pose=None, scene=None, frame=frame, seconds_per_step=0.25)
    _, with_poses = measured(env, algorithm, "init_parameter", 4)
    purd, with_frames = measured(pictured, algorithm, "init_parameter", 4)
    for one, other in zip(with_frames, with_poses, strict=True):
        frames = one.seen["frames"]
        assert list(one.seen) == ["frames"] and frames.dtype == np.uint8
        assert frames.shape == (purd.lengths[one.sample], 2, 3, 3)
        place = np.round(20.0 * (other.seen["positions"][:, 0, :2] + 5.0)).astype(np.uint8)
        np.testing.assert_array_equal(frames[:, 0, 0, :2], place)
    assert trajectories.scene_of(pictured) == {"picture": [2, 3], "seconds_per_step": 0.25}
    assert trajectories.scene_of(env) == shown.SCENE


def test_choices_leave_out_what_is_not_finite() -> None:
    returns = np.array([5.0, np.nan, 1.0, 3.0, -np.inf, 4.0, 100.0], np.float32)
    assert trajectories.lowest(returns, 2) == [2, 3]
    assert trajectories.nearest_to_median(returns, 3) == [5, 0, 3]  # the median of 1, 3, 4, 5 and 100 is 4
    assert trajectories.lowest(returns, 9) == [2, 3, 5, 0, 6]
    assert trajectories.nearest_to_median(np.full(3, np.nan), 1) == []


@pytest.mark.slow
def test_contacts_are_met_again_bit_for_bit() -> None:
    """Hopper's foot: a return that differs in its last bit after one step is another return after a hundred."""
    env = make_environment("hopper", "spring", 200)
    algorithm = make_agent("td3", {"hidden_dims": [8, 8], "replay_capacity": 100, "learning_starts": 20}, env)
    state = algorithm.init(jax.random.key(1))
    measure = measurement.make_measure(env, algorithm, measurement.Sampling("init_parameter", 90), 90)
    purd = measure.measure(KEY, state, 0.3)
    samples = [0, 31, 44, 45, 70, 89]
    recorded = trajectories.make_record(env, measure)(KEY, state, 0.3, purd.returns, samples)
    assert [one.sample_return for one in recorded] == purd.returns[samples].tolist()
    assert [len(one.rewards) for one in recorded] == purd.lengths[samples].tolist()
    for one in recorded:
        assert one.seen["positions"].shape[1:] == (4, 3) and one.seen["rotations"].shape[1:] == (4, 4)
        np.testing.assert_allclose(np.linalg.norm(one.seen["rotations"], axis=-1), 1.0, atol=1e-4)


# The job


def train(results: Path, name: str, env: str) -> None:
    assert launch("run_algorithm", results, f"run_name={name}", *TD3_SIZES, f"experiment.env_name={env}") == 0


def measure(results: Path, name: str, *arguments: str) -> int:
    settings = {
        "run_name": name,
        "ckpt_indexes": "[40]",
        "noise_type": "init_parameter",
        "noise_amounts": "[0.5]",
        "eval_episodes": 9,
        "episode_length": 10,
    }
    return launch("eval_policy", results, *(f"experiment.{key}={value}" for key, value in settings.items()), *arguments)


def test_a_job_records_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, "point", "tests.support.shown.make")
    assert measure(tmp_path, "point") == 0
    path = tmp_path / "point" / "seed0" / "trajectories_40.h5"
    assert not path.exists(), "nothing is recorded unasked"

    assert measure(tmp_path, "point", "experiment.record_trajectories=2") == 0
    out = capsys.readouterr().out
    assert "1 of 1 were measured before" in out and str(path) in out and "warning" not in out
    with h5py.File(path) as file, h5py.File(path.with_name("s0_returns_40.h5")) as stored:
        assert json.loads(file["scene"][()]) == shown.SCENE
        group = file["init_parameter/0.5/9"]
        returns = stored["und_returns/init_parameter/0.5/9"][()]
        assert sorted(group) == ["left_tail0", "left_tail1", "median0", "median1"]
        for name, one in group.items():
            assert one.attrs["return"] == one.attrs["stored_return"] == returns[one.attrs["sample"]], name
            np.testing.assert_allclose(one["rewards"][()].sum(), one.attrs["return"], rtol=1e-6)
            assert one["positions"].shape == (len(one["rewards"]), 1, 3)
        assert group["left_tail0"].attrs["stored_return"] == returns.min()
        assert group["median0"].attrs["stored_return"] == np.median(returns)

    before = path.read_bytes()
    path.chmod(0o444)
    assert measure(tmp_path, "point", "experiment.record_trajectories=1") == 0
    assert path.read_bytes() == before
    assert str(path) not in capsys.readouterr().out, "what is recorded is not recorded again"


def test_a_job_refuses_to_record_what_cannot_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, "blind", "tests.support.probes.line")
    assert measure(tmp_path, "blind", "experiment.record_trajectories=1") == 2
    error = capsys.readouterr().err
    assert "experiment.record_trajectories=1: must be 0: line shows nothing" in error
    assert not (tmp_path / "blind" / "seed0" / "s0_returns_40.h5").exists(), "refused before anything is measured"
