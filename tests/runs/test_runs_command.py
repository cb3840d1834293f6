"""`python -m landscapes.runs`: what it says of runs that never were, from their files alone."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import h5py
import layouts
import numpy as np
import pytest

from landscapes import statistics, storage
from landscapes.runs.__main__ import main

RECORD = {
    "experiment": "train_td3",
    "status": "finished",
    "random_seed": 7,
    "environment": {"name": "hopper", "backend": "spring", "episode_length": 1000},
    "algorithm": {"name": "td3", "config": {"actor_lr": 0.0003}},
    "versions": {"jax": "0.10.2"},
    "git": {"commit": "020772d", "dirty": True},
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "results"
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(path))
    return path


def make_run(results: Path, name: str, num_seeds: int = 2, **changes: object) -> storage.Run:
    config = {"experiment": {"steps": 200_000}}
    run = layouts.make_run(results, name, num_seeds, **{**RECORD, "config": config, **changes})
    for seed in range(num_seeds):
        run.seed_directory(seed).mkdir()
        for step in (50_000, 100_000):
            run.checkpoint_path(seed, step).touch()
    return run


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What the command prints to stdout and stderr."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def line(out: str, start: str) -> str:
    (found,) = (x for x in out.splitlines() if x.startswith(start))
    return " ".join(found.split())


def entries(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# The list


def test_a_run_is_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(results, "calm")
    for step in (50_000, 100_000):
        layouts.add_purd(run, 1, step)
    layouts.add_purd(run, 1, step, kind="action", amount="0.1")
    layouts.add_purd(run, 1, step, kind="action", amount="0.2")
    layouts.add_walk(run)
    layouts.add_path(run, ("calm", 0, 50_000), ("calm", 0, 100_000))
    layouts.add_slice(run)
    layouts.add_trajectory(run)
    make_run(results, "half", status="stopped", diverged={"1": 60_000})
    out, err = told(capsys)
    assert not err
    assert line(out, "calm") == (
        "calm td3 hopper (spring) 2 200,000 2 (50000 .. 100000) finished "
        "action 0.1, 0.2 x200; td3_optimization 0.0003 x200 at 2 policies, "
        "walks from 1 policy, roll-outs of 1 policy, paths, slices"
    )
    assert line(out, "half") == (
        "half td3 hopper (spring) 2 100,000+ of 200,000 2 (50000 .. 100000) stopped, 1 diverged"
    )


@pytest.mark.parametrize("key", ["max_steps", "total_timesteps"])
def test_the_length_of_a_run_of_an_earlier_version_is_known(
    key: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(results, "old", config={"experiment": {key: 200_000}})
    assert entries(told(capsys, "--csv", "-")[0])[0]["steps"] == "200000"


def test_a_run_that_began_at_another_is_counted_in_updates(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(results, "child", 1, parent={"run": "calm", "seed": 1, "step": 50_000})
    out, _ = told(capsys)
    assert "100,000 updates" in line(out, "child")
    (entry,) = entries(told(capsys, "--csv", "-")[0])
    assert (entry["parent"], entry["steps"]) == ("calm/1/50000", "")
    shown = " ".join(told(capsys, "child")[0].split())
    assert "began at calm/1/50000" in shown and "told steps=200000" in shown


def test_what_is_no_run_is_named_and_the_rest_listed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(results, "calm")
    layouts.add_purd(run).write_bytes(b"not HDF5")
    make_run(results, "torn").path.joinpath("run.json").write_text("{")
    make_run(results, "bare", experiment=None, environment=3, algorithm=None, config=[], parent="calm", diverged=None)
    (results / "notes").mkdir()
    (results / ".hidden").mkdir()
    (results / "sweeps").mkdir()
    (results / "file.txt").touch()
    out, err = told(capsys)
    assert [x.split()[0] for x in out.splitlines()[3:]] == ["bare", "calm"]
    assert [x.partition(":")[0] for x in err.splitlines()] == ["notes", "calm", "torn"]
    assert "no run.json" in err and "s0_returns_50000.h5: is not an HDF5 file" in err and "cannot be used" in err
    # As CSV the same: what is wrong goes to stderr.
    out, again = told(capsys, "list", "--csv", "-")
    assert [entry["run"] for entry in entries(out)] == ["bare", "calm"] and again == err


def test_nothing_at_all(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == (f"no runs in {results}\n", "")


def test_the_list_opens_one_file_of_a_run_and_none_for_its_data(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        run = make_run(results, name)
        layouts.add_curves(run)
        for seed in range(2):
            layouts.add_purd(run, seed, 50_000)
        layouts.add_purd(run, 1, 50_000, kind="action")
    read: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or read_bytes(path))  # type: ignore[func-returns-value]
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)
    out, _ = told(capsys)
    assert [path.relative_to(results) for path in read] == [
        Path(name) / "seed1" / "s0_returns_50000.h5" for name in ("one", "two")
    ]
    assert out.count("action") == 2


def test_starting_imports_nothing_slow() -> None:
    program = (
        "import landscapes.runs.__main__, sys; print({'jax', 'matplotlib', 'hydra', 'wandb'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# One run


def test_show_tells_settings_curve_and_every_checkpoint(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(results, "calm", 4, diverged={"3": 60_000})
    returns = np.arange(36.0).reshape(9, 4)
    returns[:, 3] = np.nan
    storage.write_hdf5(run.curves_path, {"steps": np.arange(9) * 25_000, "returns": returns.astype(np.float32)}, {})
    values = layouts.purd(3)
    layouts.add_purd(run, 1, 100_000, values)
    out, err = told(capsys, "show", "calm")
    assert not err
    for words in ("algorithm td3", "settings actor_lr=0.0003", "seeds 4, from random seed 7", "versions jax 0.10.2"):
        assert words in " ".join(out.split())
    assert "seed 3 by step 60000" in out and "020772d, changed since" in out and str(run.path) in out
    assert "3 seeds, 6 of 9 evaluations" in out
    low, high = statistics.iqm_interval(returns[-1, :3])
    assert line(out, "200000") == f"200000 33.0 ({low:.1f} .. {high:.1f}) 32.0 34.0"
    summary = statistics.summarize(values)
    cells = [
        f"{summary[x]:.1f} ({summary[f'{x}_low']:.1f} .. {summary[f'{x}_high']:.1f})" for x in ("mean", "std", "cvar")
    ]
    measured = line(out, "   1   100000 (best)")
    assert measured.startswith(f"1 100000 (best) td3_optimization 0.0003 200 {cells[0]} {cells[1]}")
    assert measured.endswith(cells[2])
    assert out.count("not measured") == 7
    assert told(capsys, "calm") == (out, "")


def test_show_tells_walks_paths_slices_and_rollouts(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(results, "calm")
    layouts.add_walk(run, control=False)
    layouts.add_path(run, ("calm", 0, 50_000), ("other", 1, 7))
    layouts.add_slice(run)
    layouts.add_trajectory(run)
    out, _ = told(capsys, "calm", "--no-intervals")
    # Of ten proposals every third is accepted in this layout.
    mean = statistics.mean(layouts.purd(len("improved")))
    improved = next(x for x in out.splitlines() if "improved" in x)
    assert " ".join(improved.split()).startswith(f"0 50000 0.1cvar/1check/10steps/seed0 3 of 10 improved {mean:.1f} ")
    assert "control" not in out and " .. " not in out
    flat = " ".join(out.split())
    assert "other/1/7 calm/0/50000 11 init_parameter 0.0003 40" in flat
    assert "calm/0/50000 random0_radius1.0 7 x 5 init_parameter 0.0003 30" in flat
    assert "calm/0/50000 td3_optimization 0.0003 200 median 0" in flat


def test_a_damaged_file_is_named_and_the_rest_shown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(results, "calm")
    layouts.add_purd(run, 0, 50_000)
    for path in (layouts.add_purd(run, 1, 100_000), layouts.add_curves(run)):
        image = bytearray(path.read_bytes())
        image[-1] ^= 1
        path.write_bytes(image)
    out, err = told(capsys, "calm")
    assert err.count("\n") == 2 and "curves.h5" in err and "s0_returns_100000.h5" in err
    assert line(out, "   0        50000").startswith("0 50000 td3_optimization")
    assert "Return in training" not in out


# Several runs


def test_compare_puts_side_by_side_what_both_have(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = (make_run(results, name) for name in ("one", "two", "three"))
    for run in (one, two):
        layouts.add_curves(run)
        layouts.add_purd(run, 0, 100_000)
        layouts.add_purd(run, 1, 50_000)
    layouts.add_purd(one, 0, 50_000, kind="action", amount="0.1")
    layouts.add_purd(two, 0, 50_000, kind="action", amount="0.2")
    layouts.add_purd(three, 0, 50_000, amount="0.001")
    out, _ = told(capsys, "compare", "two", "one", "three", "--no-intervals")
    returns, _, purds = out.partition("PURDs of the same kind")
    assert [line(returns, name).split()[0] for name in ("two", "one", "three")] == ["two", "one", "three"]
    with h5py.File(one.curves_path) as file:
        last = file["returns"][-1]
    low, high = statistics.iqm_interval(last)
    assert line(returns, "one").endswith(f"200,000 {statistics.interquartile_mean(last):.1f} ({low:.1f} .. {high:.1f})")
    rows = [x.split()[:6] for x in purds.splitlines() if "td3_optimization" in x]
    settings = ["td3_optimization", "0.0003", "200"]
    assert rows == [
        ["two", "0", "100000", *settings],
        ["two", "1", "50000", *settings],
        ["one", "0", "100000", *settings],
        ["one", "1", "50000", *settings],
    ]
    assert "action" not in purds and "0.001" not in purds
    for run in (one, two):
        layouts.add_purd(run, 0, 50_000, amount=storage.OWN_RATE)
    purds = told(capsys, "compare", "two", "one", "--no-intervals")[0].partition("PURDs of the same kind")[2]
    amounts = [x.split()[4] for x in purds.splitlines() if "td3_optimization" in x]
    assert amounts == ["0.0003"] * 4 + ["own"] * 2
    out, _ = told(capsys, "compare", "one", "three")
    assert "no kind and amount is measured in two of them" in out


# CSV


def test_every_number_of_runs_is_exported(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = make_run(results, "one"), make_run(results, "two")
    layouts.add_curves(one, num_steps=3)
    layouts.add_purd(one, 1, 100_000)
    layouts.add_walk(two)
    path = tmp_path / "numbers.csv"
    out, _ = told(capsys, "export", "one", "two", "--csv", str(path))
    assert str(path) in out
    rows = entries(path.read_text())
    assert len([x for x in rows if x["measured"] == "return in training"]) == 3
    summary = statistics.summarize(layouts.purd(100_000))
    found = {x["statistic"]: x for x in rows if x["measured"] == "purd"}
    assert {f"{name}{end}" for name in found for end in ("", "_low", "_high")} == summary.keys() - {"num_samples"}
    for name, entry in found.items():
        assert (entry["run"], entry["seed"], entry["checkpoint"], entry["num_samples"]) == ("one", "1", "100000", "200")
        assert float(entry["value"]) == summary[name] and float(entry["low"]) == summary[f"{name}_low"]
    assert {x["measured"] for x in rows if x["run"] == "two"} == {
        f"fresh purd, {x}" for x in ("root", "improved", "control")
    }
    assert told(capsys, "export", "one", "two")[0] == path.read_text()
    assert told(capsys, "show", "one", "--csv", "-")[0] == "".join(
        x for x in path.read_text().splitlines(keepends=True) if not x.startswith("two")
    )


def test_the_list_is_exported(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layouts.add_purd(make_run(results, "calm"))
    (entry,) = entries(told(capsys, "export")[0])
    assert entry["purds"] == "td3_optimization 0.0003 x200"
    assert [entry[x] for x in ("run", "backend", "num_seeds", "steps", "purd_files", "walk_files")] == [
        "calm",
        "spring",
        "2",
        "200000",
        "1",
        "0",
    ]


def test_a_file_that_cannot_be_written_is_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(results, "calm")
    target = tmp_path / "not" / "there" / "list.csv"
    assert main(["--csv", str(target)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"--csv={target}: cannot be written") and error.count("\n") == 1
    assert not (tmp_path / "not").exists()


# Mistakes


def test_a_run_that_is_not_there_is_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(results, "calm")
    assert main(["show", "clam"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("run=clam: ") and "calm" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["show"], ["show", "a", "b"], ["compare", "a"], ["compare", "a", "a"], ["list", "a"]]
)
def test_a_command_with_the_wrong_number_of_names_is_refused(
    words: list[str], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"{words[0]} wants" in capsys.readouterr().err
