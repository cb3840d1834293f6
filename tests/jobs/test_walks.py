"""Rejection end to end on a point mass: what a walk writes, prints and goes on from."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import trees
from tiny_runs import CHECKPOINTS, UPDATE, ending_at, purd, returns, stored_steps, walk

from landscapes import statistics, storage
from landscapes.studies import measurement

pytestmark = pytest.mark.usefixtures("shared_programs")


REPEATS = pytest.mark.slow
"""What shows the same for another algorithm or option as the case beside it."""


@pytest.mark.parametrize(
    "name, heuristic",
    [
        *(("td", "cvar"), ("sa", "ltp"), ("pp", "none")),
        *(
            pytest.param(name, heuristic, marks=REPEATS)
            for name, heuristic in [
                ("td", "ltp"),
                ("td", "none"),
                ("sa", "cvar"),
                ("sa", "none"),
                ("pp", "cvar"),
                ("pp", "ltp"),
            ]
        ),
    ],
)
def test_a_walk_leaves_a_run_that_is_measured_like_any_other(
    results: Path, name: str, heuristic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = CHECKPOINTS[name][-1]
    assert walk(results, name, f"experiment.heuristic={heuristic}") == 0
    out = capsys.readouterr().out
    label = {"cvar": "0.1cvar", "none": "noreject"}.get(heuristic, heuristic)
    with h5py.File(results / name / "seed0" / f"td3_reject_ltp_{step}.h5") as file:
        group = file[f"{label}/1check/4steps/seed0"]
        assert group["purds"].shape == (5, 6)
        accepted, updates = group["accepted"][:], group["num_updates"][:]
        assert accepted[0]
        np.testing.assert_array_equal(updates, np.cumsum(accepted) - 1)
        if heuristic == "none":
            assert accepted.all()
        if heuristic == "cvar":
            np.testing.assert_array_equal(accepted[1:], group["cvars"][1:] >= group["incumbent_cvars"][1:])
        np.testing.assert_allclose(group["means"][:], group["purds"][:].mean(1), rtol=1e-5)
        np.testing.assert_allclose(group["cvars"][:], [statistics.cvar(x, 0.1) for x in group["purds"][:]], rtol=1e-5)
        assert {"root", "improved", "control"} == set(group["fresh"])
        if updates[-1] == 0:
            np.testing.assert_array_equal(group["fresh/root"][:], group["fresh/improved"][:])
    assert f"{int(updates[-1])} updates applied" in out
    child = f"{name}_s0_c{step}_{label}_0"
    record = json.loads((results / child / "run.json").read_text())
    assert record["parent"] == {"run": name, "seed": 0, "step": step, "id": storage.open_run(results, name).id}
    assert sorted({0, int(updates[-1])}) == stored_steps(results, child)
    assert purd(results, child, "experiment.ckpt_indexes=[0]", kind=UPDATE[name]) == 0
    assert purd(results, name) == 0
    # The child's root is the parent's checkpoint: data, moments and all.
    np.testing.assert_array_equal(
        returns(results, child, 0, f"{UPDATE[name]}/0.001/6"), returns(results, name, step, f"{UPDATE[name]}/0.001/6")
    )


def test_a_purd_that_was_ended_goes_on_from_its_last_block(results: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(results, tmp_path / "whole"))
    blocks = ["experiment.batch_size=2", "experiment.eval_episodes=6"]
    assert purd(whole, "td", *blocks) == 0
    for call in (2, 1):  # of three blocks one is left; it is the only one that is measured again
        with pytest.MonkeyPatch.context() as once:
            once.setattr(measurement, "make_measure", ending_at(call))
            assert purd(results, "td", *blocks) == (130 if call == 2 else 0)
        waiting = list((results / "td" / "seed0" / "unfinished").glob("*.h5"))
        assert len(waiting) == (1 if call == 2 else 0)
    one, two = (
        storage.read_hdf5(folder / "td" / "seed0" / "s0_returns_60.h5", "file")[0] for folder in (whole, results)
    )
    trees.assert_same(one, two)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], marks=REPEATS),
        ["experiment.store_every=1", "experiment.remeasure_incumbent=true"],
    ],
)
def test_a_walk_that_was_ended_goes_on_to_the_same_results(
    results: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options, "run_name=walk", "experiment.heuristic=none", "save_interval=1e-6"]
    whole = Path(shutil.copytree(results, tmp_path / "whole"))
    assert walk(whole, "td", *options) == 0
    ends = 0
    while True:
        with pytest.MonkeyPatch.context() as once:
            once.setattr(measurement, "make_measure", ending_at(2))
            if walk(results, "td", *options) == 0:
                break
        ends += 1
    assert ends >= 3
    assert "goes on after 2 of at most" in capsys.readouterr().out
    assert stored_steps(results, "walk") == stored_steps(whole, "walk")
    files = sorted(
        p.relative_to(whole) for p in [*(whole / "walk" / "seed0").glob("*.h5"), *whole.glob("td/seed0/td3*.h5")]
    )
    assert len(files) >= 3
    for file in files:
        one, two = (storage.read_hdf5(folder / file, "file")[0] for folder in (whole, results))
        trees.assert_same(one, two)
    assert walk(results, "td", *options) == 0
    assert "run walk is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option, label", [("common_random_numbers", "0.1cvar_crn"), ("remeasure_incumbent", "0.1cvar_remeasured")]
)
def test_walks_with_options_are_kept_apart(results: Path, option: str, label: str) -> None:
    assert walk(results, "td", f"experiment.{option}=true", "experiment.check_interval=3") == 0
    with h5py.File(results / "td" / "seed0" / "td3_reject_ltp_60.h5") as file:
        group = file[f"{label}/3check/4steps/seed0"]
        assert group["purds"].shape == (3, 6)  # the root, three updates, and the one that is left


def test_a_walk_may_refuse_before_all_samples_are_taken(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["experiment.eval_episodes=90", "experiment.episode_length=4", "experiment.fresh_purds=0"]
    assert walk(results, "td", *options, "experiment.sequential_error=0.1") == 0
    out = capsys.readouterr().out
    with h5py.File(results / "td" / "seed0" / "td3_reject_ltp_60.h5") as file:
        group = file["0.1cvar_seq0.1/1check/4steps/seed0"]
        purds, taken, accepted = group["purds"][:], group["num_samples"][:], group["accepted"][:]
        assert "nan beyond num_samples" in group["purds"].attrs["axes"]
    assert purds.shape == (5, 90) and {*taken} <= {64, 90}
    np.testing.assert_array_equal(np.isfinite(purds).sum(axis=1), taken)
    assert taken[0] == 90 and (taken[accepted] == 90).all()
    assert "after 64 samples, error at most 0.1" in out
    assert f"{int((taken < 90).sum())} refused early: {int(taken[1:].sum())} of 360 samples" in out
    assert "450/450 samples (100.0 %)" in out


def test_a_walk_whose_save_holds_parts_is_not_gone_on_with(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts of measurements, as the first version saved them, would be taken for measurements that ended early."""
    options = ["run_name=walk", "experiment.sequential_error=0.1", "save_interval=1e-6"]
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement, "make_measure", ending_at(2))
        assert walk(results, "td", *options) == 130
    run = storage.open_run(results, "walk")
    save = storage.read_save(run)
    assert save is not None
    storage.write_save(run, save.datasets, {})
    assert walk(results, "td", *options) == 2
    assert "run_name=walk: was stopped by an earlier version" in capsys.readouterr().err
    assert walk(results, "td", *options, "overwrite=true") == 0
