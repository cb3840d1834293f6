"""Behaviour cloning: the regression against closed forms, and the whole job on point masses."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees
from tiny_runs import CHECKPOINTS, UPDATE, launch, purd, returns, snapshot

import landscapes
from landscapes import loading, storage
from landscapes.errors import UserError
from landscapes.loading import make_agent
from landscapes.studies import cloning
from landscapes.types import Agent, Policy, TimeStep, TrainState
from tests.support import probes

pytestmark = pytest.mark.usefixtures("shared_programs")

OBS, ACTIONS = 3, 2
TEACHER = Policy({"weights": jnp.array([[0.5, -1.0], [0.0, 0.25], [2.0, 1.0]]), "idle": jnp.ones(4)}, ())


def linear(with_memory: bool = False) -> Agent:
    """A record of which only what cloning needs is filled in: the action is the observation times a matrix."""

    def init(key: jax.Array) -> TrainState:
        params = {"weights": jax.random.normal(key, (OBS, ACTIONS)), "idle": jax.random.normal(key, (4,))}
        learner = probes.QuadraticLearner(Policy(params, ()), jnp.uint32(0))
        return TrainState(learner, (), ())

    def act(key: jax.Array, policy: Policy, timestep: TimeStep, memory: Any) -> tuple[jax.Array, Any]:
        return timestep.obs @ policy.params["weights"], memory

    agent = probes.quadratic(probes.Config(), probes.bowl())
    algorithm = agent.algorithm._replace(act=act)
    if with_memory:
        algorithm = algorithm._replace(init_memory=lambda key, policy: jnp.zeros(2))
    return agent._replace(init=init, algorithm=algorithm)


@pytest.fixture
def pairs() -> cloning.Pairs:
    obs = jax.random.normal(jax.random.key(3), (400, OBS))
    return cloning.relabel(linear(), TEACHER, obs)


def keys(num: int) -> jax.Array:
    return jax.random.split(jax.random.key(8), num)


# The regression


def test_rows_are_relabelled_by_the_mode(pairs: cloning.Pairs) -> None:
    expected = np.asarray(pairs.obs, np.float64) @ np.asarray(TEACHER.params["weights"], np.float64)
    np.testing.assert_allclose(pairs.action, expected, rtol=1e-5, atol=1e-6)


def test_every_tenth_row_is_held_out(pairs: cloning.Pairs) -> None:
    fitted, held_out = cloning.split(cloning.Pairs(pairs.obs[:23], pairs.action[:23]))
    np.testing.assert_array_equal(held_out.obs, pairs.obs[jnp.array([0, 10, 20])])
    assert fitted.obs.shape == (20, OBS) and held_out.action.shape == (3, ACTIONS)
    both = np.concatenate([fitted.action, held_out.action])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(pairs.action[:23], axis=0))
    with pytest.raises(ValueError, match="1 rows"):
        cloning.split(cloning.Pairs(pairs.obs[:1], pairs.action[:1]))


def test_the_error_is_the_mean_over_rows_and_dimensions(pairs: cloning.Pairs) -> None:
    cloner = cloning.make_cloner(linear(), 0.1, 4)
    clones = cloner.init(keys(3), ())
    differences = np.asarray(pairs.obs) @ np.asarray(clones.policy.params["weights"]) - np.asarray(pairs.action)
    np.testing.assert_allclose(cloner.losses(clones, pairs), (differences**2).mean(axis=(1, 2)), rtol=1e-5)


def test_a_first_update_is_one_step_of_adam_on_its_own_rows(pairs: cloning.Pairs) -> None:
    rate, size, n = 0.01, 16, pairs.obs.shape[0]
    cloner = cloning.make_cloner(linear(), rate, size)
    before = cloner.init(keys(2), ())
    after = cloner.advance(keys(2), before, pairs, 0, 1)
    for i in range(2):
        rows = jax.random.randint(jax.random.fold_in(keys(2)[i], 0), (size,), 0, n)
        obs, action = np.asarray(pairs.obs[rows], np.float64), np.asarray(pairs.action[rows], np.float64)
        weights = np.asarray(before.policy.params["weights"][i], np.float64)
        errors = obs @ weights - action
        np.testing.assert_allclose(after.loss_sum[i], (errors**2).mean(), rtol=1e-5)
        # d/dW mean((o W - a)²) over size rows and ACTIONS dimensions; Adam's first step is rate · g / (|g| + eps).
        gradient = 2.0 * obs.T @ errors / errors.size
        expected = weights - rate * gradient / (np.abs(gradient) + 1e-8)
        np.testing.assert_allclose(after.policy.params["weights"][i], expected, rtol=1e-4, atol=1e-6)


def test_clones_of_a_linear_policy_become_it_and_nothing_else_moves(pairs: cloning.Pairs) -> None:
    cloner = cloning.make_cloner(linear(), 0.03, 32)
    start = cloner.init(keys(3), ())
    losses = [cloner.losses(start, pairs)]
    clones = start
    for stop in (200, 600, 1500):
        clones = cloner.advance(keys(3), clones, pairs, stop - 100, stop)
        losses.append(cloner.losses(clones, pairs))
    clones = cloner.advance(keys(3), start, pairs, 0, 1500)
    assert (np.diff(np.stack(losses), axis=0) < 0).all()
    target = np.broadcast_to(TEACHER.params["weights"], (3, OBS, ACTIONS))
    np.testing.assert_allclose(clones.policy.params["weights"], target, atol=1e-3)
    # The mode does not depend on these.
    np.testing.assert_array_equal(clones.policy.params["idle"], start.policy.params["idle"])
    assert len({float(x) for x in start.policy.params["weights"][:, 0, 0]}) == 3


def test_where_one_call_ends_changes_no_bit_and_keys_matter(pairs: cloning.Pairs) -> None:
    cloner = cloning.make_cloner(linear(), 0.03, 8)
    start = cloner.init(keys(2), ())
    whole = cloner.advance(keys(2), start, pairs, 0, 50)
    pieces = start
    for first, stop in ((0, 1), (1, 30), (30, 50)):
        pieces = cloner.advance(keys(2), pieces, pairs, first, stop)
    trees.assert_same(whole, pieces)
    other = cloner.advance(keys(2)[::-1], start, pairs, 0, 50)
    assert not trees.is_same(whole.policy, other.policy)


def test_policies_that_remember_are_refused() -> None:
    cloning.check_can_be_cloned(linear(), "key")
    with pytest.raises(UserError, match=r"^key=quadratic: has policies with a memory"):
        cloning.check_can_be_cloned(linear(with_memory=True), "key")


def test_own_observations_are_of_the_policy_on_its_way() -> None:
    env = probes.line(episode_length=5, limit=100.0)
    algorithm = make_agent("ppo", {"hidden_dims": [4], "num_envs": 2, "unroll_length": 2, "total_timesteps": 8}, env)
    # An action of exactly +1 on both lines, whatever is seen, apart from exploration that is switched off.
    policy = algorithm.init(jax.random.key(0)).learner.policy
    params = jax.tree.map(jnp.zeros_like, policy.params)
    params["params"]["log_std"] = jnp.full(2, -jnp.inf)
    params["params"]["MLP_0"]["Dense_1"]["bias"] = jnp.ones(2)
    obs = cloning.own_observations(jax.random.key(1), env, algorithm, policy._replace(params=params), 23)
    assert obs.shape == (23, 3)
    # 23 rows of episodes of 5 steps: four lanes of six steps each, one after the other, the last one cut.
    lanes = np.asarray(jnp.pad(obs, ((0, 1), (0, 0))))[:, 0].reshape(4, 6)
    steps = np.diff(lanes[:3, :5], axis=1)
    np.testing.assert_allclose(steps, np.ones((3, 4)), rtol=1e-5)
    assert (np.abs(lanes[:3, [0, 5]]) <= 1.0).all(), "the sixth step is the first of a fresh start"


# The job


def clone(results: Path, name: str, *arguments: str) -> int:
    return launch(
        "run_algorithm",
        results,
        "experiment=train_bc",
        f"experiment.root_policy_conf.run_name={name}",
        f"experiment.root_policy_conf.ckpt={CHECKPOINTS[name][-1]}",
        "experiment.root_policy_conf.seed=1",
        "experiment.num_seeds=2",
        "experiment.max_steps=30",
        "experiment.eval_interval=20",
        "experiment.log_interval=10",
        "experiment.eval_episodes=3",
        "experiment.eval_episode_length=10",
        "experiment.ckpt_steps=[0,5,30,40]",
        "random_seed=7",
        *(["experiment.num_rows=64"] if name == "pp" else []),
        *arguments,
    )


@pytest.fixture
def results(trained_runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_runs, tmp_path / "results"))


@pytest.mark.parametrize("name", ["td", "pp"])
def test_clones_are_a_run_that_is_measured_like_any_other(
    results: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = CHECKPOINTS[name][-1]
    assert clone(results, name) == 0
    out = capsys.readouterr().out
    child = f"{name}_s1_c{step}_bc_7"
    record = json.loads((results / child / "run.json").read_text())
    parent = json.loads((results / name / "run.json").read_text())
    assert record["parent"] == {"run": name, "seed": 1, "step": step, "id": storage.open_run(results, name).id}
    assert (record["status"], record["num_seeds"]) == ("finished", 2)
    assert record["algorithm"] == parent["algorithm"] and record["environment"] == parent["environment"]
    assert f"run: {child}" in out and "clone 1" in out and "root" in out
    with h5py.File(results / child / "curves.h5") as file:
        assert file["steps"][:].tolist() == [0, 20, 30] and file["returns"].shape == (3, 2)
        assert file["training/steps"][:].tolist() == [10, 20, 30]
        for metric in ("loss", "held_out_loss"):
            values = file[f"training/{metric}"][:]
            assert values.shape == (3, 2) and (values[-1] < values[0]).all()
        assert file.attrs["steps_are"] == "updates of one clone"
    root = landscapes.load(name, 1, step, results_dir=results).state
    policies = []
    for seed in range(2):
        run = storage.open_run(results, child)
        assert run.checkpoint_steps(seed) == [0, 5, 30]
        _, _, state = landscapes.load(child, seed, 30, results_dir=results)
        policies.append(state.learner.policy)
        # All that is not the policy's weights is the root's: critics, moments, data, where the environment stands.
        trees.assert_same(state._replace(learner=state.learner._replace(policy=root.learner.policy)), root)
        assert not trees.is_same(state.learner.policy.params, root.learner.policy.params)
        assert loading.stored_iteration(run, seed, 30) == loading.stored_iteration(
            storage.open_run(results, name), 1, step
        )
    assert not trees.is_same(*policies)
    kind = UPDATE[name]
    assert purd(results, child, "experiment.ckpt_indexes=[0,5,30]", kind=kind) == 0
    measured = [returns(results, child, done, f"{kind}/0.001/6") for done in (0, 5, 30)]
    assert np.isfinite(measured).all() and (measured[0] != measured[2]).any()


def test_a_long_regression_behaves_like_its_root(results: Path) -> None:
    steps = ["experiment.max_steps=3000", "experiment.ckpt_steps=[0,3000]", "experiment.log_interval=3000"]
    assert clone(results, "td", *steps, "experiment.eval_interval=3000", "experiment.lr=0.01", "run_name=long") == 0
    _, algorithm, root = landscapes.load("td", 1, 60, results_dir=results)
    held_out = cloning.relabel(algorithm, root.learner.policy, root.log.data.obs[::10])

    def error(step: int) -> float:
        policy = landscapes.load("long", 0, step, results_dir=results).state.learner.policy
        return float(cloning.mismatch(algorithm, policy, held_out).mean())

    with h5py.File(results / "long" / "curves.h5") as file:
        np.testing.assert_allclose(error(3000), file["training/held_out_loss"][-1, 0], rtol=1e-4)
    assert error(3000) < 0.02 * error(0)


def test_a_cloning_that_was_ended_goes_on_to_the_same_results(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clone(results, "td", "run_name=whole") == 0
    make = cloning.make_cloner
    ends = 0

    def ended_after(calls: int) -> Any:
        def made(*arguments: Any) -> cloning.Cloner:
            cloner = make(*arguments)
            left = iter(range(calls))

            def advance(*arguments: Any) -> cloning.Clone:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return cloner.advance(*arguments)

            return cloner._replace(advance=advance)

        return made

    monkeypatch.setattr(cloning, "make_cloner", ended_after(0))
    assert clone(results, "td", "run_name=pieces", "save_interval=1e-6") != 0
    assert json.loads((results / "pieces" / "run.json").read_text())["status"] == "stopped"
    monkeypatch.setattr(cloning, "make_cloner", ended_after(3))
    while clone(results, "td", "run_name=pieces", "save_interval=1e-6") != 0:
        ends += 1
        assert ends < 30
    assert ends >= 1
    assert "goes on after" in capsys.readouterr().out
    files = sorted(
        p.relative_to(results / "whole") for p in (results / "whole").rglob("*.h5") if "resume" not in p.parts
    )
    assert len(files) == 2 * 5 + 1
    for file in files:
        one, two = (storage.read_hdf5(results / run / file, "file")[0] for run in ("whole", "pieces"))
        trees.assert_same(one, two)
    before = snapshot(results)
    assert clone(results, "td", "run_name=pieces") == 0
    assert "run pieces is finished" in capsys.readouterr().out
    assert snapshot(results) == before


def test_a_clone_that_diverges_is_named_and_not_stored(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clone(results, "td", "experiment.lr=1e38", "run_name=wild") == 0
    assert "clone 0 has diverged by update" in capsys.readouterr().out
    record = json.loads((results / "wild" / "run.json").read_text())
    assert set(record["diverged"]) == {"0", "1"}
    assert storage.open_run(results, "wild").checkpoint_steps(0) == [0]


@pytest.mark.parametrize(
    "arguments, key, allowed",
    [
        (["experiment.root_policy_conf.run_name=dt"], "experiment.root_policy_conf.run_name=dt", "td"),
        (["experiment.root_policy_conf.seed=2"], "experiment.root_policy_conf.seed=2", "seeds 0..1"),
        (["experiment.root_policy_conf.ckpt=50"], "experiment.root_policy_conf.ckpt=50", "40, 60"),
        (["experiment.num_rows=1"], "experiment.num_rows=1", "at least 2"),
        (["run_name=td"], "run_name=td", "overwrite=true"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    arguments: list[str], key: str, allowed: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(results)
    assert clone(results, "td", *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and key in error and allowed in error
    assert snapshot(results) == before
