"""wandb itself against a stand-in server that answers, hangs, fails or goes away: what arrives, and how long it takes.

Every run is one of a process of its own, as wandb's client remembers its server for as long as the process lives.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tiny_runs import TINY_TD3, changed
from wandb_server import StoredRun, WandbServer, serving

from landscapes import storage, training
from landscapes.config.launch import run_entry_point

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = (
    "from landscapes import tracking\n"
    "from landscapes.tracking import wandb_start, wandb_tracker\n"
    "wandb_start._UPLOAD_SECONDS, wandb_tracker._FINISH_SECONDS = 2.0, 12.0\n"
)
"""So long does the client wait at its end in these tests, longer elsewhere. A busy machine takes six seconds for a run
that is recorded offline."""

TRACK = (
    PATIENCE
    + """
import json, sys, time
from pathlib import Path
mode, directory, run_id, first, last, end, name, num_seeds = sys.argv[1:]
began, seeds = time.monotonic(), range(int(num_seeds))
wanted = tracking.Wanted(tracking.WandbWanted("landscapes", None, mode, per_seed=bool(seeds)))
config = {"result_dir": directory}
tracker = tracking.make_tracker(
    wanted, tracking.Told(name, Path(directory), "train", config, run_id=run_id or None, seeds=tuple(seeds))
)
started, longest = time.monotonic(), 0.0
for step in range(int(first), int(last)):
    before = time.perf_counter()
    for prefix in [f"seed{seed}/" for seed in seeds] or [""]:
        tracker.log({f"{prefix}return": float(step)}, 10 * step)
        tracker.histogram(f"{prefix}PURD", [1.0, float(step)], 10 * step)
    longest = max(longest, time.perf_counter() - before)
