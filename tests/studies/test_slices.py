"""The job that measures lines and planes through a stored policy, end to end on a point mass."""

import json
import shutil
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from tiny_runs import launch

import landscapes
from landscapes.experience import rollout
from landscapes.studies import measurement, paths
from landscapes.types import Policy

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.fixture(scope="module")
def trained(trained_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("trained")
    shutil.copytree(trained_runs / "td", results / "td")
    # A run of wider networks, as far as its record goes.
    record = Path(shutil.copytree(results / "td", results / "wide")) / "run.json"
    changed = json.loads(record.read_text())
    changed["algorithm"]["config"]["hidden_dims"] = [9, 8]
    record.write_text(json.dumps(changed))
    return results


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "results"))


def cut(results: Path, *arguments: str) -> int:
    """A slice through checkpoint 60 of seed 0 of td, small unless the arguments say otherwise."""
    small = {"run_name": "td", "ckpt": 60, "num_x": 5, "num_y": 3, "num_samples": 2, "episode_length": 10}
    given = {argument.partition("=")[0] for argument in arguments}
    fill = [f"experiment.{name}={value}" for name, value in small.items() if f"experiment.{name}" not in given]
    return launch("eval_policy", results, "experiment=landscape_slice", *fill, *arguments)


def group(results: Path, name: str) -> h5py.Group:
    return h5py.File(results / "td" / "seed0" / "landscape_slice.h5")[name]


def bare_return(results: Path, policy: Policy | None = None, seed: int = 0) -> float:
    env, algorithm, state = landscapes.load("td", seed=seed, step=60, results_dir=results)
    env = env._replace(episode_length=10)
    start = env.reset(jax.random.key(0), start_noise=0.0)
    policy = state.learner.policy if policy is None else policy
    roll_out = jax.jit(lambda p: rollout.episode_return(env, algorithm.act, algorithm.init_memory, key, p, start))
    key = jax.random.key(1)
    return float(roll_out(policy).returns)


def measured_return(results: Path) -> np.float32:
    """Of the checkpoint itself, by a measurement that knows no points, in as many lanes as points are measured in."""
    env, algorithm, state = landscapes.load("td", seed=0, step=60, results_dir=results)
    made = measurement.make_measure(
        env._replace(episode_length=10), algorithm, measurement.Sampling("init_parameter", 16), 16
    )
    (found,) = np.unique(made.measure(jax.random.key(1), state, 0.0).returns)
    return found


BARE = ("experiment.noise_amount=0", "experiment.num_samples=1")


