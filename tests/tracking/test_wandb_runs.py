"""Runs found by way of the wandb API: a stand-in server, real run folders, and the client in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb_server import API_KEY, ENTITY, StoredRun, WandbServer, serving

from landscapes import storage
from landscapes.config.compose import compose_job
from landscapes.errors import UserError
from landscapes.jobs.find_run import find_run
from landscapes.tracking import wandb_runs

PROJECT = "landscapes"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WandbServer]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def folder(results: Path, name: str = "calm") -> str:
    """A run folder, as its `result_dir`."""
    return str(storage.create_run(results, name, {"num_seeds": 1}, overwrite=False).path)


def tell(server: WandbServer, **result_dirs: object) -> None:
    """The server has runs called calm, by their ids."""
    for id, result_dir in result_dirs.items():
        server.runs[id] = StoredRun(id, PROJECT, "calm", config={"result_dir": result_dir})


def find(results: Path, *settings: str, name: str = "calm") -> storage.Run:
    job = compose_job("eval_policy", [f"experiment.run_name={name}", "wandb.mode=online", *settings])
    return find_run(job, results, name)


def refusal(results: Path, *settings: str, name: str = "calm") -> str:
    with pytest.raises(UserError) as caught:
        find(results, *settings, name=name)
    assert caught.value.key == "experiment.run_name"
    return str(caught.value)


def test_a_run_that_is_here_is_not_asked_for(server: WandbServer, tmp_path: Path) -> None:
    here = folder(tmp_path)
    assert find(tmp_path).path == Path(here)
    assert not server.requests


def test_a_run_is_found_where_wandb_says_that_it_lies(
    server: WandbServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lies = folder(tmp_path / "shared")
    # Besides, one that never was a job of ours, the same run tracked again, and a folder that is gone.
    tell(server, other=None, one=lies, again=lies, gone=str(tmp_path / "gone" / "calm"))
    before = set(tmp_path.rglob("*"))
    assert find(tmp_path / "results").path == Path(lies)
    assert capfd.readouterr().out == f"run calm found by way of wandb: {lies}\n"
    assert set(tmp_path.rglob("*")) == before, "the look-up leaves nothing behind"


@pytest.mark.parametrize("how", [["use_wandb=false"], ["wandb.mode=offline"], ["wandb.mode=null"]])
def test_only_who_logs_online_asks(server: WandbServer, tmp_path: Path, how: list[str]) -> None:
    assert "there is no such run" in refusal(tmp_path, *how)  # WANDB_MODE is offline in tests
    assert not server.requests


def test_a_run_that_is_nowhere(server: WandbServer, tmp_path: Path) -> None:
    tell(server, one=str(tmp_path / "calm"))
    said = refusal(tmp_path, name="clam")
    assert f"there is no such run in {tmp_path}" in said
    assert f"nor has wandb one in project {PROJECT}" in said
    assert "nor has wandb one in project me/other" in refusal(
        tmp_path, "wandb.entity_name=me", "project_name=other", name="clam"
    )


def test_a_folder_that_cannot_be_a_run_of_that_name_is_not_touched(server: WandbServer, tmp_path: Path) -> None:
    real = folder(tmp_path / "shared", "other")
    (tmp_path / "calm").mkdir()
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "calm").symlink_to(real)
    tell(server, a="calm", b="../../calm", c=real, d=f"{tmp_path}/x/calm/..", e=f"{tmp_path}/link/calm", f=17, g="/a\0")
    said = refusal(tmp_path / "results")
    assert "but not as a run of this program with a folder" in said
    assert f"/{ENTITY}/{PROJECT}/runs/" in said
    tell(server, h=str(tmp_path / "calm"), i=str(tmp_path / "away" / "calm"))
    said = refusal(tmp_path / "results")
    assert f"in {tmp_path / 'away' / 'calm'}, {tmp_path / 'calm'}, which is no run folder here" in said
    assert said.count("\n") == 0


def test_two_runs_of_one_name_are_not_guessed_between(server: WandbServer, tmp_path: Path) -> None:
    tell(server, one=folder(tmp_path / "a"), two=folder(tmp_path / "b"))
    said = refusal(tmp_path / "results")
    assert "several runs of that name" in said
    assert f"results_dir=, of {tmp_path / 'a'}, {tmp_path / 'b'}" in said


@pytest.mark.parametrize(
    "behaviour, reason",
    [(500, "answers 500"), (401, "the server says no"), ("drop", "without response"), ("hang", "timed out")],
)
def test_a_server_that_does_not_answer_is_one_line_more(
    server: WandbServer, tmp_path: Path, behaviour: str | int, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = behaviour
    began = time.monotonic()
    said = refusal(tmp_path)
    assert time.monotonic() - began < wandb_runs.ASK_SECONDS + 1.0
    assert f"there is no such run in {tmp_path}" in said and "wandb" not in said
    (warning,) = capfd.readouterr().err.splitlines()
    assert "wandb could not be asked for run calm" in warning
    assert reason in warning


def test_the_time_for_a_slow_server_is_bounded(
    server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_runs, "ASK_SECONDS", 5.0)
    server.delay = 2.0
    began = time.monotonic()
    assert "no such run" in refusal(tmp_path)
    assert 5.0 <= time.monotonic() - began < 7.0
    assert "no answer within 5 s" in capfd.readouterr().err


@pytest.mark.slow
def test_studies_find_a_run_by_way_of_wandb(server: WandbServer, tmp_path: Path) -> None:
    """Three commands, as a user types them: what the first tells wandb, the others find."""

    def command(entry_point: str, *settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", entry_point, "wandb.mode=online", *settings],
            cwd=Path(__file__).resolve().parents[2],
            text=True,
            capture_output=True,
            timeout=300,
        )

    assert server.environment()["WANDB_API_KEY"] == API_KEY
    trained = command(
        "run_algorithm",
        f"results_dir={tmp_path / 'shared'}",
        "run_name=calm",
        "experiment.env_name=tests.support.probes.line",
        "experiment.max_steps=40",
        "experiment.start_training=20",
        "experiment.agent_log_starts=[40]",
        "experiment.eval_interval=20",
        "experiment.eval_episodes=2",
        "experiment.eval_episode_length=5",
        "experiment.ddpg_config.hidden_dims=[8]",
    )
    assert trained.returncode == 0, trained.stderr
    small = ["experiment.eval_episodes=4", "experiment.episode_length=5", f"results_dir={tmp_path / 'mine'}"]
    measured = command("eval_policy", "experiment.run_name=calm", "experiment.ckpt_indexes=[40]", *small)
    walked = command(
        "improve_ltp",
        "experiment.root_policy_conf.run_name=calm",
        "experiment.root_policy_conf.ckpt=40",
        "experiment.max_steps=1",
        *small,
    )
    for study in (measured, walked):
        assert study.returncode == 0, study.stderr
        assert f"run calm found by way of wandb: {tmp_path / 'shared' / 'calm'}" in study.stdout
        assert study.stderr == ""
    assert (tmp_path / "shared" / "calm" / "seed0" / "s0_returns_40.h5").is_file()
    assert storage.run_names(tmp_path / "mine") == ["calm_s0_c40_0.1cvar_0"]