(Path(directory) / "curves.h5").write_text("curves")
tracker.artifact("curves", "curves", [Path(directory) / "curves.h5"])
tracker.artifact("other", "curves", [Path(directory) / "curves.h5"])
logged = time.monotonic()
tracker.finish(KeyboardInterrupt() if end == "stop" else None)
times = {"start": started - began, "log": longest, "finish": time.monotonic() - logged}
print(json.dumps({"id": tracker.run_id, "where": tracker.where["wandb"], "ended": time.time(), **times}), flush=True)
"""
)

JOB = (
    PATIENCE
    + "import sys\nfrom landscapes.config.launch import run_entry_point\n"
    + ("sys.exit(run_entry_point('run_algorithm', sys.argv[1:]))")
)

TRAIN = changed(TINY_TD3, "experiment.log_interval=10", "experiment.agent_log_starts=[60]")


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with serving() as server:
        yield server


class Tracked(NamedTuple):
    """One tracked run: what its process found, said and took."""

    id: str
    where: str
    start: float
    log: float
    finish: float
    exit: float
    """Seconds from its last line to its end."""
    said: list[str]
    """Lines on stderr."""


def environment(server: WandbServer, home: Path) -> dict[str, str]:
    """Without the client of this process, which other tests may have started: a run that it holds would be in use for
    all that come after."""
    inherited = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return {**inherited, **server.environment(), "HOME": str(home), "PYTHONPATH": str(ROOT)}


def track(
    server: WandbServer,
    directory: Path,
    rows: range,
    mode: str = "online",
    run_id: str = "",
    end: str = "done",
    num_seeds: int = 0,
) -> Tracked:
    """Of so many seeds each has a run of its own; 0: one run."""
    arguments = [mode, str(directory), run_id, str(rows.start), str(rows.stop), end, directory.name, str(num_seeds)]
    result = subprocess.run(
        [sys.executable, "-c", TRACK, *arguments],
        env=environment(server, directory.parent),
        capture_output=True,
        text=True,
        timeout=200,
    )
    over = time.time()
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    return Tracked(exit=over - found.pop("ended"), said=result.stderr.splitlines(), **found)


def sync(server: WandbServer, command: str) -> str:
    """Runs a `wandb sync` line that was shown to the user."""
    program, *arguments = shlex.split(command)
    assert program == "wandb"
    result = subprocess.run(
        [sys.executable, "-m", "wandb", *arguments],
        env={**environment(server, Path(arguments[-1])), "WANDB_SILENT": "false"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def check_whole(run: StoredRun, rows: int) -> None:
    """Every row is there once, in one sequence of steps: a value and a histogram at each."""
    assert [row["_step"] for row in run.history] == list(range(2 * rows))
    assert [row["env_step"] for row in run.history] == [10 * (index // 2) for index in range(2 * rows)]
    assert [row["return"] for row in run.history if "return" in row] == list(range(rows))
    assert run.overwritten == 0


# Going on


def test_a_run_that_goes_on_online_is_one_run(server: WandbServer, tmp_path: Path) -> None:
    first = track(server, tmp_path / "calm", range(0, 3), end="stop")
    run = server.runs[first.id]
    assert (run.preempted, run.complete, run.exit_code) == (True, True, 1)
    second = track(server, tmp_path / "calm", range(3, 5), run_id=first.id)
    assert first.id == second.id
    assert list(server.runs) == [first.id]
    assert (run.complete, run.exit_code) == (True, 0)
    check_whole(run, 5)
    assert server.artifacts == ["curves", "other"] * 2
    assert first.said == second.said == []


def test_a_run_that_goes_on_offline_is_one_run_once_it_is_synced(server: WandbServer, tmp_path: Path) -> None:
    first = track(server, tmp_path / "calm", range(0, 3), mode="offline", end="stop")
    second = track(server, tmp_path / "calm", range(3, 4), mode="offline", run_id=first.id, end="stop")
    third = track(server, tmp_path / "calm", range(4, 6), mode="offline", run_id=first.id)
    assert not server.runs
    assert first.where == second.where == third.where == f"wandb sync {tmp_path / 'calm' / 'wandb'}"
    sync(server, third.where)
    assert list(server.runs) == [first.id]
    check_whole(server.runs[first.id], 6)
    assert (server.runs[first.id].complete, server.runs[first.id].exit_code) == (True, 0)
    assert "Skipped 3 synced" in sync(server, third.where)
    check_whole(server.runs[first.id], 6)


def test_what_was_synced_in_between_is_not_sent_again(server: WandbServer, tmp_path: Path) -> None:
    first = track(server, tmp_path / "calm", range(0, 3), mode="offline", end="stop")
    sync(server, first.where)
    check_whole(server.runs[first.id], 3)
    track(server, tmp_path / "calm", range(3, 5), mode="online", run_id=first.id, end="stop")
    last = track(server, tmp_path / "calm", range(5, 6), mode="offline", run_id=first.id)
    sync(server, last.where)
    assert list(server.runs) == [first.id]
    check_whole(server.runs[first.id], 6)


def test_runs_of_seeds_go_on_online_and_offline(server: WandbServer, tmp_path: Path) -> None:
    first = track(server, tmp_path / "calm", range(0, 3), end="stop", num_seeds=2)
    assert first.where == f"{server.url}/someone/landscapes/groups/calm"
    assert set(server.runs) == {f"{first.id}-seed0", f"{first.id}-seed1"}
    second = track(server, tmp_path / "calm", range(3, 5), mode="offline", run_id=first.id, num_seeds=2)
    sync(server, second.where)
    assert set(server.runs) == {f"{first.id}-seed0", f"{first.id}-seed1"}
    for seed, id in enumerate(sorted(server.runs)):
        run = server.runs[id]
        check_whole(run, 5)
        assert (run.display_name, run.group, run.config["seed"]) == (f"calm-seed{seed}", "calm", seed)
        assert (run.preempted, run.complete, run.exit_code) == (True, True, 0)
    assert first.said == second.said == []


def test_runs_of_seeds_whose_server_goes_away_are_uploaded_by_the_line_that_is_said(
    server: WandbServer, tmp_path: Path
) -> None:
    server.behaviour_once_begun = "hang"
    tracked = track(server, tmp_path / "calm", range(0, 20), num_seeds=2)
    # The second run found it hanging at its start.
    server.behaviour, server.behaviour_once_begun = "answer", None
    for line in tracked.said:
        assert "wandb" in line
    commands = [tracked.said[-1].split("`")[1], *tracked.where.split(" && ")]
    for command in commands:
        if command.startswith("wandb sync"):
            sync(server, command)
    assert set(server.runs) == {f"{tracked.id}-seed0", f"{tracked.id}-seed1"}
    for run in server.runs.values():
        check_whole(run, 20)


@pytest.mark.parametrize("left, rows", [(0.0, range(3, 5)), (0.9, range(0, 5))])
def test_what_a_killed_job_left_unfinished_is_not_in_the_way(
    server: WandbServer, tmp_path: Path, left: float, rows: range
) -> None:
    """`left` is the share of its file that had been written; its last records only say how the run ended."""
    first = track(server, tmp_path / "calm", range(0, 3), mode="offline")
    (file,) = tmp_path.glob("calm/wandb/*/*.wandb")
    os.truncate(file, int(left * file.stat().st_size))
    second = track(server, tmp_path / "calm", range(3, 5), mode="offline", run_id=first.id)
    sync(server, second.where)
    (run,) = server.runs.values()
    assert [row["return"] for row in run.history if "return" in row] == list(rows)
    assert [row["_step"] for row in run.history] == list(range(2 * len(rows)))
    assert (run.complete, run.exit_code) == (True, 0)


def test_a_training_that_was_stopped_has_in_wandb_the_curves_of_an_unbroken_one(
    server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both offline; SIGTERM ends the one in its middle."""

    def train(name: str) -> int:
        return run_entry_point(
            "run_algorithm", [*TRAIN, f"run_name={name}", f"results_dir={tmp_path}", "wandb.mode=offline"]
        )

    make, calls = training.make_trainer, iter(range(10**9))

    def stopped(algorithm: Any) -> training.Trainer:
        trainer = make(algorithm)

        def advance(*arguments: Any) -> Any:
            if next(calls) == 4:
                signal.raise_signal(signal.SIGTERM)
            return trainer.advance(*arguments)

        return trainer._replace(advance=advance)

    with pytest.MonkeyPatch.context() as once:
        once.setattr(training, "make_trainer", stopped)
        assert train("broken") == 143
    id = storage.open_run(tmp_path, "broken").record["wandb_id"]
    assert train("broken") == 0
    assert storage.open_run(tmp_path, "broken").record["wandb_id"] == id
    assert train("whole") == 0
    assert len(list((tmp_path / "broken" / "wandb").glob("offline-run-*"))) == 2
    for name in ("broken", "whole"):
        sync(server, f"wandb sync {tmp_path / name / 'wandb'}")
    broken, whole = server.runs[id], server.runs[storage.open_run(tmp_path, "whole").record["wandb_id"]]
    assert len(server.runs) == 2

    def rows(run: StoredRun) -> list[dict[str, Any]]:
        clocks = {"_timestamp", "_runtime"}
        return [{key: value for key, value in row.items() if key not in clocks} for row in run.history]

    assert rows(broken) == rows(whole)
    assert [row["_step"] for row in rows(whole)] == list(range(len(whole.history)))
    assert len({row["env_step"] for row in rows(whole) if "return/mean" in row}) == 4
    assert (broken.complete, broken.exit_code, broken.preempted) == (True, 0, True)


