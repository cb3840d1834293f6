"""Results as data frames and as CSV: equal to the numbers in the HDF5 files, which are read here by h5py itself.

Knows the files; the layouts are of tests/support/layouts.py and of real jobs in tests/jobs.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import layouts
import numpy as np
import pandas as pd
import pytest

import landscapes
from landscapes import storage
from landscapes.errors import UserError
from landscapes.export.__main__ import main
from landscapes.storage.tables import KINDS


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with everything."""
    folder = tmp_path_factory.mktemp("exported")
    calm, noisy = (layouts.make_run(folder, name) for name in ("calm", "noisy"))
    layouts.add_curves(calm)
    storage.merge_hdf5(
        calm.curves_path,
        {
            "num_episodes": np.array([2] * 7 + [1]),
            "episode_returns": np.arange(8 * 2 * 2).reshape(8, 2, 2).astype(np.float32),
            "training/steps": np.array([10, 20]),
            "training/critic_loss": np.array([[0.1, 0.2], [0.3, np.nan]]),
        },
        {},
    )
    for run in (calm, noisy):
        layouts.add_purd(run, 0, 50_000)
        layouts.add_purd(run, 1, 100_000, amount="own")
    layouts.add_path(calm, ("calm", 0, 50_000), ("calm", 1, 100_000))
    layouts.add_path(
        calm,
        ("calm", 0, 50_000),
        ("noisy", 0, 50_000),
        noise="td3_optimization/learner_from_2/",
        num_samples=3,
        on=[calm, noisy],
    )
    layouts.add_plain_path(calm, ("calm", 0, 50_000), ("calm", 1, 100_000))
    layouts.add_slice(calm, num_samples=3)
    layouts.add_walk(calm)
    storage.merge_hdf5(
        calm.rejection_path(0, 50_000),
        {
            "0.1cvar/1check/4steps/seed1/accepted": np.array([True, False]),
            "0.1cvar/1check/4steps/seed1/num_updates": np.array([0, 1]),
            "0.1cvar/1check/4steps/seed1/means": np.array([1.5, 2.5]),
            "0.1cvar/1check/4steps/seed1/num_samples": np.array([3, 2]),
            "0.1cvar/1check/4steps/seed1/purds": np.array([[1, 2, 3], [4, 5, np.nan]], np.float32),
        },
        {},
    )
    layouts.add_test(calm)
    layouts.add_trajectory(calm)
    return folder


def frame_of(results: Path, kind: str, run: Any = "calm") -> pd.DataFrame:
    return landscapes.to_dataframe(run, kind, results)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_has_the_columns_that_are_documented_and_says_what_they_are(results: Path, kind: str) -> None:
    frame = frame_of(results, kind)
    assert list(frame.columns) == list(KINDS[kind].columns)
    assert len(frame)
    assert frame.attrs["columns"] == KINDS[kind].columns
    assert set(frame["run"]) == {"calm"}
    absent = frame_of(results, kind, "noisy")
    assert list(absent.columns) == list(frame.columns)
    assert bool(len(absent)) == (kind == "purds")


def test_frames_equal_the_files(results: Path) -> None:
    calm = results / "calm"
    with h5py.File(calm / "curves.h5") as file:
        frame = frame_of(results, "curves")
        table = frame.pivot(index="step", columns="seed", values="return")
        np.testing.assert_array_equal(table.to_numpy(), file["returns"][:])
        np.testing.assert_array_equal(table.index, file["steps"][:])
        assert frame.query("seed == 1")["num_episodes"].tolist() == file["num_episodes"][:].tolist()
        frame = frame_of(results, "episodes")
        assert len(frame) == 8 * 2 * 2 - 2, "the last evaluation had one episode of each seed"
        for row in frame.itertuples():
            step = file["steps"][:].tolist().index(row.step)
            assert row[list(frame.columns).index("return") + 1] == file["episode_returns"][step, row.seed, row.episode]
        frame = frame_of(results, "training")
        told = list(frame[["step", "seed", "metric", "value"]].itertuples(index=False, name=None))
        assert told == [(10, 0, "critic_loss", 0.1), (10, 1, "critic_loss", 0.2), (20, 0, "critic_loss", 0.3)]

    frame = frame_of(results, "purds", ["calm", "noisy"])
    assert len(frame) == 4 * 200
    for (run, seed, step, amount), group in frame.groupby(["run", "seed", "checkpoint", "amount"]):
        with h5py.File(results / run / f"seed{seed}" / f"s0_returns_{step}.h5") as file:
            name = f"{layouts.KIND}/{amount}/200"
            np.testing.assert_array_equal(group["return"], file[f"und_returns/{name}"][:])
            np.testing.assert_array_equal(group["discounted_return"], file[name][:])
        assert group["sample"].tolist() == list(range(200))
        assert group["length"].isna().all(), "these files have none"
    assert set(frame["amount"]) == {"0.0003", "own"}


