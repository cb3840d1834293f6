"""Members of a sweep in processes of their own: whoever is stopped saves and ends, the others go on, nobody is left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landscapes.config.launch import run_entry_point
from tests.jobs.test_resume import TD3

ROOT = Path(__file__).resolve().parents[2]
SWEEP = [
    *(x for x in TD3 if not x.startswith(("experiment.env_name", "experiment.num_seeds", "run_name"))),
    "experiment.env_name=tests.support.held.line",
    "job_config=local_multiprocessing",
    "run_name=one",
    "experiment.num_seeds=1",
]
PATIENCE = 120.0

STAND_IN = """
import json, os, sys, time, types
from pathlib import Path
from landscapes.machine.stopping import stop_requests

def run(job):
    folder = Path(os.environ["LANDSCAPES_RESULTS"]) / job.member_name
    (folder / "resume").mkdir(parents=True)
    def tell(status):
        (folder / "run.json").write_text(json.dumps({"status": status}))
    tell("running")
    with stop_requests() as stop:
        (folder / "resume" / "state.h5").touch()
        while Path(os.environ["LANDSCAPES_TEST_HOLD"]).exists():
            time.sleep(0.05)
        tell("stopped" if stop.asked else "finished")
        stop.leave()

module = types.ModuleType("run_algorithm.experiments.train")
module.run = run
sys.modules[module.__name__] = module
"""
"""Stands for a training, without its seconds of imports: waits, saves, leaves."""


class Command:
    """A sweep whose members train until the test lets them go, or are such as stand for a training."""

    def __init__(self, folder: Path, num_members: int, num_at_once: int, trains: bool) -> None:
        self.results, self.hold = (results := folder / "results"), folder / "hold"
        self.hold.touch()
        (folder / "sitecustomize.py").write_text("" if trains else STAND_IN, encoding="utf-8")
        path = os.pathsep.join([str(folder), str(ROOT)])
        variables = {"LANDSCAPES_RESULTS": str(results), "PYTHONPATH": path, "LANDSCAPES_TEST_HOLD": str(self.hold)}
        seeds = f"experiment.seed=range({num_members})"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "run_algorithm", *SWEEP, seeds, f"hydra.launcher.n_jobs={num_at_once}"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.members: list[int] = []

    def wait_for(self, num_members: int) -> None:
        """Until so many of them have begun and saved."""
        saves = [self.results / f"one_{i}" / "resume" / "state.h5" for i in range(num_members)]
        until(lambda: all(path.exists() for path in saves), self.process)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.members = [int(pid) for pid in children if alive(int(pid))]
        assert len(self.members) == num_members

    def end(self) -> tuple[int, str]:
        """The exit code and standard error, once members may go on; nobody is left then."""
        time.sleep(0.5)
        self.hold.unlink()
        _, error = self.process.communicate(timeout=PATIENCE)
        until(lambda: not any(map(alive, self.members)))
        return self.process.returncode, error

    def states(self) -> dict[str, str]:
        records = sorted(self.results.glob("*/run.json"))
        return {path.parent.name: json.loads(path.read_text(encoding="utf-8"))["status"] for path in records}


def until(happened: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < PATIENCE
        assert process is None or process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def alive(member: int) -> bool:
    try:
        return "spawn_main" in Path(f"/proc/{member}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(num_members: int, num_at_once: int, trains: bool = False) -> Command:
        started.append(Command(tmp_path, num_members, num_at_once, trains))
        started[-1].wait_for(num_at_once)
        return started[-1]

    yield start
    for each in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGKILL)


def test_members_that_are_stopped_or_killed_leave_the_others_alone(command: Callable[..., Command]) -> None:
    started = command(3, 3)
    os.kill(started.members[0], signal.SIGTERM)
    os.kill(started.members[1], signal.SIGKILL)
    code, error = started.end()
    assert code == 1
    assert started.states() == {"one_0": "stopped", "one_1": "running", "one_2": "finished"}
    assert error.splitlines()[-3:] == [
        "member 0: stopped by SIGTERM; the same command goes on from here",
        "member 1: its process died: killed by SIGKILL",
        "2 of 3 members of the sweep failed: 0, 1",
    ]
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "number, group, code",
    [(signal.SIGTERM, False, 143), (signal.SIGINT, True, 130), (signal.SIGKILL, False, -9)],
    ids=["the command", "Ctrl-C", "the command killed"],
)
def test_stopping_the_command_stops_its_members_saved(
    number: signal.Signals, group: bool, code: int, command: Callable[..., Command]
) -> None:
    # One that trains is enough: two would compile the same side by side.
    at_once = 1 if group else 2
    started = command(3, at_once, trains=group)
    (os.killpg if group else os.kill)(started.process.pid, number)
    found, error = started.end()
    assert found == code, error
    assert started.states() == {f"one_{i}": "stopped" for i in range(at_once)}
    assert "Traceback" not in error
    if code > 0:
        assert error.splitlines()[-1] == f"stopped by {number.name}; the same command goes on from here"


def test_how_many_at_once_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "results"))
    assert run_entry_point("run_algorithm", [*SWEEP, "hydra.launcher.n_jobs=0"]) == 2
    assert capsys.readouterr().err == "hydra.launcher.n_jobs=0: must be an integer, at least 1\n"
    assert not (tmp_path / "results").exists()
