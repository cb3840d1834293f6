"""TensorBoard's event files and the CSV file: what the real TensorBoard and pandas read in them, also of jobs that were
ended and went on.

Knows the readers that users have; nothing here reads the files by code of ours.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from landscapes.tracking import Told, Tracker, Wanted, make_tracker
from landscapes.tracking import tensorboard as tensorboard_module


def make(directory: Path, **changed: Any) -> Tracker:
    told: dict[str, Any] = {"name": "calm", "directory": directory, "job_type": "train", "config": {}}
    return make_tracker(Wanted(None, tensorboard=True, csv=True), Told(**{**told, **changed}))


def events(folder: Path) -> EventAccumulator:
    """What TensorBoard has of a folder; it is to show every point, and may not throw away what it takes for doubled."""
    accumulator = EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "histograms": 0}, purge_orphaned_data=False
    )
    accumulator.Reload()
    return accumulator


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(name)]


def table(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a CSV file as pandas reads them; -1 where there is nothing."""
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["step", "seed", "name", "value"]
    return list(frame.fillna({"step": -1, "seed": -1}).itertuples(index=False, name=None))


def test_both_hold_what_was_told_under_the_names_of_wandb(tmp_path, capfd):
    tracker = make(tmp_path)
    tracker.log({"seed0/return": 10.5, "seed1/return": np.float32(2.0), "return/iqm": 6.25}, step=1000)
    tracker.log({"PURD mean (0.0003)": math.nan}, step=500)
    tracker.log({"PURD mean (0.0003)": 0.1}, step=1500)
    tracker.histogram("seed1/PURD (0.0003)", np.array([[1.0, 2.0], [2.0, np.nan]]), step=2000)
    tracker.summary({"share": 0.25, "word": "calm"})
    tracker.artifact("files", "files", [tmp_path / "absent"])
    tracker.finish()
    assert capfd.readouterr() == ("", "")
    assert tracker.run_id is None
    assert tracker.where == {
        "tensorboard": f"tensorboard --logdir {tmp_path / 'tensorboard'}",
        "csv": str(tmp_path / "metrics.csv"),
    }

    found = events(tmp_path / "tensorboard")
    told = {"seed0/return", "seed1/return", "return/iqm", "PURD mean (0.0003)", "seed1/PURD (0.0003)/num_not_finite"}
    assert set(found.Tags()["scalars"]) == told | {"share"}
    assert found.Tags()["histograms"] == ["seed1/PURD (0.0003)"]
    assert [(e.step, e.value) for e in found.Scalars("seed0/return")] == [(1000, 10.5)]
    first, second = found.Scalars("PURD mean (0.0003)")
    assert (first.step, second.step) == (500, 1500)
    assert math.isnan(first.value)
    assert second.value == np.float32(0.1)
    (histogram,) = found.Histograms("seed1/PURD (0.0003)")
    assert (histogram.step, histogram.histogram_value.num) == (2000, 3)
    assert (histogram.histogram_value.min, histogram.histogram_value.max, histogram.histogram_value.sum) == (1, 2, 5)
    assert sum(histogram.histogram_value.bucket) == 3
    assert scalars(tmp_path / "tensorboard", "seed1/PURD (0.0003)/num_not_finite") == [(2000, 1.0)]

    rows = table(tmp_path / "metrics.csv")
    assert rows[:3] == [(1000, 0, "return", 10.5), (1000, 1, "return", 2.0), (1000, -1, "return/iqm", 6.25)]
    assert rows[3][:3] == (500, -1, "PURD mean (0.0003)")
    assert math.isnan(rows[3][3])
    assert rows[4:] == [(1500, -1, "PURD mean (0.0003)", 0.1), (-1, -1, "share", 0.25)]


def test_a_job_that_goes_on_tells_no_step_twice(tmp_path):
    """Killed at 30, it goes on from its save at 10."""
    killed = make(tmp_path)
    for step in (0, 10, 20, 30):
        killed.log({"return": float(step)}, step)
        killed.histogram("PURD", [float(step), 1.0], step)
    again = make(tmp_path)
    for step in (20, 30, 40):
        again.log({"return": 100.0 + step}, step)
        again.histogram("PURD", [float(step), 1.0], step)
    again.finish()
    killed.finish()  # only now, as nobody does it for a process that is killed
    expected = [(0, 0.0), (10, 10.0), (20, 120.0), (30, 130.0), (40, 140.0)]
    assert scalars(tmp_path / "tensorboard", "return") == expected
    assert [each.step for each in events(tmp_path / "tensorboard").Histograms("PURD")] == [0, 10, 20, 30, 40]
    assert table(tmp_path / "metrics.csv") == [(step, -1, "return", value) for step, value in expected]