def test_frames_of_paths_and_slices_equal_the_files(results: Path) -> None:
    frame = frame_of(results, "paths")
    keys = ["other_run", "kind", "num_samples", "learner_from"]
    assert sorted(frame.groupby(keys).size().items()) == [
        (("calm", "init_parameter", 40, ""), 40 * 11),
        (("calm", "none", 1, ""), 11),
        (("noisy", "td3_optimization", 3, "2"), 3 * 11),
    ]
    part = frame[(frame["other_run"] == "noisy")]
    with h5py.File(results / "calm/seed0/policy_interpolation_purd.h5") as file:
        group = file["calm/0/50000/noisy/0/50000/11"]
        returns = group["td3_optimization/learner_from_2/returns/0.1/3"][:]
        table = part.pivot(index="sample", columns="point", values="return")
        np.testing.assert_array_equal(table.to_numpy(), returns)
        np.testing.assert_array_equal(part.query("sample == 0")["alpha"], group["alpha"][:])
    frame = frame_of(results, "slices")
    with h5py.File(results / "calm/seed0/landscape_slice.h5") as file:
        group = file["50000/random0_radius1.0/7x5/init_parameter/0.0003/3"]
        assert len(frame) == 7 * 5 * 3
        for sample in range(3):
            table = frame[frame["sample"] == sample].pivot(index="x", columns="y", values="return")
            np.testing.assert_array_equal(table.to_numpy(), group["returns"][:, :, sample])
            np.testing.assert_array_equal(table.index, group["x"][:])
            np.testing.assert_array_equal(table.columns, group["y"][:])


def test_frames_of_walks_and_roll_outs_equal_the_files(results: Path) -> None:
    frame, samples = frame_of(results, "walks"), frame_of(results, "walk_purds")
    fresh = frame_of(results, "walk_fresh")
    with h5py.File(results / "calm/seed0/td3_reject_ltp_50000.h5") as file:
        for seed, steps in ((0, 10), (1, 4)):
            group = file[f"0.1cvar/1check/{steps}steps/seed{seed}"]
            part = frame[frame["walk_seed"] == seed]
            assert part["accepted"].tolist() == group["accepted"][:].tolist()
            np.testing.assert_array_equal(part["mean"], group["means"][:])
            assert (part["max_steps"] == steps).all()
            table = samples[samples["walk_seed"] == seed].pivot(index="proposal", columns="sample", values="return")
            np.testing.assert_array_equal(table.to_numpy(), group["purds"][:])
        assert len(samples) == 11 * 200 + 5, "what was not sampled is no row"
        for policy in ("root", "improved", "control"):
            part = fresh[fresh["policy"] == policy]
            np.testing.assert_array_equal(part["return"], file["0.1cvar/1check/10steps/seed0/fresh"][policy][:])
        assert len(fresh) == 3 * 200
    frame = frame_of(results, "trajectories")
    with h5py.File(results / "calm/seed0/trajectories_50000.h5") as file:
        group = file[f"{layouts.KIND}/{layouts.AMOUNT}/200/median0"]
        for index, axis in enumerate("xyz"):
            table = frame.pivot(index="step", columns="link", values=axis)
            np.testing.assert_array_equal(table.to_numpy(), group["positions"][:, :, index])
        assert (frame["qw"] == 1).all() and (frame[["qx", "qy", "qz"]] == 0).all(axis=None)
        assert set(frame["sample"]) == {3}
        np.testing.assert_allclose(frame.query("link == '0'")["time"], 0.008 * np.arange(1, 7))
        np.testing.assert_array_equal(frame_of(results, "rewards")["reward"], group["rewards"][:])


