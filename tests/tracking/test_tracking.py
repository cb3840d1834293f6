"""Tracking for real: wandb runs offline in a temporary folder, and what it stored is read back record by record.

Knows wandb's file format (a LevelDB log of protocol buffers) for that; nothing here reaches a network.
"""

import json
import math
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscapes.config.launch import run_entry_point
from landscapes.errors import UserError
from landscapes.jobs.tracker import job_tracker
from landscapes.machine.stopping import Stopped
from landscapes.tracking import SilentTracker, Told, Tracker, WandbTracker, WandbWanted, Wanted, make_tracker

BLOCK = 32 * 1024
RECORD_HEADER = struct.Struct("<IHB")  # checksum, length, kind: 1 whole, 2 first, 3 middle, 4 last


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path):
    """Neither the caller's account nor their wandb settings reach a test; their home is an empty folder."""
    home = tmp_path / "home"
    home.mkdir()
    for name in (
        "MODE",
        "API_KEY",
        "BASE_URL",
        "DIR",
        "CACHE_DIR",
        "DATA_DIR",
        "IDENTITY_TOKEN_FILE",
        "PROJECT",
        "SILENT",
    ):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / ".netrc"))


CONFIG = {"env_name": "hopper", "ddpg_config": {"tau": 0.005}}


def make(
    directory: Path, use_wandb: bool = True, mode: str | None = None, per_seed: bool = False, **changed: Any
) -> Tracker:
    told: dict[str, Any] = {
        "name": "calm-hopper",
        "group": "sweep",
        "config": {**CONFIG, "result_dir": directory},
        "job_type": "train_td3",
    }
    wandb = WandbWanted("return-landscapes", None, mode, per_seed) if use_wandb else None
    return make_tracker(Wanted(wandb), Told(directory=directory, **{**told, **changed}))


def records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file, in order."""
    from wandb.proto import wandb_internal_pb2

    data = file.read_bytes()
    assert not data or data[:4] == b":W&B"
    position, parts = 7, b""
    while position + RECORD_HEADER.size <= len(data):
        if BLOCK - position % BLOCK < RECORD_HEADER.size:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = RECORD_HEADER.unpack_from(data, position)
        position += RECORD_HEADER.size
        if position + length > len(data):
            return  # still being written
        parts += data[position : position + length]
        position += length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def stored(directory: Path) -> list[Any]:
    """All records of the one run below `directory`; wandb's own process writes the last of them after `finish`."""
    (file,) = directory.glob("wandb/offline-run-*/run-*.wandb")
    return finished(file)


def finished(file: Path) -> list[Any]:
    for _ in range(1000):
        found = list(records(file))
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"{file} was never finished")


