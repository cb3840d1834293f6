"""What is said of a sweep from its files alone, as if SLURM's queue were as the test says."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from landscapes import storage, sweeps
from landscapes.cluster import squeue, sweep_folder
from landscapes.cluster.submission import LaunchError, wait
from landscapes.errors import UserError


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))
    monkeypatch.setattr(squeue, "queue", lambda: {"7_1": "running", "7_6": "pending"})
    return tmp_path


def submitted(results: Path, name: str, runs: list[str | None]) -> sweep_folder.Sweep:
    path = sweep_folder.sweeps_folder(results) / name
    path.mkdir(parents=True)
    members = [["experiment.algo=td3", f"random_seed={i}"] for i in range(len(runs))]
    arguments = ["--multirun", "job_config=slurm", f"random_seed=range({len(runs)})"]
    sweep = sweep_folder.Sweep(path, "run_algorithm", arguments, members, runs, "/")
    sweep.write()
    script = path / ".submitit" / "7" / "7_submission.sh"
    script.parent.mkdir(parents=True)
    script.touch()
    return sweep


def started(sweep: sweep_folder.Sweep, job: str, error: str = "", ended: bool = False) -> None:
    folder = sweep.path / ".submitit" / job
    folder.mkdir(exist_ok=True)
    (folder / f"{job}_0_log.err").write_text(error)
    if ended:
        (folder / f"{job}_0_result.pkl").write_bytes(b"")


def test_every_member_is_told_as_it_stands(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = submitted(results, "one", ["a_0", None, "a_2", "a_3", "a_4", "a_5", "a_6"])
    killed = "slurmstepd: error: CANCELLED\n"
    for task, error, ended in [
        (0, "", True),
        (1, "", False),
        (2, "noise\nmember 2: no space\n", True),
        (3, killed, False),
    ]:
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
    assert rows["3"] == ["random_seed=3", "a_3", "stopped", "slurmstepd:", "error:", "CANCELLED"]
    assert rows["4"] == ["random_seed=4", "a_4", "not", "started"]
    assert rows["5"][:3] == ["random_seed=5", "a_5", "finished"]
    assert rows["6"] == ["random_seed=6", "a_6", "pending"]
    assert out.endswith("1 failed, 2 finished, 1 not started, 1 pending, 1 running, 1 stopped\n")
    assert sweeps.main([]) == 0
    assert "one" in capsys.readouterr().out


def test_only_what_is_at_rest_is_submitted_again(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[tuple[list[str], str | None, str]] = []

    def run(command: list[str], cwd: str | None, env: dict[str, str], check: bool) -> object:
        commands.append((command[1:], cwd, env["LANDSCAPES_RESULTS"]))
        return type("Done", (), {"returncode": 3})

    sweep = submitted(results, "one", ["a_0", "a_1"])
    started(sweep, "7_1")
    monkeypatch.setattr(sweeps.subprocess, "run", run)
    assert sweeps.main(["one", "--resubmit"]) == 2
    assert "members 1 are still in the queue" in capsys.readouterr().err
    monkeypatch.setattr(squeue, "queue", lambda: None)
    assert sweeps.main(["one", "--resubmit"]) == 2
    shown = capsys.readouterr()
    assert "2 unknown" in shown.out and "squeue does not answer" in shown.err
    monkeypatch.setattr(squeue, "queue", dict)
    assert sweeps.main(["one", "--resubmit"]) == 3
    assert commands == [(["-m", "run_algorithm", *sweep.arguments], "/", str(results))]
    for name in ("a_0", "a_1"):
        storage.create_run(results, name, {"num_seeds": 1, "status": "finished"}, overwrite=False)
    assert sweeps.main(["one", "--resubmit"]) == 0
    assert len(commands) == 1


def test_a_sweep_that_was_submitted_where_nothing_is_any_more(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(squeue, "queue", dict)
    path = submitted(results, "one", [None]).path / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "directory": str(results / "gone")}))
    assert sweeps.main([str(path.parent), "--resubmit"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sweep=one: ") and str(results / "gone") in error and error.count("\n") == 1


def test_a_sweep_that_is_not_there_is_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(results, "one", [None])
    assert sweeps.main(["two"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sweep=two: ") and "one" in error and error.count("\n") == 1
    assert sweeps.main(["--results-dir", "~nosuch/x"]) == 2
    assert capsys.readouterr().err.startswith("results_dir=~nosuch/x: no home folder is known")


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"schema_version": 99}, "schema_version is 99"),
        ({"arguments": "x"}, "what was submitted"),
        ({"members": [["a"], "b"]}, "no members"),
        ({"members": []}, "no members"),
        ({"runs": []}, "name a run, or null, for each member"),
        ({"directory": 1}, "its directory"),
        (None, "cannot be used"),
    ],
)
def test_a_damaged_record_is_one_line_and_hides_no_other_sweep(
    changes: dict[str, object] | None, complaint: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(results, "sound", [None, None])
    path = submitted(results, "one", [None]).path / "sweep.json"
    path.write_text("{" if changes is None else json.dumps({**json.loads(path.read_text()), **changes}))
    assert sweeps.main(["one"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sweep=one: ") and complaint in error and error.count("\n") == 1
    assert sweeps.main([]) == 0
    out = capsys.readouterr().out
    assert complaint in out and "1 not started, 1 running" in out


def test_a_sweep_can_be_waited_for_later(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = submitted(results, "one", ["a_0", "a_1"])
    monkeypatch.setenv("LANDSCAPES_QUEUE_SECONDS", "0.001")
    answers: list[dict[str, str] | None] = [{"7_0": "running", "7_1": "pending"}, None, {"7_1": "running"}, {}]
    asked = iter(answers)
    monkeypatch.setattr(squeue, "queue", lambda: next(asked))
    for task in range(2):
        started(sweep, f"7_{task}", ended=True)
        storage.create_run(results, f"a_{task}", {"num_seeds": 1, "status": "running"}, overwrite=False)
    assert sweeps.main(["one", "--wait"]) == 1
    assert capsys.readouterr().out.endswith("2 stopped\n")
    assert list(asked) == []
    for task in range(2):
        storage.open_run(results, f"a_{task}").write_record(status="finished")
    monkeypatch.setattr(squeue, "queue", dict)
    assert sweeps.main(["one", "--wait"]) == 0
    assert capsys.readouterr().out.endswith("2 finished\n")


def test_a_single_member_has_a_job_without_tasks(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = submitted(results, "one", [None])
    assert sweep.jobs() == ["7"]
    started(sweep, "7", "Submitted job triggered an exception\nImportError: no such module\n", ended=True)
    for queue, state in [({"7": "pending"}, "pending"), ({}, r"failed\s+ImportError: no such module")]:
        monkeypatch.setattr(squeue, "queue", lambda queue=queue: queue)
        assert sweeps.main(["one"]) == 0
        assert re.search(state, capsys.readouterr().out)


def test_the_queue_is_asked_once_for_all_sweeps(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(squeue, "queue", lambda: asked.append(1) or {})
    for name in ("one", "two", "three"):
        submitted(results, name, [None, None])
    assert sweeps.main([]) == 0
    assert len(asked) == 1


SQUEUE = """#!/bin/sh
echo "$@" > "$0.arguments"
printf '7_1 RUNNING\\n7_12 PENDING\\n8 COMPLETING\\n'
"""


def test_what_squeue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert squeue.queue() == {}  # no SLURM here
    command = tmp_path / "squeue"
    command.write_text(SQUEUE)
    command.chmod(0o755)
    assert squeue.queue() == {"7_1": "running", "7_12": "pending", "8": "completing"}
    arguments = (tmp_path / "squeue.arguments").read_text().split()
    assert {"--array", f"--user={os.getuid()}"} <= set(arguments)
    command.write_text("#!/bin/sh\nexit 1\n")
    assert squeue.queue() is None  # not the same as an empty queue


def test_how_often_the_queue_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDSCAPES_QUEUE_SECONDS", raising=False)
    assert squeue.seconds_between_questions() == 10
    monkeypatch.setenv("LANDSCAPES_QUEUE_SECONDS", "90")
    assert squeue.seconds_between_questions() == 90
    for wrong in ("0", "often", "inf"):
        monkeypatch.setenv("LANDSCAPES_QUEUE_SECONDS", wrong)
        with pytest.raises(UserError, match="must be a number of seconds"):
            squeue.seconds_between_questions()


class Job:
    """As submitit's, of a member that hands back `value` once its file is there."""

    def __init__(self, folder: Path, number: int, value: str | Exception | None) -> None:
        self.job_id = f"7_{number}"
        self.paths = SimpleNamespace(result_pickle=folder / f"{number}.pkl", stderr=folder / f"{number}.err")
        self.value = value

    def results(self) -> list[SimpleNamespace]:
        if isinstance(self.value, Exception):
            raise self.value
        return [SimpleNamespace(return_value=self.value)]


