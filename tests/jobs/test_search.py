"""Searches by a real sweeper, and experiments in files of the user's own: the commands of docs/search.md."""

import shutil
from pathlib import Path

import doc_blocks
import pytest
import yaml
from tiny_runs import changed

from landscapes import storage
from landscapes.config.compose import CONF, hydra_loader
from landscapes.config.experiments import experiments_of
from landscapes.config.launch import run_entry_point
from landscapes.envs import brax
from run_algorithm.curves import last_return

pytestmark = [
    pytest.mark.usefixtures("shared_programs"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of Optuna 2 and what it is built on
]

PAGE = doc_blocks.ROOT / "docs" / "search.md"
SMALL = [
    *("num_seeds=2", "steps=40", "learning_starts=10", "hidden_dims=[8]", "checkpoint=false", "tqdm=false"),
    *("eval_episodes=2", "eval_episode_length=10", "episode_length=10", "use_wandb=false", "backend=spring"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the file of the page; point masses stand in for the simulators."""
    monkeypatch.setattr(brax, "make", doc_blocks.stand_in)
    (text,) = doc_blocks.blocks(PAGE, "yaml")
    path = tmp_path / text.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_search_of_the_page_runs_and_finds_the_best_of_its_trials(folder: Path) -> None:
    (search,) = [command for command in doc_blocks.page_commands(PAGE) if "--multirun" in command.settings]
    few = changed(search.settings, *SMALL, "hydra.sweeper.n_trials=2", f"results_dir={folder}/results")
    assert run_entry_point("run_algorithm", few) == 0
    returns = [last_return(storage.open_run(folder / "results", f"search_{i}")) for i in range(2)]
    (found,) = (folder / "results" / "sweeps").glob("search-*/optimization_results.yaml")
    assert yaml.safe_load(found.read_text())["best_value"] == max(filter(None, returns))
    rates = [storage.open_run(folder / "results", f"search_{i}").record["config"]["experiment"] for i in range(2)]
    assert all(1e-5 <= each["actor_lr"] <= 1e-2 and each["actor_batch_size"] in (64, 128, 256) for each in rates)
    assert rates[0]["actor_lr"] != rates[1]["actor_lr"]


def test_an_experiment_of_ones_own_runs(folder: Path) -> None:
    (own,) = [command for command in doc_blocks.page_commands(PAGE) if "--config-dir" in command.settings]
    few = changed(own.settings, *SMALL, "run_name=own", f"results_dir={folder}/results")
    assert run_entry_point("run_algorithm", few) == 0
    record = storage.open_run(folder / "results", "own").record
    assert (record["experiment"], record["environment"]["name"]) == ("quick", "inverted_pendulum")
    assert record["config"]["experiment"]["actor_lr"] == 1e-3


def test_it_is_listed_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hydra_loader("run_algorithm", own=folder / "mine") as loader:
        assert "quick" in experiments_of(loader, "run_algorithm")
    assert run_entry_point("run_algorithm", ["--config-dir", "mine", "experiment=quick", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "experiment=quick\n" in shown and "exploration_noise" in shown


def test_members_in_other_processes_find_it(folder: Path) -> None:
    sweep = ["--config-dir", "mine", "--multirun", "experiment=quick", "random_seed=1,2", "run_name=own"]
    few = changed(sweep, *(each for each in SMALL if not each.startswith("steps")), "steps=three")
    assert run_entry_point("run_algorithm", [*few, "job_config=local_multiprocessing"]) == 2


def test_ours_go_before_those_of_the_user(folder: Path) -> None:
    shutil.copy(CONF / "experiment" / "train_ppo.yaml", folder / "mine" / "experiment" / "train_td3.yaml")
    with hydra_loader("run_algorithm", own=folder / "mine") as loader:
        assert loader.load_configuration("run_algorithm", [], 1).experiment.algorithm == "td3"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["hydra/sweeper=optuma", "seed=1,2"], "hydra/sweeper=optuma: no such choice; did you mean optuna"),
        (
            ["hydra/sweeper=optuna", "actor_rl=interval(0,1)"],
            "actor_rl=0: no such key; did you mean experiment.actor_lr",
        ),
        (["hydra/sweeper=optuna", "steps=none", "actor_lr=interval(0,1)"], "steps=none: must be an integer"),
        (["hydra/sweeper=optuna", "hydra.sweeper.n_trails=2", "seed=1,2"], "hydra.sweeper.n_trails=2: no such key"),
        (["actor_lr=interval(0,1)"], "actor_lr=interval(0,1): only single values can be swept over"),
        (["--config-dir", "nowhere"], "--config-dir=nowhere: is no folder"),
        (
            ["--config-dir", "mine", "experiment=quik"],
            "experiment=quik: no such experiment; run_algorithm has quick, train, ",
        ),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_entry_point("run_algorithm", ["--multirun", *arguments, f"results_dir={folder}/results"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (folder / "results").exists()


def test_a_measurement_hands_back_no_number_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["experiment=quick", "--config-dir", "mine", *SMALL, "run_name=own", f"results_dir={folder}/results"]
    assert run_entry_point("run_algorithm", changed(train, "checkpoint=true", "checkpoints=[40]")) == 0
    search = ["--multirun", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "hydra.sweeper.n_jobs=1"]
    purd = ["root=own/0/40", "noise_amounts=[0.1]", "eval_episodes=choice(2,4)", "episode_length=5", "use_wandb=false"]
    assert run_entry_point("eval_policy", [*search, *purd, f"results_dir={folder}/results"]) == 1
    assert "hands back no number to search by" in capsys.readouterr().err
