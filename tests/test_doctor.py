"""What the doctor says of a machine, sound or not, and how many programs a job says it compiled."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from landscapes import doctor, storage
from landscapes.config.launch import run_entry_point

TINY = [
    "experiment.env_name=tests.support.probes.line",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.eval_episodes=1",
    "experiment.eval_episode_length=3",
    "experiment.reset_interval=3",
    "experiment.start_training=5",
    "experiment.max_steps=10",
    "use_wandb=false",
]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "results"


def test_a_sound_machine(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    out = capsys.readouterr().out
    for word in (
        "2 x cpu",
        "highest (TF32 off)",
        str(results),
        "renamed",
        "a second writer waits",
        "no login",
        "SLURM",
    ):
        assert word in out
    assert not results.exists()  # it leaves nothing behind, not even folders
    assert list(results.parent.iterdir()) == []


def test_what_a_job_would_take(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["experiment.env_name=tests.support.probes.line", "experiment.num_seeds=20"]
    assert doctor.main(["run_algorithm", *settings]) == 0
    assert re.search(r"disk for this job +\S+ [kMG]B of checkpoints", capsys.readouterr().out)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert doctor.main(["run_algorithm", *settings]) == 1
    assert "only 1.0 kB are free" in capsys.readouterr().out
    assert doctor.main(["eval_policy", "experiment.run_name=calm"]) == 0


def test_a_mistake_in_the_settings_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["run_algorithm", "experiment.num_seds=2"]) == 2
    assert "did you mean experiment.num_seeds" in capsys.readouterr().err


def test_a_file_system_without_locks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: FileLock, *_: object, **__: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(FileLock, "acquire", none)
    assert doctor.main([]) == 1
    assert "let only one job at a time write" in capsys.readouterr().out


def test_a_results_folder_that_cannot_be_written(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results.parent.joinpath("results").write_text("a file")
    assert doctor.main([]) == 1
    assert "no run can be stored there" in capsys.readouterr().out


def test_a_server_that_is_not_reached(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert doctor.main([]) == 0
    assert "127.0.0.1 is not reached" in capsys.readouterr().out


def test_it_is_a_command(results: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "landscapes.doctor"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "What a job finds here" in done.stdout


@pytest.mark.slow
def test_the_second_job_compiles_nothing_that_the_first_did(results: Path, tmp_path: Path) -> None:
    counts = []
    for name in ("one", "two"):
        environment = {**os.environ, "LANDSCAPES_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.getcwd()}
        environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-m", "run_algorithm", *TINY, f"run_name={name}"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
        found = re.search(r"programs: (\d+) compiled, (\d+) found in (.*)", done.stdout)
        assert found is not None and found[3].startswith(str(tmp_path / "cache"))
        counts.append((int(found[1]), int(found[2])))
    assert counts[0][0] > 3
    assert counts[1] == (0, sum(counts[0]))
    assert storage.run_names(results) == ["one", "two"]


def test_members_of_a_sweep_count_their_own_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_entry_point("run_algorithm", [*TINY, "-m", "random_seed=1,2"]) == 0
    assert len(re.findall(r"programs: \d+ compiled", capsys.readouterr().out)) == 2
