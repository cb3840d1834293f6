"""Published experiments as data: each file, the command lines that it makes, and all of one small one."""

import itertools
import re
import shlex
from pathlib import Path

import doc_blocks
import pytest
import yaml

from landscapes import storage
from landscapes.cli import table
from landscapes.config.compose import compose_job, compose_sweep
from landscapes.config.training import Training
from landscapes.figures.gallery import KINDS
from landscapes.published import design
from landscapes.published.__main__ import KEYS, main, make_asked
from landscapes.published.plan import stages
from landscapes.storage.tables import KINDS as TABLES
from tests.paper.test_paper import here

pytestmark = pytest.mark.usefixtures("shared_programs")

NAMES = design.names()
SIZES = ("published", "laptop", "smoke")


def commands(name: str, *words: str) -> dict[str, list[tuple[str, ...]]]:
    """By stage, the command lines."""
    return {stage.name: stage.commands() for stage in stages(make_asked([name, *words]))}


def trainings(name: str, *words: str) -> dict[str, Training]:
    """By name of the run, what it is told."""
    ((module, *arguments),) = commands(name, *words)["train"]
    assert module == "run_algorithm"
    jobs = compose_sweep("run_algorithm", [word for word in arguments if word != "--multirun"])
    found = {}
    for job in jobs:
        assert isinstance(job.settings, Training) and job.member_name is not None
        found[job.member_name] = job.settings
    return found


# The files


def test_the_three_are_there_and_the_command_completes_them() -> None:
    assert NAMES == ["advantage_normalization", "policy_iterations", "psi"]
    command = table.find("published")
    assert command is not None and list(command.words) == NAMES


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_is_one_that_composes(name: str, size: str) -> None:
    asked = make_asked([name, f"size={size}", "results_dir=/tmp/r"])
    assert list(trainings(name, f"size={size}", "results_dir=/tmp/r")) == asked.run_names
    for stage in stages(asked)[1:]:
        for module, *words in stage.commands():
            assert module.startswith("landscapes.") == (module != "eval_policy")
            if module == "eval_policy":
                for job in compose_sweep(module, [word for word in words if word != "--multirun"]):
                    assert job.results_dir == "/tmp/r"
                continue
            only = words[words.index("--only") + 1 :] if "--only" in words else []
            kinds = set(itertools.takewhile(lambda word: not word.startswith("-"), only))
            assert kinds <= ({*KINDS} if module == "landscapes.figures" else {*TABLES})


def test_psi_is_the_published_comparison() -> None:
    found = trainings("psi", "size=published")
    settings = [each.settings for each in found.values()]
    assert [each["psi"] for each in settings] == [
        "total_return", "future_return", "baseline_return", "q_value", "gae", "td_residual"
    ]  # fmt: skip
    for each in found.values():
        assert (each.env, each.num_seeds, each.steps) == ("LunarLander-v3", 5, 150_000)
        assert each.settings | {"psi": None} == settings[0] | {"psi": None}
        assert (each.settings["policy_iterations"], each.settings["value_iterations"]) == (4, 40)
        assert (each.settings["num_envs"], each.settings["unroll_length"], each.settings["fresh_starts"]) == (
            1,
            1000,
            True,
        )


def test_policy_iterations_are_the_published_ones_under_both_losses() -> None:
    found = trainings("policy_iterations", "size=published").values()
    told = [(each.settings["loss_mode"], each.settings["policy_iterations"]) for each in found]
    assert told == [(loss, steps) for loss in ("vpg", "ppo") for steps in (4, 10, 20)]
    assert {(each.num_seeds, each.steps // 1000) for each in found} == {(5, 150)}
    ((_, *words),) = commands("policy_iterations", "size=published")["steps"]
    assert "noise_type=policy_steps" in words and "noise_amounts=[1,4,10,20]" in words


def test_advantage_normalization_has_the_published_schedule() -> None:
    found = trainings("advantage_normalization", "size=published")
    assert [(each.env, each.settings["advantage_normalization"]) for each in found.values()] == [
        (env, over) for env in ("Hopper-v5", "HalfCheetah-v5") for over in ("none", "batch", "minibatch")
    ]
    for each in found.values():
        s = each.settings
        assert (s["num_envs"], s["unroll_length"], s["num_epochs"], each.steps) == (16, 2048, 5, 16_000_000)
        assert s["num_envs"] * s["unroll_length"] / s["num_minibatches"] == 64
        assert each.steps // (16 * 2048) == 488
        assert (each.num_seeds, s["learning_rate"], s["max_grad_norm"], s["ent_coef"]) == (5, 1e-4, 1.0, 0.01)
        assert s["squash"] and s["separate_optimizers"] and s["log_std_max"] == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_figures_show_every_run(name: str) -> None:
    asked = make_asked([name, "size=published"])
    drawn: dict[str, set[str]] = {}
    for _, *words in commands(name, "size=published")["figures"]:
        for kind in ("learning_curves", "gradients"):
            if kind in words:
                drawn.setdefault(kind, set()).update(words[: words.index("--only")])
    assert drawn == {kind: set(asked.run_names) for kind in ("learning_curves", "gradients")}


# What is asked for


def test_keys_change_what_they_say() -> None:
    found = trainings("psi", "env=Acrobot-v1", "num_seeds=3", "name=mine", "results_dir=/tmp/r")
    assert {(each.env, each.num_seeds) for each in found.values()} == {("Acrobot-v1", 3)}
    assert next(iter(found)) == "mine_total_return"
    both = trainings("psi", "size=smoke", "env=CartPole-v1,Acrobot-v1")
    assert [name for name in both if name.endswith("Acrobot-v1")] == [
        "psi_smoke_total_return_Acrobot-v1", "psi_smoke_gae_Acrobot-v1"
    ]  # fmt: skip
    ((_, *words),) = commands("psi", "job_config=slurm", "hydra.launcher.account=me", "use_wandb=true")["train"]
    assert words[-2:] == ["job_config=slurm", "hydra.launcher.account=me"] and "use_wandb=false" not in words


def test_a_dry_run_prints_lines_that_a_shell_takes_apart_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy_iterations", "dry_run=true", "size=smoke"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python -m ")]
    expected = [command for stage in commands("policy_iterations", "size=smoke").values() for command in stage]
    assert [tuple(shlex.split(line)[2:]) for line in lines] == expected
    assert "'run_name=policy_iterations_smoke_${loss_mode}_${policy_iterations}'" in lines[0]


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(key in shown for key in KEYS)


