"""The published experiment as one command: all of its stages on a point mass, what it says, refuses, goes on from."""

import importlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import doc_blocks
import layouts
import pytest

from landscapes.config.launch import run_entry_point
from landscapes.machine.folders import REPOSITORY
from landscapes.paper import __main__ as paper
from landscapes.paper import plan, roots, study
from landscapes.paper.sizes import SIZES
from landscapes.paper.study import make_study

pytestmark = pytest.mark.usefixtures("shared_programs")

TASK = "docs.examples.my_environment.make"
WORDS = ["size=smoke", f"tasks={TASK}", "algorithms=td3"]
TD3 = "paper_smoke_td3_my_environment"


def here(commands: Sequence[plan.Command], side_by_side: bool) -> int:
    """The commands in this process."""
    assert not side_by_side, "one machine runs them one after the other"
    for module, *words in commands:
        if module.startswith("landscapes."):
            code = int(importlib.import_module(f"{module}.__main__").main(words))
        else:
            code = run_entry_point(module, words)
        if code:
            return code
    return 0


@pytest.fixture(scope="module")
def generous() -> Iterator[None]:
    """Every policy has a tail to lose, and all have like means: these roll-outs last ten steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roots, "LEAST_TAIL", -1.0)
        patch.setattr(roots, "LIKE_MEANS", 10.0)
        yield


@pytest.fixture(scope="module")
def results(generous: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the whole study, run once."""
    folder = tmp_path_factory.mktemp("paper")
    assert paper.main([*WORDS, f"results_dir={folder}"], here) == 0
    return folder


def test_the_whole_study_runs_and_its_page_holds_every_claim(results: Path) -> None:
    text = (results / "paper_smoke.md").read_text()
    told = json.loads((results / "paper_smoke.json").read_text())
    assert [claim["letter"] for claim in told["claims"]] == list("abcdef")
    looked_at = {claim["letter"]: claim["rows"] for claim in told["claims"]}
    assert {letter: len(rows) for letter, rows in looked_at.items()} == {"a": 2, "b": 1, "c": 1, "d": 2, "e": 0, "f": 1}
    assert "not measured" in next(claim["verdict"] for claim in told["claims"] if claim["letter"] == "e")
    for word in ("jax ", "brax ", "(spring)", "2 from 4321", "are roots: ", TASK):
        assert word in text, word
    assert (results / TD3 / "report.html").is_file()
    assert list((results / TD3 / "figures").glob("*.png"))
    assert (results / TD3 / "seed0" / "policy_interpolation_purd.h5").is_file()


