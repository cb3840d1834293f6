"""What TensorBoard, pandas and wandb have of real jobs: a training that was stopped and went on, and studies of it.

Knows the readers that users have; the numbers to compare with are in the jobs' own result files.
"""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import landscapes
from landscapes import storage, training
from landscapes.config.launch import run_entry_point
from landscapes.export.__main__ import main as export

pytestmark = pytest.mark.usefixtures("shared_programs")

TRAIN = [
    "env=tests.support.probes.line",
    "steps=60",
    "start_training=20",
    "episode_length=10",
    "log_interval=10",
    "eval_interval=20",
    "eval_episodes=3",
    "eval_episode_length=10",
    "checkpoints=[40,60]",
    "num_seeds=2",
    "hidden_dims=[8,8]",
]
LOCAL = ["use_wandb=false", "tensorboard=true", "csv=true"]


def run(results: Path, entry_point: str, *settings: str) -> int:
    return run_entry_point(entry_point, [*settings, f"results_dir={results}"])


def stopped_at(call: int, error: type[Exception] | None = None) -> Callable[[Any], training.Trainer]:
    """A `make_trainer` whose trainer is asked to stop when it is called for that time, or fails."""
    make, calls = training.make_trainer, iter(range(10**9))

    def stopped(agent: Any) -> training.Trainer:
        trainer = make(agent)

        def advance(*arguments: Any) -> Any:
            if next(calls) == call:
                if error is not None:
                    raise error
                signal.raise_signal(signal.SIGTERM)
            return trainer.advance(*arguments)

        return trainer._replace(advance=advance)

    return stopped


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`broken`, a training that went on; `crashed`, one that was not saved and began again; `whole`, the same without a
    break, and a study of two of its policies."""
    folder = tmp_path_factory.mktemp("tracked")
    settings = ["experiment=train_td3", *TRAIN]
    with pytest.MonkeyPatch.context() as once:
        once.setattr(training, "make_trainer", stopped_at(4))
        assert run(folder, "run_algorithm", *settings, *LOCAL, "run_name=broken") == 143
    assert run(folder, "run_algorithm", *settings, *LOCAL, "run_name=broken") == 0
    with pytest.MonkeyPatch.context() as once:
        once.setattr(training, "make_trainer", stopped_at(4, MemoryError))
        assert run(folder, "run_algorithm", *settings, *LOCAL, "run_name=crashed") == 1
    assert len(pd.read_csv(folder / "crashed" / "metrics.csv"))
    assert run(folder, "run_algorithm", *settings, *LOCAL, "run_name=crashed") == 0
    assert run(folder, "run_algorithm", *settings, *LOCAL, "run_name=whole") == 0
    measure = [
        "run=whole",
        "noise_type=action",
        "noise_amounts=[0.1]",
        "eval_episodes=8",
        "experiment.episode_length=5",
    ]
    for checkpoint in (60, 40):
        assert run(folder, "eval_policy", *measure, *LOCAL, f"checkpoints=[{checkpoint}]", "tqdm=false") == 0
    return folder


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), {"scalars": 0, "histograms": 0}, purge_orphaned_data=False)
    accumulator.Reload()
    return accumulator


def test_tensorboard_and_csv_have_the_curves_of_the_run_once(results: Path) -> None:
    for name in ("broken", "crashed", "whole"):
        curves, metrics = landscapes.to_dataframe(name, "curves", results), pd.read_csv(results / name / "metrics.csv")
        assert not metrics.duplicated(["step", "seed", "name"]).any()
        found = events(results / name / "tensorboard")
        for seed in (0, 1):
            wanted = curves[curves["seed"] == seed]
            told = metrics.query("name == 'return' and seed == @seed")
            assert told["step"].tolist() == wanted["step"].tolist() == [0, 20, 40, 60]
            np.testing.assert_allclose(told["value"], wanted["return"], rtol=1e-6)
            shown = found.Scalars(f"seed{seed}/return")
            assert [each.step for each in shown] == wanted["step"].tolist()
            np.testing.assert_allclose([each.value for each in shown], wanted["return"], rtol=1e-6)
        means = metrics.query("name == 'return/mean'")
        assert means["seed"].isna().all()
        np.testing.assert_allclose(means["value"], curves.groupby("step")["return"].mean(), rtol=1e-6)
    for name in ("broken", "crashed"):
        pd.testing.assert_frame_equal(
            pd.read_csv(results / name / "metrics.csv"), pd.read_csv(results / "whole" / "metrics.csv")
        )


def test_studies_of_checkpoints_are_one_curve(results: Path) -> None:
    (path,) = (results / "whole").glob("metrics_*.csv")
    metrics = pd.read_csv(path)
    purds = landscapes.to_dataframe("whole", "purds", results)
    means = purds.groupby("checkpoint")["return"].mean()
    told = metrics[metrics["name"] == "PURD mean (0.1)"].sort_values("step")
    assert told["step"].tolist() == means.index.tolist() == [40, 60]
    assert set(told["seed"]) == {0}
    np.testing.assert_allclose(told["value"], means, rtol=1e-6)
    found = events(results / "whole" / "tensorboard" / path.stem.removeprefix("metrics_"))
    assert sorted(each.step for each in found.Scalars("PURD mean (0.1)")) == [40, 60]
    assert sorted(each.step for each in found.Histograms("PURD (0.1)")) == [40, 60]
    assert purds["length"].between(1, 5).all()


def test_plan_and_end_say_where_the_metrics_are(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["experiment=train_td3", *TRAIN, "num_seeds=1", "run_name=calm", "wandb.per_seed=true"]
    assert run(tmp_path, "run_algorithm", *settings, "tensorboard=true", "csv=true") == 0
    plan, end = capsys.readouterr().out.split("Wrote ")
    calm = tmp_path / "calm"
    (row,) = [line.split(maxsplit=1)[1] for line in plan.splitlines() if line.strip().startswith("metrics: ")]
    places = f"TensorBoard ({calm / 'tensorboard'}), CSV ({calm / 'metrics.csv'})"
    assert row == f"wandb (offline, a run for each seed), {places}"
    lines = end.splitlines()
    assert f"wandb: wandb sync {calm / 'wandb'}" in lines
    assert f"tensorboard: tensorboard --logdir {calm / 'tensorboard'}" in lines
    assert f"csv: {calm / 'metrics.csv'}" in lines
    id = storage.open_run(tmp_path, "calm").record["wandb_id"]
    assert list(calm.glob(f"wandb/offline-run-*/run-{id}-seed0.wandb"))


def test_what_is_exported_of_real_runs_reads_back(results: Path, tmp_path: Path) -> None:
    assert export(["broken", "whole", "--out", str(tmp_path / "out"), "--results-dir", str(results)]) == 0
    kinds = {path.stem for path in (tmp_path / "out").iterdir()}
    assert kinds == {"curves", "episodes", "training", "purds"}
    for kind in kinds:
        frame = landscapes.to_dataframe(["broken", "whole"], kind, results)
        back = pd.read_csv(tmp_path / "out" / f"{kind}.csv", dtype={"amount": str} if kind == "purds" else None)
        pd.testing.assert_frame_equal(back, frame, check_exact=True, check_dtype=False)


def test_walks_paths_slices_and_clones_are_tracked_and_exported(results: Path, tmp_path: Path) -> None:
    small = ["eval_episodes=4", "experiment.episode_length=5", "tqdm=false"]
    root = ["root=whole/0/60", *LOCAL]
    assert run(results, "improve_ltp", "experiment=reject_ltp", *root, *small, "max_steps=2", "run_name=walk") == 0
    pair = ["run=whole", "checkpoints=[40,60]", "same_seed=true", "first_half=true", "num_points=3"]
    paths = ["experiment=policy_interpolation_seed", *pair, "num_purd_samples=2", "experiment.episode_length=5"]
    assert run(results, "eval_policy", *paths, *LOCAL, "tqdm=false") == 0
    grid = ["num_x=3", "num_samples=2", "experiment.episode_length=5", "tqdm=false"]
    assert run(results, "eval_policy", "experiment=landscape_slice", *root, *grid) == 0
    cloning = ["max_steps=20", "ckpt_steps=[20]", "eval_interval=20", "eval_episodes=2", "num_seeds=2", "batch_size=4"]
    clone = ["experiment=train_bc", *root, *cloning, "eval_episode_length=5", "log_interval=10", "run_name=clone"]
    assert run(results, "run_algorithm", *clone, "tqdm=false") == 0

    walk = landscapes.to_dataframe("walk", "walks", results)
    metrics = pd.read_csv(results / "walk" / "metrics.csv").pivot(index="step", columns="name", values="value")
    assert metrics.index.tolist() == walk["proposal"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(metrics["PURD mean"], walk["mean"])
    assert metrics["accepted"].astype(bool).tolist() == walk["accepted"].tolist()
    returns = landscapes.to_dataframe("walk", "walk_purds", results)
    np.testing.assert_allclose(returns.groupby("proposal")["return"].mean(), walk["mean"], rtol=1e-6)
    shown = events(results / "walk" / "tensorboard")
    assert [each.step for each in shown.Histograms("PURD")] == [0, 1, 2]

    on_path = landscapes.to_dataframe("whole", "paths", results)
    noisy = on_path[on_path["num_samples"] == 2]
    ends = noisy.groupby("point")["return"].mean()
    metrics = pd.read_csv(results / "whole" / "metrics_whole-s0-paths.csv").set_index("name")["value"]
    np.testing.assert_allclose([metrics["return 2"], metrics["return 1"]], ends.iloc[[0, -1]], rtol=1e-6)
    assert len(landscapes.to_dataframe("whole", "slices", results)) == 3 * 2 * len(
        landscapes.to_dataframe("whole", "slices", results)["y"].unique()
    )
    assert pd.read_csv(results / "whole" / "metrics_whole-s0-slice.csv")["name"].tolist() == ["share in the left tail"]
    metrics = pd.read_csv(results / "clone" / "metrics.csv")
    assert set(metrics["name"]) == {"return", "return/mean", "return/iqm", "loss", "held_out_loss"}
    assert set(metrics["seed"].dropna()) == {0, 1}
    out = tmp_path / "out"
    assert export(["whole", "walk", "clone", "--out", str(out), "--results-dir", str(results)]) == 0
    assert {"walks", "walk_purds", "walk_fresh", "paths", "slices", "purds"} <= {path.stem for path in out.iterdir()}