@pytest.mark.parametrize(
    "words, told",
    [
        (["psy"], "published=psy: no such experiment; did you mean psi? A file of yours ends in .yaml"),
        (["psi", "size=huge"], "size=huge: must be one of published, laptop, smoke"),
        (["psi", "seeds=3"], "seeds=3: no such key; did you mean num_seeds?"),
        (["size=smoke"], "arguments=size=smoke: the name of an experiment comes first"),
        (["psi", "env=a,a"], "env=a,a: must be one word or several"),
        (["nowhere.yaml"], "published=nowhere.yaml: cannot be read: No such file"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "change, told",
    [
        ({"sweep": 1}, "sweep: no such part"),
        ({"train": {"steps": 3}}, "must say the experiment, as train_ppo"),
        ({"vary": {"psi": "gae"}}, "vary.psi=gae: must be a list of values, each once"),
        ({"vary": {"hidden_dims": [[8]]}}, "vary.hidden_dims=[8]: must be words or numbers"),
        ({"then": {"test": {"episodes": 3}}}, "then.test={episodes:3}: must be settings, the experiment among them"),
        ({"figures": [{"only": ["gradients"], "apart": ["env"]}]}, "figures.apart=env: does not vary"),
        ({"figures": ["gradients"]}, "figures=gradients: must be {only: [KIND, ...], apart: [KEY, ...]}"),
        ({"sizes": {"small": {"about": "x"}}}, "sizes.small=about: no such part"),
        ({"about": None}, "about=null: must be text"),
    ],
)
def test_a_file_that_cannot_be_is_one_line(
    change: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = {"about": "a", "source": "ours", "train": {"experiment": "train_vpg"}, "vary": {"psi": ["gae"]}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**plain, **change}))
    assert main([str(path), "dry_run=true"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_the_example_of_the_page_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = doc_blocks.ROOT / "docs" / "published.md"
    (example,) = doc_blocks.blocks(page, "text")
    (tmp_path / "rates.yaml").write_text(example)
    assert list(trainings(str(tmp_path / "rates.yaml"), "size=smoke")) == [
        "rates_smoke_0.0003", "rates_smoke_0.001", "rates_smoke_0.003"
    ]  # fmt: skip
    for command in doc_blocks.page_commands(page):
        assert command.module == "landscapes.published"
        assert main([*command.settings, *(["dry_run=true"] if command.settings else [])]) == 0
    cells = re.findall(r"^\| (`.*?`) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {*NAMES, *KEYS} == set(re.findall(r"`(\w+)`", " ".join(cells)))


# All of it


def runs_whole(name: str, results: Path) -> None:
    """The smoke size of an experiment, twice: the second time nothing is done again."""
    words = [name, "size=smoke", f"results_dir={results}"]
    assert main(words, here) == 0
    asked = make_asked(words)
    runs = [storage.open_run(results, run) for run in asked.run_names]
    for run in runs:
        assert run.record["status"] == "finished" and storage.find_measurements(run).tests
    stored = {path: path.read_bytes() for path in results.glob("*/seed*/*.h5")}
    assert main(words, here) == 0
    assert stored == {path: path.read_bytes() for path in results.glob("*/seed*/*.h5")}
    kinds = {path.stem for path in asked.folder.rglob("*.png")}
    assert {"learning_curves", "gradients"} <= kinds
    assert {"curves.csv", "training.csv", "tests.csv"} <= {path.name for path in asked.folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_whole_and_goes_on_where_it_stood(name: str, tmp_path: Path) -> None:
    runs_whole(name, tmp_path)
    if name == "policy_iterations":
        one = storage.open_run(tmp_path, "policy_iterations_smoke_ppo_10")
        assert {purd.kind for purd in storage.find_measurements(one).purds} == {"policy_steps"}


def test_what_failed_ends_it_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["psi", "size=smoke", f"results_dir={tmp_path}"], lambda commands, side_by_side: 7)
    assert code == 7 and "stopped in stage train (exit code 7)" in capsys.readouterr().err


def test_members_have_the_same_names_when_run_alone() -> None:
    """So that a sweep that was stopped finds its runs again."""
    job = compose_job("run_algorithm", ["experiment=train_vpg", "run_name=psi_${psi}", "psi=gae"])
    assert job.member_name == "psi_gae"