def test_the_centre_of_a_slice_is_the_checkpoint_itself(results: Path) -> None:
    assert cut(results, *BARE) == 0
    plane = group(results, "60/random0_radius1.0/5x3/init_parameter/0/1")
    assert (plane["returns"].shape, plane["returns"].dtype) == ((5, 3, 1), np.float32)
    np.testing.assert_array_equal(plane["x"], [-1.0, -0.5, 0.0, 0.5, 1.0])
    np.testing.assert_array_equal(plane["y"], [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(plane["policies"], [[0.0, 0.0]])
    assert plane["returns"][2, 1, 0] == measured_return(results)
    np.testing.assert_allclose(plane["returns"][2, 1, 0], bare_return(results), rtol=1e-6)
    assert len(np.unique(plane["returns"])) == 15


def test_random_directions_are_of_the_weights_and_of_their_seed(results: Path) -> None:
    """The corner of the plane, by hand."""
    assert cut(results, *BARE) == 0
    assert cut(results, *BARE, "experiment.direction_seed=1") == 0
    planes = [group(results, f"60/random{i}_radius1.0/5x3/init_parameter/0/1")["returns"][:] for i in (0, 1)]
    assert (planes[0] != planes[1]).any() and (planes[0] == planes[1])[2, 1]
    policy = landscapes.load("td", seed=0, step=60, results_dir=results).state.learner.policy
    for seed, returns in enumerate(planes):
        keys = jax.random.split(jax.random.key(seed), 3)[1:]
        one, two = (paths.random_direction(key, policy) for key in keys)
        corner = jax.tree.map(lambda p, u, v: p + u - v, policy, one, two)
        np.testing.assert_allclose(returns[4, 0, 0], bare_return(results, corner), rtol=1e-4)


def test_samples_of_a_point_are_its_purd(results: Path) -> None:
    noise = ["experiment.noise_type=td3_optimization", "experiment.noise_amount=0.01", "experiment.num_samples=4"]
    assert cut(results, *noise) == 0
    returns = group(results, "60/random0_radius1.0/5x3/td3_optimization/0.01/4")["returns"]
    env, algorithm, state = landscapes.load("td", seed=0, step=60, results_dir=results)
    env = env._replace(episode_length=10)
    alone = measurement.make_measure(
        env, algorithm, measurement.Sampling("td3_optimization", 4, amount_sets_rate=True), 4
    )
    np.testing.assert_allclose(returns[2, 1], alone.measure(jax.random.key(4321), state, 0.01).returns, rtol=1e-5)


def test_coordinate_one_towards_a_policy_is_that_policy(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = "[{run_name: td, seed: 1, ckpt: 60}, {run_name: td, seed: 0, ckpt: 40}]"
    assert (
        cut(results, *BARE, "experiment.directions=policies", f"experiment.others={others}", "experiment.radius=1") == 0
    )
    plane = group(results, "60/policies_td.1.60_td.0.40_radius1.0/5x3/init_parameter/0/1")
    np.testing.assert_array_equal(plane["policies"], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert json.loads(plane["policies"].attrs["policies"])[1] == {"run": "td", "seed": 1, "ckpt": 60}
    np.testing.assert_allclose(plane["returns"][4, 1, 0], bare_return(results, seed=1), rtol=1e-4)
    assert json.loads(plane["returns"].attrs["axis_labels"]) == [
        "towards td seed 1 checkpoint 60 (share of the way)",
        "towards td seed 0 checkpoint 40 (share of the way)",
    ]
    assert "towards td seed 1 checkpoint 60" in capsys.readouterr().out


def test_a_line_towards_a_policy_is_the_path_to_it(results: Path) -> None:
    line = ["experiment.directions=policies", "experiment.others=[{run_name: td, seed: 1, ckpt: 60}]"]
    assert cut(results, *BARE, *line, "experiment.num_y=1", "experiment.radius=1") == 0
    returns = group(results, "60/policies_td.1.60_radius1.0/5x1/init_parameter/0/1")["returns"][:, 0, 0]
    ends = ["experiment.run_names1=[td]", "experiment.seeds1=[1]", "experiment.ckpts1=[60]"]
    ends += ["experiment.run_names2=[td]", "experiment.seeds2=[0]", "experiment.ckpts2=[60]"]
    small = ["experiment.num_points=3", "experiment.episode_length=10"]
    assert launch("eval_policy", results, "experiment=policy_interpolation", *ends, *small) == 0
    with h5py.File(results / "td" / "seed1" / "policy_interpolation.h5") as file:
        np.testing.assert_allclose(returns[2:], file["td/1/60/td/0/60/3/returns"], rtol=1e-4)


def test_coordinate_one_along_an_update_is_one_update(results: Path) -> None:
    assert cut(results, *BARE, "experiment.directions=update", "experiment.radius=1") == 0
    plane = group(results, "60/update0_radius1.0/5x3/init_parameter/0/1")
    assert json.loads(plane["returns"].attrs["axis_labels"])[0] == "update direction (updates)"
    _, algorithm, state = landscapes.load("td", seed=0, step=60, results_dir=results)
    key_batch, key_update = jax.random.split(jax.random.split(jax.random.key(0), 3)[0])
    batch = algorithm.sample_batch(key_batch, state)
    learner, _ = jax.jit(algorithm.policy_update)(key_update, state.learner, batch)
    np.testing.assert_allclose(plane["returns"][4, 1, 0], bare_return(results, learner.policy), rtol=1e-5)


def test_a_slice_is_measured_once(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["experiment.directions=policies", "experiment.others=[{run_name: td, seed: 1, ckpt: 60}]"]
    assert cut(results, *line) == 0
    table = capsys.readouterr().out.partition("samples at each of 15 points")[2].partition("Wrote")[0]
    for word in ("checkpoint", "best", "worst", "of the points have a mean below half"):
        assert word in table
    monkeypatch.setattr(measurement.rollout, "make_engine", None)  # whatever measures now fails
    assert cut(results, *line) == 0
    out = capsys.readouterr().out
    assert "was measured before" in out and table in out
    for other in ("random_seed=5", "experiment.episode_length=9", "experiment.direction_seed=1"):
        assert cut(results, *line, other) == 2
        error = capsys.readouterr().err
        assert error.startswith(other) and "overwrite=true" in error and error.count("\n") == 1


MISTAKES = [
    (["experiment.run_name=dt"], "experiment.run_name=dt", "td"),
    (["experiment.seed=2"], "experiment.seed=2", "seeds 0..1"),
    (["experiment.ckpt=50"], "experiment.ckpt=50", "40, 60"),
    (["experiment.noise_type=sac_optimization"], "experiment.noise_type=sac_optimization", "td3_optimization"),
    (["experiment.directions=policies"], "experiment.others=[]", "one or two"),
    (["experiment.others=[{run_name: td, seed: 1, ckpt: 60}]"], "experiment.others=[{run_name:td", "one or two"),
    (
        ["experiment.directions=policies", "experiment.others=[{run_name: td, seed: 1, ckpt: 6}]"],
        "experiment.others[0].ckpt=6",
        "40, 60",
    ),
    (
        ["experiment.directions=policies", "experiment.others=[{run_name: wide, seed: 1, ckpt: 60}]"],
        "experiment.others[0].run_name=wide",
        "bias is [8] in one and [9] in the other",
    ),
    (["experiment.radius=0"], "experiment.radius=0", "above 0"),
]


@pytest.mark.parametrize("arguments, key, allowed", MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_is_one_line_and_changes_nothing(
    arguments: list[str], key: str, allowed: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(trained.rglob("*"))
    assert cut(trained, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(key) and allowed in error
    assert sorted(trained.rglob("*")) == before