def test_the_same_command_goes_on_where_it_stood_and_does_nothing_twice(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walks = {path: path.read_bytes() for path in results.glob("*/seed*/td3_reject_ltp_*.h5")}
    purds = {path: path.read_bytes() for path in results.glob("*/seed*/s0_returns_*.h5")}
    assert walks
    assert purds
    study = make_study([*WORDS, f"results_dir={results}"])
    for stage in plan.stages(study)[:7]:
        assert here(stage.commands(), False) == 0
    assert capsys.readouterr().out.count("is finished") >= 1 + len(walks)
    assert {path: path.read_bytes() for path in [*walks, *purds]} == walks | purds


def test_a_seed_without_some_checkpoints_is_measured_at_those_it_has(results: Path, tmp_path: Path) -> None:
    study = make_study([*WORDS, f"results_dir={results}"])
    run = study.trained("td3", TASK)
    assert run is not None
    hidden = run.checkpoint_path(1, 60)
    hidden.rename(tmp_path / "ckpt")
    try:
        commands = [c for c in plan.stages(study)[1].commands() if f"experiment.run_name={TD3}" in c]
    finally:
        (tmp_path / "ckpt").rename(hidden)
    chosen = [[w for w in c if w.startswith(("experiment.seed", "experiment.ckpt"))] for c in commands]
    assert chosen == [
        ["experiment.seed=range(1)", "experiment.ckpt_indexes=[40,60]"],
        ["experiment.seed=1", "experiment.ckpt_indexes=[40]"],
    ]


def test_the_checkpoints_expected_of_ppo_are_those_it_stores() -> None:
    assert make_study(["size=published"]).steps("ppo")[::9] == (5_963_776, 59_932_672), "as published"
    assert make_study(["size=smoke"]).steps("ppo") == (64, 192), "as the runs of tests have them"


def test_what_was_measured_at_the_own_rate_counts_whatever_it_is_called(tmp_path: Path) -> None:
    run = layouts.make_run(tmp_path, algorithm={"name": "td3"}, environment={"name": "hopper"})
    layouts.add_purd(run, step=1, amount="own")
    layouts.add_purd(run, step=2)
    layouts.add_purd(run, step=3, amount="0.01")
    assert [purd.policy.step for purd in study.own_purds(run)] == [1, 2]


def test_a_dry_run_says_everything_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main([*WORDS, f"results_dir={tmp_path}", "dry_run=true"], lambda *_: pytest.fail("ran")) == 0
    out = capsys.readouterr().out
    for word in ("environment steps", "disk", "jobs", "time", "train", "reject", "clone"):
        assert word in out
    commands = re.findall(r"^(?:# )?python -m (\S+)", out, re.MULTILINE)
    assert len(commands) == 4 + 3 + 2 + 1, "four stages, three examples, figures and report, the page"
    assert {"run_algorithm", "eval_policy", "improve_ltp", "landscapes.figures", "landscapes.report"} <= set(commands)
    assert list(tmp_path.iterdir()) == []


def test_a_study_may_be_smaller_than_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["size=published", "algorithms=td3", "tasks=hopper", f"results_dir={tmp_path}", "dry_run=true"]
    own = {"samples": 11, "path_points": 12, "path_samples": 13, "proposals": 14, "walk_samples": 15, "fresh_purds": 16}
    assert paper.main([*words, *(f"{key}={value}" for key, value in own.items())], lambda *_: pytest.fail("ran")) == 0
    out = capsys.readouterr().out
    told = ("eval_episodes=11", "num_points=12", "num_purd_samples=13", "max_steps=14", "eval_episodes=15")
    for word in (*told, "fresh_purds=16"):
        assert f"experiment.{word} " in out
    none = ["path_checkpoints=0", "num_roots=0", "num_pairs=0"]
    assert paper.main([*words, *none], lambda *_: pytest.fail("ran")) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^# (.*?):", out, re.MULTILINE) == ["train", "measure", "figures", "report", "claims"]
    assert re.findall(r"^(train|measure|paths|reject|clone) .* \d", out, re.MULTILINE) == ["train", "measure"]


def test_its_page_has_the_numbers_of_every_size() -> None:
    page = (doc_blocks.ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    told = {}
    for keys, values in re.findall(r"^\| ([^|]*) \| ([\d ,;]*) \|", page, re.MULTILINE):
        numbers = [re.findall(r"\d+", size.replace(" 000", "000")) for size in values.split(";")]
        told |= {
            key: [int(size[i]) for size in numbers] for i, key in enumerate(re.findall(r"`(\w+)`", keys)) if numbers[2:]
        }
    assert told == {key: [getattr(size, key) for size in SIZES.values()] for key in study.OF_SIZE}


def test_the_lines_of_its_page_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = doc_blocks.ROOT / "docs" / "paper.md"
    lines = [line for block in doc_blocks.blocks(page, "sh") for line in doc_blocks.commands(block)]
    studies = [line.settings for line in lines if any(word.startswith("size=") for word in line.settings)]
    assert len(studies) == 2
    for words in studies:
        assert paper.main([*words, f"results_dir={tmp_path}", "dry_run=true"], lambda *_: pytest.fail("ran")) == 0


def test_on_a_cluster_stages_are_sweeps_side_by_side() -> None:
    words = [
        "job_config=slurm",
        "hydra.launcher.account=def-me",
        "wandb.mode=offline",
        "algorithms=td3,sac",
        "tasks=ant",
    ]
    study = make_study(words)
    assert study.launch.side_by_side
    train, measure = (stage.commands() for stage in plan.stages(study)[:2])
    assert all("job_config=slurm" in c and "hydra.launcher.account=def-me" in c for c in [*train, *measure])
    assert "run_name=paper_laptop_td3_ant" in train[0]
    rates = {
        s: "experiment=reject_ltp" in plan.stages(make_study([f"algorithms={s}"]))[4].example for s in ("td3", "sac")
    }
    assert rates == {"td3": False, "sac": True}, "of others than TD3 the run's own learning rate is measured"
    assert "experiment.run_name=paper_laptop_td3_ant_0" in measure[0], (
        "a preset makes a sweep, whose members are numbered"
    )


@pytest.mark.parametrize(
    "words, line",
    [
        (["size=huge"], "size=huge: must be one of published, laptop, smoke"),
        (["tasks=hopper,hoper"], "tasks=hoper: must be one of .*did you mean hopper"),
        (["algorithms=td3,td3"], "algorithms=td3,td3: names one twice"),
        (["tasks=a.b.make,c.b.make"], "tasks=a.b.make,c.b.make: two of them would have runs of one name"),
        (["sizes=smoke"], "sizes=smoke: no such key; did you mean size"),
        (["smoke"], "arguments=smoke: is not key=value"),
        (["num_seeds=0"], "num_seeds=0: must be an integer, at least 1"),
        (["num_roots=-1"], "num_roots=-1: must be an integer, at least 0"),
        (["path_samples=2.5"], "path_samples=2.5: must be an integer, at least 1"),
        (["dry_run=yes"], "dry_run=yes: must be one of true, false"),
        (["job_config=slum"], "job_config=slum: must be one of .*slurm"),
        (["name=4"], "name=4: must be a letter, then"),
        (["claims"], "claims=: wants the names of trained runs"),
        (["claims", "nobody"], "claims=nobody: there is no such run"),
        (["claims", "nobody", "out=page.html"], "claims=nobody: there is no such run"),
        (["dead", "scales=-1"], "scales=-1: must be numbers, at least 0"),
        (["dead", "algorithms=ppo"], "algorithms=ppo: must be one of td3, sac"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_done(
    words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paper.main(words, lambda *_: pytest.fail("ran")) == 2
    captured = capsys.readouterr()
    assert re.search(line, captured.err)
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "results").exists()


def test_a_failing_stage_ends_the_study_with_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main([*WORDS, f"results_dir={tmp_path}"], lambda *_: 143) == 143
    assert "stopped in stage train (exit code 143); the same command goes on from here" in capsys.readouterr().err


def test_a_request_to_stop_reaches_the_command_that_runs_and_starts_no_other() -> None:
    program = (
        "from landscapes.paper.__main__ import in_processes\n"
        "server = ('http.server', '0', '--bind', '127.0.0.1')\n"
        "raise SystemExit(in_processes([server, server], False))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "http.server" in process.stdout.readline() + process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "python -m http.server" not in out, "the second was not begun"


@pytest.mark.slow
def test_dead_seeds_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A last layer of a million saturates every tanh; the usual small one none."""
    words = ["dead", f"tasks={TASK}", "scales=1e6,0.01", "num_seeds=2", "max_steps=60", "start_training=20"]

    def smaller(commands: Sequence[plan.Command], side_by_side: bool) -> int:
        more = ["experiment.ddpg_config.hidden_dims=[8,8]", "experiment.log_interval=20"]
        more += ["experiment.eval_episodes=2", "experiment.eval_episode_length=10"]
        return here([(*command, *more) for command in commands], side_by_side)

    assert paper.main([*words, "wandb.mode=offline", f"results_dir={tmp_path}"], smaller) == 0
    rows = [line.split(" | ") for line in (tmp_path / "dead.md").read_text().splitlines() if "td3" in line]
    assert [row[5] for row in rows] == ["2", "0"]
    assert rows[0][6].startswith("1.00 (0.34 .. 1.00")
    assert "Seeds whose policy has lost its gradient" in capsys.readouterr().out
