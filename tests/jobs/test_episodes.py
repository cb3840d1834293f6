"""`experiment=test` and `eval_sampled`: policies by their mode beside what is drawn from them, and the best of them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tiny_runs import snapshot

import landscapes
from eval_policy.stored import chosen_policies, measured_policies, pairs_of_seed
from landscapes import loading, storage
from landscapes.config.compose import compose_job
from landscapes.config.launch import run_entry_point
from landscapes.experience import rollout
from landscapes.report.__main__ import main as report
from landscapes.runs.__main__ import main as runs
from landscapes.studies import measurement, neighborhood
from landscapes.training.evaluator import make_evaluator
from tests.jobs.test_identity import train as train_td3

pytestmark = pytest.mark.usefixtures("shared_programs")

SMALL = [
    "experiment=train_vpg",
    "num_seeds=2",
    "unroll_length=20",
    "hidden_dims=[8]",
    "value_iterations=2",
    "steps=120",
    "checkpoints=[40,80,120]",
    "eval_interval=40",
    "eval_episodes=3",
    "episode_length=30",
    "eval_episode_length=30",
    "use_wandb=false",
]


def train(results: Path, *arguments: str) -> int:
    return run_entry_point("run_algorithm", [*SMALL, *arguments, f"results_dir={results}"])


def evaluate(results: Path, *arguments: str) -> int:
    own = ["experiment=test", "run=cart", "episodes=5", "use_wandb=false"]
    return run_entry_point("eval_policy", [*own, *arguments, f"results_dir={results}"])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds whose evaluations sample too, tested whole."""
    folder = tmp_path_factory.mktemp("results")
    assert train(folder, "run_name=cart", "eval_sampled=true") == 0
    assert evaluate(folder, "checkpoints=all", "record_trajectories=1") == 0
    return folder


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing it takes longer than what these tests look at."""
    monkeypatch.setattr("eval_policy.experiments.test.write_report", lambda names, results: storage.Output("page", "p"))


def returns_of(results: Path, seed: int, step: int) -> dict[str, np.ndarray]:
    return storage.read_hdf5(storage.open_run(results, "cart").returns_path(seed, step), "file")[0]


# Test episodes


def test_every_policy_is_tested_by_its_mode_and_by_what_is_drawn_from_it(results: Path) -> None:
    found = storage.find_measurements(storage.open_run(results, "cart"))
    assert {(x.policy.seed, x.policy.step, x.kind, x.amount, x.num_samples) for x in found.tests} == {
        (seed, step, kind, "1.0", 5) for seed in (0, 1) for step in (40, 80, 120) for kind in storage.TEST_KINDS
    }
    assert found.purds == ()  # it is no neighbourhood
    assert set(storage.TEST_KINDS) == set(neighborhood.TEST_KINDS)


def test_test_episodes_are_those_of_plain_roll_outs(results: Path) -> None:
    run = storage.open_run(results, "cart")
    env, agent = loading.rebuild(run)
    policy = loading.load_state(run, 1, 80, agent).learner.policy
    assert agent.sample is not None
    for kind, act in (("test_mode", agent.act), ("test_sampled", agent.sample)):
        episode = jax.jit(
            lambda key, start, act=act: rollout.episode_return(env, act, agent.init_memory, key, policy, start)
        )
        expected = []
        for i in range(5):
            _, key_start, key_roll = jax.random.split(jax.random.fold_in(jax.random.key(4321), i), 3)
            expected.append(episode(jax.random.fold_in(key_roll, 0), env.reset(key_start)))
        data = returns_of(results, 1, 80)
        np.testing.assert_array_equal(data[f"und_returns/{kind}/1.0/5"], [float(x.returns) for x in expected])
        np.testing.assert_array_equal(data[f"lengths/{kind}/1.0/5"], [float(x.lengths) for x in expected])
    assert (data["und_returns/test_mode/1.0/5"] != data["und_returns/test_sampled/1.0/5"]).any()


def test_tables_have_means_with_intervals_over_episodes_and_over_seeds(
    results: Path, no_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert evaluate(results, "checkpoints=last") == 0
    shown = capsys.readouterr().out
    assert "4 of 4" not in shown and shown.count("2 of 2 were measured before") == 2  # once for each way to act
    means = [returns_of(results, seed, 120)["und_returns/test_sampled/1.0/5"].mean() for seed in (0, 1)]
    (row,) = (line for line in shown.splitlines() if line.split()[:3] == ["120", "sampled", "2"])
    half = 12.7062 * np.std(means, ddof=1) / np.sqrt(2)  # Student's t of one degree of freedom
    assert f"{np.mean(means):.1f} ({np.mean(means) - half:.1f} .. {np.mean(means) + half:.1f})" in row
    (row,) = (line for line in shown.splitlines() if line.split()[:1] == ["1"] and "sampled" in line)
    assert f"{means[1]:.1f} (" in row


def test_what_was_tested_is_not_tested_again(results: Path, no_page: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tested again")

    monkeypatch.setattr(measurement.Measure, "measure", refuse)
    assert evaluate(results, "seeds=0..1", "checkpoints=41..120") == 0
    assert evaluate(results, "episode_length=30", "checkpoints=best") == 0
    assert (
        run_entry_point(
            "eval_policy",
            ["experiment=test", "root=cart/0/80", "episodes=5", "use_wandb=false", f"results_dir={results}"],
        )
        == 0
    )


def test_programs_are_compiled_once_for_all_policies(
    results: Path, no_page: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    compile_together = measurement.compile_together
    monkeypatch.setattr(measurement, "compile_together", lambda programs: made.append(compile_together(programs)))
    assert evaluate(results, "checkpoints=all", "episodes=3") == 0
    assert len(made) == 2  # by the mode, and sampled


def test_other_settings_are_refused_by_name(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(results)
    capsys.readouterr()
    assert evaluate(results, "episode_length=10") == 2
    error = capsys.readouterr().err
    assert error.startswith("episode_length=10: ") and "measured with 30" in error
    assert evaluate(results, "checkpoints=first") == 2
    assert "one of all, last, best, or a range such as 0..4" in capsys.readouterr().err
    assert snapshot(results) == before


def test_starts_that_cannot_be_scaled_are_not(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert evaluate(results, "start_noise=0.5") == 2
    assert capsys.readouterr().err.startswith("start_noise=0.5: must be 1: CartPole-v1 draws its starts by itself")


def test_the_page_the_list_and_frames_have_them(
    results: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (results / "cart" / "report.html").read_text(encoding="utf-8")
    assert "Test episodes, 95 % bootstrap intervals over episodes" in page
    assert 'id="tests"' in page and "Typical episode" in page  # roll-outs to watch
    capsys.readouterr()
    assert runs(["--results-dir", str(results)]) == 0
    assert "test mode" in capsys.readouterr().out
    assert runs(["show", "cart", "--results-dir", str(results), "--no-intervals"]) == 0
    assert "Test episodes" in capsys.readouterr().out
    frame = landscapes.to_dataframe("cart", "tests", results)
    one = frame[(frame["seed"] == 1) & (frame["checkpoint"] == 80) & (frame["num_samples"] == 5)]
    for acting, kind in (("mode", "test_mode"), ("sampled", "test_sampled")):
        stored = returns_of(results, 1, 80)[f"und_returns/{kind}/1.0/5"]
        np.testing.assert_array_equal(one[one["acting"] == acting]["return"], stored)
    assert set(frame["start_noise"]) == {1.0} and not len(landscapes.to_dataframe("cart", "purds", results))
    assert report(["cart", "--gif", str(tmp_path / "test.gif"), "--results-dir", str(results)]) == 0
    assert (tmp_path / "test.gif").read_bytes().startswith(b"GIF")


def test_a_deterministic_algorithm_is_tested_by_its_mode_alone(
    tmp_path: Path, no_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    train_td3(tmp_path, "a")
    capsys.readouterr()
    own = ["experiment=test", "run=a", "episodes=3", "use_wandb=false", f"results_dir={tmp_path}"]
    assert run_entry_point("eval_policy", own) == 0
    assert "td3 has no stochastic policy to sample from" in capsys.readouterr().out
    found = storage.find_measurements(storage.open_run(tmp_path, "a")).tests
    assert [(x.policy.step, x.kind, x.amount) for x in found] == [(20, "test_mode", "1.0")]
    assert run_entry_point("eval_policy", [*own, "start_noise=0"]) == 0
    data = storage.read_hdf5(found[0].path, "file")[0]
    assert len(np.unique(data["und_returns/test_mode/0.0/3"])) == 1  # all from the one fixed start
    assert len(np.unique(data["und_returns/test_mode/1.0/3"])) == 3


# The best checkpoint


def test_the_best_checkpoint_is_marked_and_may_be_chosen(
    results: Path, no_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = storage.open_run(results, "cart")
    curves = storage.read_hdf5(run.curves_path, "file")[0]
    for seed in (0, 1):
        at = {int(step): float(x) for step, x in zip(curves["steps"], curves["returns"][:, seed], strict=True)}
        best = max((40, 80, 120), key=at.__getitem__)
        capsys.readouterr()
        assert evaluate(results, f"seeds=[{seed}]", "checkpoints=best") == 0
        assert f"{best} (best)" in capsys.readouterr().out
        assert runs(["show", "cart", "--results-dir", str(results), "--no-intervals"]) == 0
        assert f"{best} (best)" in capsys.readouterr().out
        assert f"seed {seed} at {best} (return {at[best]:,.1f})" in (run.path / "report.html").read_text()


def test_the_best_may_be_chosen_in_every_study_that_takes_checkpoints(results: Path) -> None:
    run = storage.open_run(results, "cart")
    best = [(seed, one.step) for seed, one in storage.best_checkpoints(run).items()]

    def settings(*words: str) -> Any:
        return compose_job("eval_policy", words).settings

    def find(name: str, key: str) -> storage.Run:
        return storage.open_run(results, name, key)

    for experiment in ("neighborhood", "test", "paths"):
        asked = settings(f"experiment={experiment}", "run=cart", "checkpoints=best")
        assert chosen_policies(find, asked)[1] == best
    for experiment in ("neighborhood", "test"):
        assert chosen_policies(find, settings(f"experiment={experiment}", "root=cart/1/best"))[1] == best[1:]
    assert measured_policies(find, settings("experiment=policy_variance", "run=cart", "checkpoints=best"))[1] == [
        best[0]
    ]
    across = settings("experiment=policy_interpolation_seed", "run=cart", "checkpoints=best", "first_half=null")
    (pair,) = pairs_of_seed(find, across)
    assert [pair.one.key[1:], pair.two.key[1:]] == best


# Sampled evaluation during training


def test_sampled_evaluations_stand_beside_the_others(results: Path) -> None:
    run = storage.open_run(results, "cart")
    data = storage.read_hdf5(run.curves_path, "file")[0]
    assert data["sampled/returns"].shape == data["returns"].shape == (4, 2)
    assert data["sampled/episode_returns"].shape == data["episode_returns"].shape == (4, 2, 3)
    np.testing.assert_allclose(data["sampled/returns"], data["sampled/episode_returns"].mean(axis=2), rtol=1e-6)
    assert (data["sampled/episode_returns"] != data["episode_returns"]).any()
    frame = landscapes.to_dataframe("cart", "curves", results)
    np.testing.assert_array_equal(frame["sampled_return"], np.ravel(data["sampled/returns"]))
    assert len(landscapes.to_dataframe("cart", "episodes", results)["sampled_return"].dropna()) == 24


def test_they_change_nothing_else(results: Path, tmp_path: Path) -> None:
    assert train(tmp_path, "run_name=cart") == 0
    plain, both = (
        storage.read_hdf5(storage.open_run(folder, "cart").curves_path, "file")[0] for folder in (tmp_path, results)
    )
    assert plain.keys() == {name for name in both if not name.startswith("sampled/")}
    for name, values in plain.items():
        np.testing.assert_array_equal(values, both[name], name)
    one, two = (loading.load("cart", 1, 120, folder).state.learner for folder in (tmp_path, results))
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_a_run_goes_on_with_and_without_them(tmp_path: Path) -> None:
    assert train(tmp_path, "run_name=cart", "steps=80") == 0
    assert train(tmp_path, "run_name=cart", "eval_sampled=true") == 0
    data = storage.read_hdf5(storage.open_run(tmp_path, "cart").curves_path, "file")[0]
    assert np.isnan(data["sampled/returns"]).all(axis=1).tolist() == [True, True, True, False]
    assert train(tmp_path, "run_name=cart", "steps=160") == 0
    again = storage.read_hdf5(storage.open_run(tmp_path, "cart").curves_path, "file")[0]
    np.testing.assert_array_equal(again["sampled/episode_returns"][:4], data["sampled/episode_returns"])
    assert np.isnan(again["sampled/returns"][4]).all()


def test_sampled_evaluation_draws_from_the_policy(results: Path) -> None:
    run = storage.open_run(results, "cart")
    env, agent = loading.rebuild(run)
    policies = jax.tree.map(lambda x: x[None], loading.load_state(run, 0, 40, agent).learner.policy)
    keys = jax.random.split(jax.random.key(3), 1)
    assert agent.sample is not None
    found = make_evaluator(env, agent, 1, 4, agent.sample).evaluate(keys, policies, 7)
    expected = []
    for key in jax.random.split(jax.random.fold_in(keys[0], 7), (4, 2)):
        one = jax.tree.map(lambda x: x[0], policies)
        start = env.reset(key[0])
        expected.append(float(rollout.episode_return(env, agent.sample, agent.init_memory, key[1], one, start).returns))
    np.testing.assert_array_equal(found[0], np.float32(expected))


def test_a_deterministic_algorithm_is_evaluated_by_its_mode_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_td3(tmp_path, "a", "experiment.eval_sampled=true")
    assert "td3 has no stochastic policy to sample from" in capsys.readouterr().out
    data = storage.read_hdf5(storage.open_run(tmp_path, "a").curves_path, "file")[0]
    assert not [name for name in data if name.startswith("sampled/")]