def test_a_job_that_begins_again_leaves_nothing_of_before(tmp_path):
    for value in (1.0, 2.0):
        tracker = make(tmp_path)
        for step in (0, 10):
            tracker.log({"return": value}, step)
        tracker.finish()
    assert scalars(tmp_path / "tensorboard", "return") == [(0, 2.0), (10, 2.0)]
    assert table(tmp_path / "metrics.csv") == [(0, -1, "return", 2.0), (10, -1, "return", 2.0)]


@pytest.mark.parametrize("cut", [1, 11, 30])
def test_what_a_killed_job_left_unfinished_is_not_in_the_way(tmp_path, cut):
    killed = make(tmp_path)
    for step in (0, 10):
        killed.log({"return": float(step), "loss, squared": 1.0}, step)
    (file,) = (tmp_path / "tensorboard").iterdir()
    os.truncate(file, file.stat().st_size - cut)
    os.truncate(tmp_path / "metrics.csv", (tmp_path / "metrics.csv").stat().st_size - min(cut, 5))
    again = make(tmp_path)
    for step in (10, 20):
        again.log({"return": float(step), "loss, squared": 1.0}, step)
    again.finish()
    killed.finish()
    assert scalars(tmp_path / "tensorboard", "return") == [(0, 0.0), (10, 10.0), (20, 20.0)]
    names = ("return", "loss, squared")
    values = {"return": lambda step: float(step), "loss, squared": lambda step: 1.0}
    told = [(step, -1, name, values[name](step)) for step in (0, 10, 20) for name in names]
    assert table(tmp_path / "metrics.csv") == told


def test_studies_of_a_run_have_files_of_their_own_and_replace_what_they_measure_again(tmp_path):
    training = make(tmp_path)
    training.log({"return": 1.0}, 0)
    training.finish()
    study: dict[str, Any] = {"name": "calm-s0-action", "makes_run": False, "in_order": False, "seed": 2}
    for step, value in ((200, 2.0), (100, 1.0)):  # two jobs, the later checkpoint first
        tracker = make(tmp_path, **study)
        tracker.log({"PURD mean": value, "PURD std": value}, step)
        tracker.finish()
    again = make(tmp_path, **study)
    again.log({"PURD mean": 5.0}, 200)
    again.finish()
    folder = tmp_path / "tensorboard"
    assert sorted(scalars(folder / "calm-s0-action", "PURD mean")) == [(100, 1.0), (200, 5.0)]
    assert sorted(scalars(folder / "calm-s0-action", "PURD std")) == [(100, 1.0), (200, 2.0)]
    assert scalars(folder, "return") == [(0, 1.0)]
    rows = table(tmp_path / "metrics_calm-s0-action.csv")
    assert sorted(rows) == [
        (100, 2, "PURD mean", 1.0),
        (100, 2, "PURD std", 1.0),
        (200, 2, "PURD mean", 5.0),
        (200, 2, "PURD std", 2.0),
    ]
    assert table(tmp_path / "metrics.csv") == [(0, -1, "return", 1.0)]


def test_jobs_that_write_side_by_side_keep_each_others_rows(tmp_path):
    study: dict[str, Any] = {"name": "calm-s0-action", "makes_run": False, "in_order": False}
    one, other = make(tmp_path, **study), make(tmp_path, **study)
    for step in range(5):
        one.log({"PURD mean": 1.0}, 2 * step)
        other.log({"PURD mean": 2.0}, 2 * step + 1)
    one.finish()
    other.finish()
    expected = [(step, 1.0 + step % 2) for step in range(10)]
    assert sorted(scalars(tmp_path / "tensorboard" / "calm-s0-action", "PURD mean")) == expected
    found = table(tmp_path / "metrics_calm-s0-action.csv")
    assert sorted((step, value) for step, _, _, value in found) == expected


def test_a_failure_is_one_line_for_each_and_ends_nothing(tmp_path, capsys, monkeypatch):
    tracker = make(tmp_path / "removed")
    for step in range(3):
        tracker.log({"return": 1.0}, step)
        tracker.histogram("PURD", [1.0], step)
    tracker.finish()
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: tensorboard no longer records this run (log: ")
    assert second.startswith("warning: csv no longer records this run (log: ")
    assert first.endswith("the job goes on")
    assert not (tmp_path / "removed").exists()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    first_time = make(tmp_path)
    first_time.log({"return": 1.0}, 0)
    first_time.finish()
    monkeypatch.setattr(tensorboard_module, "replace_whole", full)
    tracker = make(tmp_path)
    tracker.log({"return": 2.0}, 0)
    tracker.log({"return": 3.0}, 1)
    tracker.finish()
    (said,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in said
    assert table(tmp_path / "metrics.csv") == [(0, -1, "return", 2.0), (1, -1, "return", 3.0)]
    assert scalars(tmp_path / "tensorboard", "return") == [(0, 1.0)]