def test_a_record_gives_its_own_frame(results: Path) -> None:
    found = storage.find_measurements(storage.open_run(results, "calm"))
    first = found.purds[0].to_dataframe()
    assert len(first) == 200
    pd.testing.assert_frame_equal(first, frame_of(results, "purds").iloc[:200])
    assert len(found.paths[0].to_dataframe()) + len(found.paths[1].to_dataframe()) <= len(frame_of(results, "paths"))
    assert len(found.slices[0].to_dataframe()) == 7 * 5 * 3
    assert len(found.walks[0].to_dataframe()) and len(found.walks[0].to_dataframe("walk_purds"))
    assert len(found.trajectories[0].to_dataframe("rewards")) == 6
    pd.testing.assert_frame_equal(found.to_dataframe("curves"), frame_of(results, "curves"))
    with pytest.raises(UserError, match="kind=purds: a WalkRecord has walks, walk_purds, walk_fresh"):
        found.walks[0].to_dataframe("purds")
    with pytest.raises(UserError, match="kind=purd: must be one of curves, "):
        found.to_dataframe("purd")


def test_csv_files_read_back_are_the_frames(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calm", "noisy", "--out", str(tmp_path / "out"), "--results-dir", str(results)]) == 0
    assert str(tmp_path / "out" / "purds.csv") in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{kind}.csv" for kind in KINDS}
    for kind in KINDS:
        frame = frame_of(results, kind, ["calm", "noisy"])
        words = {name: str for name in ("amount", "learner_from", "link") if name in frame}
        path = tmp_path / "out" / f"{kind}.csv"
        back = pd.read_csv(path, dtype=words, keep_default_na=False, na_values=["nan"])
        pd.testing.assert_frame_equal(back, frame, check_exact=True, check_dtype=False)


def test_only_some_kinds_and_the_folder_of_the_run(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calm", "--only", "curves,purds", "rewards", "--results-dir", str(results)]) == 0
    folder = results / "calm" / "export"
    assert {path.name for path in folder.iterdir()} == {"curves.csv", "purds.csv", "rewards.csv"}
    assert main(["noisy", "--only", "purds", "walks", "--results-dir", str(results)]) == 0
    assert capsys.readouterr().err == "noisy: no walks\n"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["calm", "--only", "purd"], "error: --only=purd: did you mean purds? There are curves, episodes"),
        (["calm", "--only", "xyz"], "error: --only=xyz: must be some of curves, episodes"),
        (["clam"], "error: run=clam: there is no such run in "),
        (["noisy", "--only", "walks"], "error: run=noisy: there is nothing to export of walks"),
        (["calm", "--out", "/proc/export"], "error: --out=/proc/export/curves.csv: cannot be written: "),
        (["calm", "--out", __file__], "error: --out="),
    ],
)
def test_a_mistake_is_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([*arguments, "--results-dir", str(results)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(said)
    assert (out, len(err.splitlines())) == ("", 1)


def test_a_damaged_file_is_named_and_the_rest_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = layouts.make_run(tmp_path)
    layouts.add_purd(run, 0, 50_000)
    layouts.add_purd(run, 1, 50_000).write_bytes(b"no HDF5")
    with pytest.warns(UserWarning, match=r"left out: .*seed1/s0_returns_50000\.h5"):
        assert len(frame_of(tmp_path, "purds")) == 200
    assert main(["calm", "--results-dir", str(tmp_path)]) == 0
    assert "seed1/s0_returns_50000.h5" in capsys.readouterr().err
    run.curves_path.write_bytes(b"no HDF5")
    with pytest.warns(UserWarning, match="left out: ") as warned:
        assert len(frame_of(tmp_path, "curves")) == 0
    assert ["curves.h5" in str(each.message) for each in warned] == [False, True]
    assert main(["calm", "--results-dir", str(tmp_path)]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 2
    with pytest.raises(UserError, match="run"):
        frame_of(tmp_path, "curves", "clam")


def test_pandas_is_imported_only_when_a_frame_is_asked_for_and_its_absence_is_one_line(results: Path) -> None:
    program = (
        "import sys, landscapes\n"
        "from landscapes import storage\n"
        "from landscapes.export.__main__ import main\n"
        f"assert main(['calm', '--only', 'purds', '--results-dir', {str(results)!r}]) == 0\n"
        f"found = storage.find_measurements(storage.open_run(storage.results_directory({str(results)!r}), 'calm'))\n"
        "assert 'pandas' not in sys.modules\n"
        "sys.modules['pandas'] = None\n"
        "try:\n"
        "    found.purds[0].to_dataframe()\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "data frames need pandas: pip install pandas"