# A server that does not do what it should


@pytest.mark.parametrize("behaviour", ["hang", "drop", 500, "refuse"])
def test_where_the_server_gives_no_answer_the_run_is_kept_for_later(
    server: WandbServer, tmp_path: Path, behaviour: str | int
) -> None:
    server.behaviour = "hang" if behaviour == "refuse" else behaviour
    if behaviour == "refuse":
        server.shutdown()
        server.server_close()
    tracked = track(server, tmp_path / "calm", range(0, 3), run_id="abc")
    assert (tracked.id, len(tracked.said)) == ("abc", 1), tracked.said
    assert "recorded offline" in tracked.said[0]
    check_bounds(tracked)
    if behaviour == "hang":
        server.behaviour = "answer"
        sync(server, tracked.where)
        check_whole(server.runs["abc"], 3)


def test_where_the_server_refuses_the_run_is_kept_for_later(server: WandbServer, tmp_path: Path) -> None:
    server.behaviour = 401
    tracked = track(server, tmp_path / "calm", range(0, 3), run_id="abc")
    assert (tracked.id, len(tracked.said)) == ("abc", 1), tracked.said
    assert "401" in tracked.said[0]
    check_bounds(tracked)
    server.behaviour = "answer"
    sync(server, tracked.where)
    check_whole(server.runs["abc"], 3)


@pytest.mark.parametrize("behaviour", ["hang", "drop", 500])
def test_a_server_that_goes_away_in_the_middle_does_not_keep_the_job(
    server: WandbServer, tmp_path: Path, behaviour: str | int
) -> None:
    server.behaviour_once_begun = behaviour
    tracked = track(server, tmp_path / "r\u00e9sultats d'or [a=b, c]" / "calm", range(0, 200))
    assert len(tracked.said) == 1
    check_bounds(tracked)
    server.behaviour, server.behaviour_once_begun = "answer", None
    command = tracked.said[0].split("`")[1]
    assert command.startswith("wandb sync --include-online ")
    sync(server, command)
    assert list(server.runs) == [tracked.id]
    check_whole(server.runs[tracked.id], 200)


def check_bounds(tracked: Tracked) -> None:
    """How long a job waits, with room for a slow machine: starting wandb's client takes some seconds by itself."""
    assert tracked.log < 0.5
    assert tracked.start < 4.0 + 15.0
    assert tracked.finish < 12.0 + 1.0
    assert tracked.exit < 20.0


def test_a_job_is_done_whatever_the_server_does(server: WandbServer, tmp_path: Path) -> None:
    server.behaviour_once_begun = "hang"
    result = subprocess.run(
        [sys.executable, "-c", JOB, *TRAIN, "run_name=calm", f"results_dir={tmp_path}", "wandb.mode=online"],
        env=environment(server, tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    (said,) = result.stderr.splitlines()
    assert "wandb did not take all of this run" in said
    run = storage.open_run(tmp_path, "calm")
    assert run.record["status"] == "finished"
    assert run.record["wandb_id"] in server.runs
    assert run.checkpoint_path(0, 60).is_file() and run.curves_path.is_file()
