"""`python -m landscapes.figures`: what it finds in run folders, what goes together, what it says of what is missing.

Knows the layout of result files and the arguments of the command; the pictures are looked at elsewhere.
"""

import shlex
from pathlib import Path

import layouts
import numpy as np
import pytest

from landscapes.config.compose import compose_job
from landscapes.figures.__main__ import main
from landscapes.figures.gallery import KINDS, Source, plan
from landscapes.storage import Run, create_run, find_measurements, merge_hdf5, open_run

HOPPER = {"environment": {"name": "hopper", "backend": "spring"}, "algorithm": {"name": "td3"}}


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "r\u00e9sultats d'or [a=b, c] ${x}"
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(folder))
    return folder


def with_everything(results: Path, name: str = "calm") -> Run:
    run = layouts.make_run(results, name, **HOPPER)
    layouts.add_curves(run)
    layouts.add_purd(run, 0, 50_000, layouts.purd(0))
    layouts.add_purd(run, 1, 50_000, layouts.purd(0) + 10 * np.sin(np.arange(200, dtype=np.float32)))
    layouts.add_path(run, (name, 0, 50_000), (name, 1, 50_000))
    layouts.add_slice(run, 1, num_y=1)
    layouts.add_walk(run)
    return run


def planned(*runs: Run, only: list[str] | None = None) -> list[str]:
    return [drawing.name for drawing in plan([Source(run, find_measurements(run)) for run in runs], only)[0]]


def test_everything_that_was_measured_is_drawn_twice_the_same(results, tmp_path, capsys):
    run = with_everything(results)
    assert main(["calm", "--format", "svg"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in printed] == [
        "learning_curves.svg",
        "purds_td3_optimization_0.0003.svg",
        "mean_std_ltp_td3_optimization_0.0003.svg",
        "paths_init_parameter_0.0003.svg",
        "slice_seed1_50000_random0_radius1.0_7x1_init_parameter_0.0003_30.svg",
        "rejection_seed0_50000_0.1cvar_1check_10steps_seed0.svg",
        "same_mean_pairs_td3_optimization_0.0003.svg",
    ]
    assert sorted(printed) == sorted((run.path / "figures").iterdir())
    assert main(["calm", "--format", "svg", "--out", str(tmp_path / "again")]) == 0
    for path in printed:
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_pdf_and_png_by_default_of_what_is_asked_for(results, capsys):
    run = with_everything(results)
    assert main(["calm", "--only", "learning_curves"]) == 0
    names = sorted(path.name for path in (run.path / "figures").iterdir())
    assert names == ["learning_curves.pdf", "learning_curves.png"]
    assert capsys.readouterr().out.splitlines() == [str(run.path / "figures" / name) for name in names]


def test_what_is_missing_is_said_with_the_command_that_makes_it(results, capsys):
    run = layouts.make_run(results, "16904957", **HOPPER)
    run.seed_directory(0).mkdir()
    for step in (50_000, 150_000):
        run.checkpoint_path(0, step).touch()
    assert main(["16904957", "--results-dir", str(results)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].removeprefix("missing for ") for line in lines] == list(KINDS)
    assert all("16904957: no curves.h5; repeat the command that trained" in line for line in lines[:2])
    for line in lines[2:]:
        python, module, entry_point, *arguments = shlex.split(line.partition("this would make it: ")[2])
        job = compose_job(entry_point, arguments)
        assert (python, module) == ("python", "-m")
        assert job.results_dir == str(results)
        assert "16904957" in str(job.resolved["experiment"])
    assert "ckpt_indexes=[50000,150000] experiment.noise_type=td3_optimization" in lines[2].replace("'", "")
    assert "s0_returns_*.h5" in lines[2] and "policy_interpolation*.h5" in lines[4] and "landscape_slice.h5" in lines[5]


def test_what_only_some_runs_lack_is_said_too(results, capsys):
    with_everything(results)
    layouts.add_curves(layouts.make_run(results, "bare", **HOPPER))
    assert main(["calm", "bare", "--only", "learning_curves", "purds", "--out", str(results / "both")]) == 0
    assert sorted(path.name for path in (results / "both").iterdir()) == [
        "learning_curves.pdf",
        "learning_curves.png",
        "purds_calm_td3_optimization_0.0003.pdf",
        "purds_calm_td3_optimization_0.0003.png",
    ]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("missing"))
    assert line == "missing for purds: bare: no s0_returns_*.h5; it needs a checkpoint, and seed 0 has none yet"