def test_waiting_ends_when_no_job_is_left_whether_or_not_it_has_handed_anything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [Job(tmp_path, 0, "good"), Job(tmp_path, 1, None), Job(tmp_path, 2, "late")]
    looks: list[str] = []

    def appear(number: int) -> None:
        (tmp_path / f"{number}.pkl").touch()

    answers = iter(
        [
            {"7_0": "running", "7_1": "running", "7_2": "pending"},
            None,  # the controller is away: nothing is known, and nothing given up
            {"7_1": "running", "7_2": "running"},
            {},  # both gone, and neither has a result yet
            {},
        ]
    )

    def queue() -> dict[str, str] | None:
        looks.append("")
        if len(looks) == 3:
            appear(0)
        if len(looks) == 5:
            appear(2)
        return next(answers)

    monkeypatch.setattr(squeue, "queue", queue)
    good, lost, late = wait(jobs, 0.001)
    assert (good, late) == ("good", "late")
    assert isinstance(lost, LaunchError) and str(lost).startswith("job 7_1 left the queue with no result")
    assert len(looks) == 5


FAILED = """Job (task=0) failed during processing with trace:
----------------------
Traceback (most recent call last):
ModuleNotFoundError: No module named 'landscapes'

----------------------
You can check full logs with 'job.stderr(0)'
"""


def test_a_job_that_could_not_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = type("FailedJobError", (RuntimeError,), {"__module__": "submitit.core.utils"})
    job = Job(tmp_path, 0, error(FAILED))
    job.paths.result_pickle.touch()
    monkeypatch.setattr(squeue, "queue", dict)
    (died,) = wait([job], 0.001)
    assert isinstance(died, LaunchError)
    assert str(died).startswith("job 7_0 died: ModuleNotFoundError: No module named 'landscapes' (")