def key_of(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def rows(directory: Path) -> list[dict[str, Any]]:
    """What was logged, one mapping a row."""
    return history(stored(directory))


def history(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {key_of(item): json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]


def test_a_run_is_kept_offline_without_an_account_and_without_a_word(tmp_path, capfd):
    directory = tmp_path / "results" / "calm-hopper"
    start = time.monotonic()
    tracker = make(directory, run_id="abc123")
    tracker.log({"seed0/return": 10.5, "iqm": np.float32(2.0)}, step=1000)
    tracker.log({"seed0/return": math.nan}, step=500)
    tracker.log({"seed0/return": 11.0}, step=500)
    tracker.histogram("purd", np.array([[1.0, 2.0], [2.0, np.nan]]), step=2000)
    tracker.summary({"best_return": 12.0})
    tracker.finish()
    assert time.monotonic() - start < 30.0
    assert tracker.run_id == "abc123"
    assert capfd.readouterr() == ("", "")

    (run,) = [record.run for record in stored(directory) if record.HasField("run")]
    assert (run.run_id, run.display_name, run.project) == ("abc123", "calm-hopper", "return-landscapes")
    assert (run.run_group, run.job_type) == ("sweep", "train_td3")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["env_name"] == "hopper"
    assert config["ddpg_config"] == {"tau": 0.005}
    assert config["result_dir"] == str(directory)

    logged = [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows(directory)]
    assert logged[0] == {"seed0/return": 10.5, "iqm": 2.0, "env_step": 1000}
    assert logged[1]["env_step"] == 500
    assert math.isnan(float(logged[1]["seed0/return"]))
    assert logged[2] == {"seed0/return": 11.0, "env_step": 500}
    assert logged[3]["purd._type"] == "histogram"
    assert sum(logged[3]["purd.values"]) == 3
    assert logged[3]["purd/num_not_finite"] == 1

    summaries = [item for record in stored(directory) if record.HasField("summary") for item in record.summary.update]
    assert {key_of(item): json.loads(item.value_json) for item in summaries}["best_return"] == 12.0
    axes = {record.metric.glob_name: record.metric for record in stored(directory) if record.HasField("metric")}
    assert axes["*"].step_metric == "env_step"


def test_everything_wandb_writes_is_inside_the_run_folder(tmp_path):
    directory = tmp_path / "run"
    tracker = make(directory)
    tracker.log({"return": 1.0}, step=1)
    tracker.finish()
    assert list((tmp_path / "home").rglob("*")) == []
    assert {path.name for path in directory.iterdir()} == {"wandb"}
    assert not [path for path in (directory / "wandb").iterdir() if path.is_symlink()]
    assert not list(directory.rglob("*.py"))
    path = tracker.where["wandb"].removeprefix("wandb sync ")
    assert list(Path(path).glob("offline-run-*/run-*.wandb")), "the command shown to the user names wandb's folder"


def test_an_artifact_copies_small_files_and_refers_to_checkpoints(tmp_path):
    directory = tmp_path / "run"
    (directory / "seed0").mkdir(parents=True)
    curves, checkpoint = directory / "curves.h5", directory / "seed0" / "ckpt_50000.h5"
    replay = directory / "seed0" / "replay_0_50000.h5"
    for path in (curves, checkpoint, replay):
        path.write_bytes(path.name.encode())
    tracker = make(directory)
    tracker.artifact("calm hopper/results", "results", [curves, checkpoint, replay])
    tracker.finish()

    (artifact,) = [
        record.request.log_artifact.artifact if record.HasField("request") else record.artifact
        for record in stored(directory)
        if record.HasField("artifact") or record.request.HasField("log_artifact")
    ]
    assert (artifact.name, artifact.type) == ("calm-hopper-results", "results")
    entries = {entry.path: entry for entry in artifact.manifest.contents}
    assert set(entries) == {"curves.h5", "seed0/ckpt_50000.h5", "seed0/replay_0_50000.h5"}
    copy = Path(entries["curves.h5"].local_path)
    assert copy.read_bytes() == b"curves.h5"
    assert copy != curves
    assert copy.is_relative_to(directory)
    for path in (checkpoint, replay):
        entry = entries[str(path.relative_to(directory))]
        assert entry.ref == path.as_uri()
        assert not entry.local_path
    assert len(list((directory / "wandb").rglob("staging/*"))) == 1


def test_large_files_are_never_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("landscapes.tracking.wandb_tracker._LARGEST_COPY", 10)
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "curves.h5").write_bytes(b"eleven bytes")
    tracker = make(directory)
    tracker.artifact("results", "results", [directory / "curves.h5"])
    tracker.finish()
    assert not list((directory / "wandb").rglob("staging/*"))


def test_several_runs_live_in_one_process(tmp_path):
    trackers = [make(tmp_path / str(i), name=f"run_{i}") for i in range(2)]
    for i, tracker in enumerate(trackers):
        tracker.log({"return": float(i)}, step=i)
    for tracker in trackers:
        tracker.finish()
    assert trackers[0].run_id != trackers[1].run_id
    assert [rows(tmp_path / str(i))[0]["return"] for i in range(2)] == [0.0, 1.0]


def test_each_seed_may_have_a_run_in_a_group_with_plain_names(tmp_path, capfd):
    directory = tmp_path / "calm"
    told: dict[str, Any] = {"name": "calm", "per_seed": True, "seeds": (0, 1)}
    first = make(directory, **told)
    first.log({"seed0/return": 1.0, "seed1/return": 2.0, "return/mean": 1.5}, step=10)
    first.histogram("seed1/PURD", [1.0, 2.0], step=10)
    first.summary({"best": 3.0})
    first.finish(KeyboardInterrupt())
    time.sleep(1.0)  # wandb calls the folder of an offline run by its second
    second = make(directory, **told, run_id=first.run_id)
    second.log({"seed0/return": 5.0, "seed1/return": 6.0}, step=20)
    (directory / "curves.h5").write_bytes(b"curves")
    second.artifact("curves", "curves", [directory / "curves.h5"])
    second.finish()
    assert second.run_id == first.run_id
    assert capfd.readouterr() == ("", "")
    assert first.where == second.where == {"wandb": f"wandb sync {directory / 'wandb'}"}

    ids = [f"{first.run_id}-seed{seed}" for seed in (0, 1)]
    pieces = sorted(directory.glob("wandb/offline-run-*/run-*.wandb"))
    assert sorted(path.stem for path in pieces) == sorted(2 * [f"run-{id}" for id in ids])
    everything: dict[str, list[Any]] = {id: [] for id in ids}
    for path in pieces:
        everything[path.stem.removeprefix("run-")] += finished(path)
    runs = {id: [r.run for r in found if r.HasField("run")] for id, found in everything.items()}
    for seed, id in enumerate(ids):
        assert {(run.display_name, run.run_group, run.run_id) for run in runs[id]} == {(f"calm-seed{seed}", "calm", id)}
        config = {item.key: json.loads(item.value_json) for item in runs[id][0].config.update}
        assert (config["seed"], config["env_name"]) == (seed, "hopper")
    logged = {
        id: [{k: v for k, v in row.items() if not k.startswith("_")} for row in history(found)]
        for id, found in everything.items()
    }
    assert logged[ids[0]] == [
        {"return": 1.0, "env_step": 10},
        {"return/mean": 1.5, "env_step": 10},
        {"return": 5.0, "env_step": 20},
    ]
    assert logged[ids[1]][0] == {"return": 2.0, "env_step": 10}
    assert logged[ids[1]][1]["PURD._type"] == "histogram"
    assert logged[ids[1]][2] == {"return": 6.0, "env_step": 20}
    with_artifact = [
        id for id in ids if any(r.HasField("artifact") or r.request.HasField("log_artifact") for r in everything[id])
    ]
    assert with_artifact == ids[:1]


def test_where_runs_of_seeds_cannot_start_nothing_is_recorded(tmp_path, monkeypatch, capsys):
    runs = [FakeRun(tmp_path)]

    def start(**arguments):
        if arguments["name"] != "calm-seed0":
            raise RuntimeError("no more")
        return runs[0]

    monkeypatch.setattr("landscapes.tracking.wandb_start._start_run", start)
    assert isinstance(make(tmp_path, name="calm", per_seed=True, seeds=(0, 1)), SilentTracker)
    assert runs[0].ends == [("running", 0)]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_runs_of_seeds_that_fail_say_so_once_and_wait_side_by_side(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("landscapes.tracking.wandb_tracker._FINISH_SECONDS", 1.0)
    monkeypatch.setattr("landscapes.tracking.wandb_start.why_silent", lambda: None)
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    over = threading.Event()

    class Stuck(FakeRun):
        offline, url = False, "https://wandb.ai/someone/return-landscapes/runs/x"

        def log(self, row):
            over.wait()

    def start(**arguments):
        run = Stuck(tmp_path)
        run.id = arguments["id"]
        return run

    monkeypatch.setattr("landscapes.tracking.wandb_start._start_run", start)
    tracker = make(tmp_path, name="calm", per_seed=True, seeds=(0, 1, 2))
    folder = tmp_path / "wandb" / "offline-run"
    assert tracker.where == {"wandb": "https://wandb.ai/someone/return-landscapes/groups/calm"}
    tracker.log({f"seed{seed}/return": 1.0 for seed in range(3)}, step=1)
    began = time.monotonic()
    tracker.finish()
    took = time.monotonic() - began
    over.set()
    assert 1.0 <= took < 2.5
    (said,) = capsys.readouterr().err.splitlines()
    assert "wandb sync --include-online" + 3 * f" {folder}" in said


class FakeRun:
    """What a tracker needs of a wandb run."""

    id, offline = "x", True

    def __init__(self, directory: Path) -> None:
        self.dir = str(directory / "wandb" / "offline-run" / "files")
        self.ends: list[tuple[str, int]] = []
        self.state = "running"

    def log(self, row: dict[str, Any]) -> None: ...

    def mark_preempting(self) -> None:
        self.state = "preempting"

    def finish(self, exit_code: int) -> None:
        self.ends.append((self.state, exit_code))


def test_a_failure_of_wandb_is_one_line_and_no_more(tmp_path, capsys):
    class Broken(FakeRun):
        def log(self, row):
            raise OSError("no space left\non device")

    tracker = WandbTracker(Broken(tmp_path), tmp_path)
    tracker.log({"return": 1.0}, step=1)
    tracker.log({"return": 1.0}, step=2)
    tracker.finish()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "no space left on device" in said[0]


def test_a_job_never_waits_for_wandb_while_it_runs_nor_for_long_at_its_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("landscapes.tracking.wandb_tracker._FINISH_SECONDS", 1.0)
    over = threading.Event()

    class Stuck(FakeRun):
        offline, url = False, "http://127.0.0.1/x"

        def log(self, row):
            over.wait()

    tracker = WandbTracker(Stuck(tmp_path), tmp_path)
    took = []
    for _ in range(3):  # who waits, waits each time; a machine that is busy once is not waited for
        began = time.monotonic()
        for step in range(1000):
            tracker.log({"return": 1.0}, step)
            tracker.histogram("purd", [1.0, 2.0], step)
        logged = time.monotonic()
        took.append(logged - began)
    tracker.finish()
    ended = time.monotonic()
    over.set()
    assert min(took) < 0.5
    assert 1.0 <= ended - logged < 2.0
    (said,) = capsys.readouterr().err.splitlines()
    assert "within 1 s" in said
    assert f"wandb sync --include-online {tmp_path / 'wandb' / 'offline-run'}" in said


@pytest.mark.parametrize(
    "error, end",
    [
        (None, ("running", 0)),
        (Stopped(signal.SIGUSR2), ("preempting", 1)),
        (KeyboardInterrupt(), ("preempting", 1)),
        (SystemExit(-1), ("preempting", 1)),
        (MemoryError(), ("running", 1)),
    ],
)
def test_a_job_that_was_asked_to_stop_leaves_a_run_that_will_go_on(tmp_path, error, end):
    run = FakeRun(tmp_path)
    tracker = WandbTracker(run, tmp_path)
    tracker.finish(error)
    assert run.ends == [end]


def test_a_missing_file_of_an_artifact_does_not_end_the_job(tmp_path, capsys):
    tracker = make(tmp_path / "run")
    tracker.artifact("results", "results", [tmp_path / "absent.h5"])
    tracker.log({"return": 3.0}, step=1)
    tracker.finish()
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert rows(tmp_path / "run")[0]["return"] == 3.0


def test_an_unreachable_server_leaves_the_run_offline(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    asked = []

    def start(**arguments):
        asked.append(arguments["mode"])
        if arguments["mode"] == "online":
            raise ConnectionError("timed out")

        return FakeRun(tmp_path)

    monkeypatch.setattr("landscapes.tracking.wandb_start.why_silent", lambda: None)
    monkeypatch.setattr("landscapes.tracking.wandb_start._start_run", start)
    tracker = make(tmp_path, run_id="abc")
    assert asked == ["online", "offline"]
    assert tracker.run_id == "abc"
    assert tracker.where["wandb"] == f"wandb sync --id abc {tmp_path / 'wandb' / 'offline-run'}"
    assert capsys.readouterr().err == "warning: wandb could not start online (timed out)\n"


def test_where_wandb_cannot_start_nothing_is_recorded(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    tracker = make(tmp_path / "file")  # a folder cannot be made there
    assert isinstance(tracker, SilentTracker)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_off_means_off(tmp_path, monkeypatch):
    assert isinstance(make(tmp_path / "run", use_wandb=False), SilentTracker)
    assert isinstance(make(tmp_path / "run", mode="disabled"), SilentTracker)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracker = make(tmp_path / "run")
    assert isinstance(tracker, SilentTracker)
    tracker.log({"return": 1.0}, step=1)
    tracker.histogram("purd", [1.0], step=1)
    tracker.summary({"best": 1.0})
    tracker.artifact("results", "results", [])
    tracker.finish()
    assert not (tmp_path / "run").exists()


@pytest.fixture
def modes(monkeypatch, tmp_path):
    """Asks for a tracker and answers with the mode in which a run would have been started."""

    def ask(mode):
        started = []

        def start(**arguments):
            started.append(arguments["mode"])
            raise RuntimeError

        monkeypatch.setattr("landscapes.tracking.wandb_start.why_silent", lambda: None)
        monkeypatch.setattr("landscapes.tracking.wandb_start._start_run", start)
        make(tmp_path, mode=mode)
        return started[0]

    return ask


def test_the_mode_follows_the_login(modes, monkeypatch, tmp_path):
    assert modes(None) == "offline"
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("machine example.org\n  login user\n  password x\n")
    assert modes(None) == "offline"
    netrc.write_text("machine api.wandb.ai\n  login user\n  password x\n")
    assert modes(None) == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert modes(None) == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    assert modes(None) == "online"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert modes(None) == "offline"
    assert modes("online") == "online"


def test_a_mode_that_cannot_be_is_one_clear_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"wandb\.mode=onlin: must be one of online, offline, disabled"):
        make(tmp_path, mode="onlin")
    with pytest.raises(UserError, match=r"wandb\.mode=online: needs a login"):
        make(tmp_path, mode="online")
    monkeypatch.setenv("WANDB_MODE", "shared")
    with pytest.raises(UserError, match="WANDB_MODE=shared"):
        make(tmp_path)


def test_the_members_of_a_sweep_are_grouped(tmp_path, monkeypatch):
    real = job_tracker

    def track(*arguments):
        real(*arguments).finish()
        raise UserError("use_wandb", True, "this is enough for a test")

    monkeypatch.setattr("run_algorithm.train.job_tracker", track)
    settings = [
        "experiment.env_name=tests.support.probes.line",
        "experiment.max_steps=20",
        "experiment.start_training=20",
    ]
    shared = ["run_name=calm", f"results_dir={tmp_path}", "wandb.mode=offline"]
    assert run_entry_point("run_algorithm", ["--multirun", "random_seed=1,2", *settings, *shared]) == 2
    for member in ("calm_0", "calm_1"):
        (run,) = [record.run for record in stored(tmp_path / member) if record.HasField("run")]
        assert (run.display_name, run.run_group, run.job_type) == (member, "calm", "train")