def test_mistakes_are_one_line(results, tmp_path, capsys):
    with_everything(results)
    assert main(["clam"]) == 2
    assert capsys.readouterr().err == f"RUN=clam: there is no such run in {results}; it holds calm\n"
    layouts.make_run(results, "other")
    assert main(["calm", "other"]) == 2
    assert capsys.readouterr().err.startswith("--out=None: ")
    for wrong in (["calm", "--only", "photographs"], ["calm", "--format", "bmp"], []):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
    (tmp_path / "file").touch()
    assert main(["calm", "--only", "learning_curves", "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().out


def test_damage_is_named_and_the_rest_is_drawn(results, capsys):
    run = with_everything(results)
    run.returns_path(0, 50_000).write_text("not HDF5")
    merge_hdf5(run.curves_path, {"steps": np.zeros(3)}, {})
    assert main(["calm", "--only", "learning_curves", "pairs", "paths", "--format", "svg"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("not read: ") and "s0_returns_50000.h5" in said.err
    assert "not drawn: learning_curves: curves=" in said.out
    assert "missing for pairs: calm: no two measured policies" in said.out
    assert (run.path / "figures" / "paths_init_parameter_0.0003.svg").exists()


def test_measured_policies_without_a_pair_are_said(results, capsys):
    run = layouts.make_run(results, **HOPPER)
    for step in (1, 2):
        layouts.add_purd(run, 0, step, np.float32([step, step + 0.1]))
    assert main(["calm", "--only", "pairs"]) == 1
    assert "no two policies that were measured have the same mean" in capsys.readouterr().out


# --- what goes together


def test_pages_of_four_seeds(results):
    run = layouts.make_run(results, num_seeds=6, **HOPPER)
    for seed in range(6):
        layouts.add_purd(run, seed)
    assert planned(run, only=["purds"]) == [
        "purds_td3_optimization_0.0003_seeds0-3",
        "purds_td3_optimization_0.0003_seeds4-5",
    ]


def test_neighbourhoods_and_environments_are_kept_apart(results):
    run = layouts.make_run(results, **HOPPER)
    layouts.add_purd(run)
    layouts.add_purd(run, kind="action", amount="0.1")
    assert planned(run, only=["spread"]) == ["mean_std_ltp_action_0.1", "mean_std_ltp_td3_optimization_0.0003"]
    ant = layouts.make_run(results, "ant", environment={"name": "my.own:ant", "backend": None})
    layouts.add_purd(ant)
    assert planned(run, ant, only=["spread"]) == [
        "mean_std_ltp_hopper-spring_action_0.1",
        "mean_std_ltp_hopper-spring_td3_optimization_0.0003",
        "mean_std_ltp_my.own-ant_td3_optimization_0.0003",
    ]


def arguments_of(name: str, *runs: Run):
    (drawing,) = plan([Source(run, find_measurements(run)) for run in runs], [name])[0]
    return drawing.draw.args, drawing.draw.keywords


def test_of_repeated_measurements_the_largest_is_drawn(results):
    run = layouts.make_run(results, **HOPPER)
    for num_samples in (100, 1000, 200):
        layouts.add_purd(run, returns=layouts.purd(0, num_samples=num_samples))
    (purds,), about = arguments_of("spread", run)
    assert [purd.num_samples for purd in purds] == [1000]
    assert about == {"title": "calm, hopper (spring), td3_optimization 0.0003"}


def test_a_path_is_drawn_once_whichever_end_came_first(results):
    run = layouts.make_run(results, **HOPPER)
    one, two, three = ("calm", 0, 5), ("calm", 0, 8), ("calm", 1, 8)
    for ends in ((one, two), (two, one), (one, three), (one, one)):
        layouts.add_path(run, *ends)
    layouts.add_path(run, one, two, num_points=21)
    (paths,), _ = arguments_of("paths", run)
    assert [(path.one, path.two, path.num_points) for path in paths] == [(one, two, 21), (one, three, 11)]
    # Where an end lends its critic, the directions differ.
    for ends in ((one, two), (two, one)):
        layouts.add_path(run, *ends, noise="td3_optimization/learner_from_1/")
    layouts.add_plain_path(run, one, two)
    assert planned(run, only=["paths"]) == [
        "paths_without_noise",
        "paths_init_parameter_0.0003",
        "paths_td3_optimization_0.1_learner_from_1",
    ]
    last = plan([Source(run, find_measurements(run))], ["paths"])[0][-1].draw
    assert len(last.args[0]) == 2
    assert last.keywords["title"].endswith("td3_optimization 0.1, critic and data of policy 1")


def test_a_path_from_a_policy_to_itself_is_drawn_where_there_is_no_other(results):
    run = layouts.make_run(results, **HOPPER)
    layouts.add_plain_path(run, ("calm", 0, 5), ("calm", 0, 5))
    (paths,), about = arguments_of("paths", run)
    assert len(paths) == 1
    assert about["title"] == "calm, hopper (spring), no perturbation"


def test_a_walk_is_drawn_once_with_its_root_and_its_run(results):
    run = layouts.make_run(results, **HOPPER)
    group = layouts.add_walk(run)
    parent = {"run": "calm", "seed": 0, "step": 50_000}
    record = {"num_seeds": 1, "parent": parent, "rejection": {"group": group}, **HOPPER}
    layouts.add_walk(run, child=create_run(results, "improved", record, False))
    improved = open_run(results, "improved")
    assert planned(run, improved, only=["rejections"]) == ["rejection_calm_" + "seed0_50000_" + group.replace("/", "_")]
    assert planned(improved) == ["rejection_seed0_50000_" + group.replace("/", "_")]
    missing = plan([Source(improved, find_measurements(improved))], ["learning_curves"])[1]
    assert [one.remedy for one in missing] == ["the run of a walk has none"]


def test_norms_of_gradients_are_drawn_where_training_reported_them(results):
    calm, bare = (layouts.make_run(results, name, **HOPPER) for name in ("calm", "bare"))
    layouts.add_curves(bare)
    assert planned(bare, only=["gradients"]) == []
    layouts.add_gradients(calm)
    assert planned(calm, bare, only=["gradients"]) == ["gradients"]
    missing = plan([Source(bare, find_measurements(bare))], ["gradients"])[1]
    assert missing == []  # its algorithm reports none


def test_test_episodes_are_in_no_picture_of_neighbourhoods(results):
    run = layouts.make_run(results, "calm", **HOPPER)
    layouts.add_test(run)
    layouts.add_test(run, 1)
    assert planned(run) == []
