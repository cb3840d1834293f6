"""`experiment=neighborhood`: a whole run in one line, to the same numbers as checkpoint by checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from tiny_runs import snapshot

from landscapes import storage
from landscapes.config.launch import run_entry_point
from landscapes.studies import measurement
from tests.jobs.test_identity import train

pytestmark = pytest.mark.usefixtures("shared_programs")

SMALL = ["episode_length=10", "use_wandb=false"]


def measure(results: Path, *arguments: str) -> int:
    return run_entry_point("eval_policy", [*arguments, *SMALL, f"results_dir={results}"])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds with checkpoints 0, 3 and 20, that began to learn after 5 steps; measured whole."""
    folder = tmp_path_factory.mktemp("results")
    train(folder, "a", "num_seeds=2")
    assert measure(folder, "experiment=neighborhood", "run=a", "num_samples=4", "record_trajectories=0") == 0
    return folder


def returns(results: Path, seed: int, step: int, name: str) -> np.ndarray:
    return storage.read_hdf5(storage.open_run(results, "a").returns_path(seed, step), "file")[0][f"und_returns/{name}"]


def test_every_checkpoint_of_every_seed_is_measured_where_an_update_has_data(results: Path) -> None:
    run = storage.open_run(results, "a")
    found = {(each.policy.seed, each.policy.step) for each in storage.find_measurements(run).purds}
    assert found == {(seed, step) for seed in (0, 1) for step in (3, 20)}
    assert (run.path / "report.html").stat().st_size > 10_000
    assert [path.suffix for path in (run.path / "figures").iterdir()].count(".png") >= 2


def test_the_numbers_are_those_of_the_published_experiment(results: Path, tmp_path: Path) -> None:
    train(tmp_path, "a", "num_seeds=2")
    published = ["experiment.run_name=a", "experiment.seed=1", "experiment.ckpt_indexes=[3,20]"]
    kind = ["experiment.noise_type=td3_optimization", "experiment.noise_amounts=[null]", "experiment.eval_episodes=4"]
    assert measure(tmp_path, *published, *kind) == 0
    for step in (3, 20):
        name = "td3_optimization/own/4"
        np.testing.assert_array_equal(returns(results, 1, step, name), returns(tmp_path, 1, step, name))


def test_what_was_measured_is_not_measured_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(measurement.Measure, "measure", refuse)
    assert measure(results, "experiment=neighborhood", "run=a", "num_samples=4", "seeds=[1]", "checkpoints=last") == 0
    assert measure(results, "experiment=neighborhood", "root=a/0/3", "num_samples=4") == 0
    ranges = ["seeds=0..1", "checkpoints=1..20"]
    assert measure(results, "experiment=neighborhood", "run=a", "num_samples=4", *ranges) == 0


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["run=a", "seeds=[2]"], "seeds=2: run a has seeds 0..1"),
        (["run=a", "seeds=first"], "seeds=first: must be a list"),
        (["run=a", "seeds=2..4"], "seeds=2..4: holds none: run a has 0, 1"),
        (["run=a", "checkpoints=4..19"], "checkpoints=4..19: holds none: run a has 0, 3, 20"),
        (["run=a", "checkpoints=20..3"], "checkpoints=20..3: must be a list"),
        (["run=a", "checkpoints=[3,4]"], "checkpoints=4: seed 0 of run a has checkpoints 0, 3, 20"),
        (["run=a", "checkpoints=first"], "all, last, best, or a range such as 0..4"),
        (["run=a", "checkpoints=[0]"], "checkpoints=0: no update can be made there"),
        (["run=b"], "run=b: "),
        (["root=a/0/4"], "root=a/0/4: seed 0 of run a has checkpoints 0, 3, 20"),
        (["root=a/0"], "root=a/0: must be RUN/SEED/STEP, as in hopper/0/200000"),
        (["root=a/0/3", "run=a"], "run=a: is root in another spelling, which is given too; give one of them"),
    ],
)
def test_a_mistake_is_one_line_under_the_key_as_typed(
    results: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(results)
    capsys.readouterr()
    assert measure(results, "experiment=neighborhood", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert snapshot(results) == before


@pytest.mark.parametrize(
    "entry_point, experiment",
    [("eval_policy", "policy_variance"), ("eval_policy", "landscape_slice"), ("improve_ltp", "reject_ltp")],
)
def test_a_root_names_a_stored_policy_in_every_study(
    results: Path, entry_point: str, experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [f"experiment={experiment}", "root=a/0/21", "use_wandb=false", f"results_dir={results}"]
    assert run_entry_point(entry_point, said) == 2
    assert capsys.readouterr().err == "root=a/0/21: seed 0 of run a has checkpoints 0, 3, 20\n"


def test_paths_between_all_that_are_chosen_each_once(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["num_points=3", "num_purd_samples=2"]
    assert measure(results, "experiment=paths", "run=a", "checkpoints=[3,20]", *small) == 0
    shown = capsys.readouterr().out
    assert shown.count("a seed 0 checkpoint 3 ") + shown.count("a seed 0 checkpoint 20 ") == 3 + 3
    found = storage.find_measurements(storage.open_run(results, "a")).paths
    ends = {frozenset(((path.one.seed, path.one.step), (path.two.seed, path.two.step))) for path in found}
    assert len(ends) == 6 and len({end for pair in ends for end in pair}) == 4


def test_one_policy_has_no_path(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(results, "experiment=paths", "run=a", "seeds=[1]") == 2
    assert capsys.readouterr().err == "experiment.checkpoints=last: leaves one policy of run a, no pair\n"


@pytest.mark.parametrize(
    "entry_point, arguments",
    [
        ("improve_ltp", ["experiment=reject_ltp", "experiment.root_policy_conf.run_name=a", "eval_episodes=2"]),
        ("improve_ltp", ["experiment=reject_ltp", "root=a/1/last", "eval_episodes=2"]),
        ("run_algorithm", ["experiment=train_bc", "experiment.root_policy_conf.run_name=a", "num_rows=4"]),
        ("eval_policy", ["experiment=landscape_slice", "run=a"]),
        ("eval_policy", ["experiment=landscape_slice", "root=a/0/best"]),
        ("eval_policy", ["experiment=policy_variance", "run=a", "noise_amounts=[0.1]"]),
    ],
)
def test_where_no_checkpoint_is_named_the_last_is_taken(
    entry_point: str, arguments: list[str], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["dry_run=true", "use_wandb=false", f"results_dir={results}"]
    assert run_entry_point(entry_point, [*arguments, *shared]) == 0, capsys.readouterr().err
    assert "20" in [word.strip(",") for word in capsys.readouterr().out.split()]
    assert run_entry_point(entry_point, ["--multirun", *arguments, *shared]) == 0
