"""What is said of a sweep from its files alone, as if SLURM's queue were as the test says."""

from pathlib import Path

import pytest

from landscapes import storage, sweeps


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))
    monkeypatch.setattr(sweeps, "_queue", lambda: {"7_1": "running", "7_6": "pending"})
    return tmp_path


def submitted(results: Path, name: str, runs: list[str | None]) -> storage.Sweep:
    path = storage.sweeps_folder(results) / name
    path.mkdir(parents=True)
    members = [["experiment.algo=td3", f"random_seed={i}"] for i in range(len(runs))]
    arguments = ["--multirun", "job_config=slurm", f"random_seed=range({len(runs)})"]
    sweep = storage.Sweep(path, "run_algorithm", arguments, members, runs)
    sweep.write()
    script = path / ".submitit" / "7" / "7_submission.sh"
    script.parent.mkdir(parents=True)
    script.touch()
    return sweep


def started(sweep: storage.Sweep, job: str, error: str = "", ended: bool = False) -> None:
    folder = sweep.path / ".submitit" / job
    folder.mkdir(parents=True)
    (folder / f"{job}_0_log.err").write_text(error)
    if ended:
        (folder / f"{job}_0_result.pkl").write_bytes(b"")


def test_every_member_is_told_as_it_stands(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = submitted(results, "one", ["a_0", None, "a_2", "a_3", "a_4", "a_5", "a_6"])
    for task, error, ended in [(0, "", True), (1, "", False), (2, "noise\nmember 2: no space\n", True), (3, "", False)]:
        started(sweep, f"7_{task}", error, ended)
    started(sweep, "7_5", "", True)
    storage.create_run(results, "a_0", {"num_seeds": 1, "status": "finished"}, overwrite=False)
    storage.create_run(results, "a_3", {"num_seeds": 1, "status": "running"}, overwrite=False)
    assert sweeps.main(["one"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[:1].isdigit() and "seed=" in line}
    assert rows["0"] == ["random_seed=0", "a_0", "finished"]
    assert rows["1"] == ["random_seed=1", "7_1", "running"]
    assert rows["2"] == ["random_seed=2", "a_2", "failed", "no", "space"]
    assert rows["3"] == ["random_seed=3", "a_3", "stopped"]
    assert rows["4"] == ["random_seed=4", "a_4", "not", "started"]
    assert rows["5"][:3] == ["random_seed=5", "a_5", "finished"]
    assert rows["6"] == ["random_seed=6", "a_6", "pending"]
    assert out.endswith("1 failed, 2 finished, 1 not started, 1 pending, 1 running, 1 stopped\n")
    assert sweeps.main([]) == 0
    assert "one" in capsys.readouterr().out


def test_only_what_is_at_rest_is_submitted_again(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> object:
        commands.append(command[1:])
        return type("Done", (), {"returncode": 3})

    sweep = submitted(results, "one", ["a_0", "a_1"])
    started(sweep, "7_1")
    monkeypatch.setattr(sweeps.subprocess, "run", run)
    assert sweeps.main(["one", "--resubmit"]) == 2
    assert "members 1 are still in the queue" in capsys.readouterr().err
    monkeypatch.setattr(sweeps, "_queue", dict)
    assert sweeps.main(["one", "--resubmit"]) == 3
    assert commands == [["-m", "run_algorithm", *sweep.arguments]]
    for name in ("a_0", "a_1"):
        storage.create_run(results, name, {"num_seeds": 1, "status": "finished"}, overwrite=False)
    assert sweeps.main(["one", "--resubmit"]) == 0
    assert len(commands) == 1


def test_a_sweep_that_is_not_there_is_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(results, "one", [None])
    assert sweeps.main(["two"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sweep=two: ") and "one" in error and error.count("\n") == 1
    (storage.sweeps_folder(results) / "one" / "sweep.json").write_text("{")
    assert sweeps.main(["one"]) == 2
