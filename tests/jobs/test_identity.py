"""A result stands on the policies it was measured from, and is never taken for one of another run of that name."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import ending_at

from landscapes import storage
from landscapes.config.launch import run_entry_point
from landscapes.studies import measurement

pytestmark = pytest.mark.usefixtures("shared_programs")

POINT = [
    "experiment.env_name=docs.examples.my_environment.make",
    "experiment.max_steps=20",
    "experiment.start_training=5",
    "experiment.eval_interval=20",
    "experiment.log_interval=20",
    "experiment.eval_episodes=1",
    "experiment.eval_episode_length=10",
    "experiment.reset_interval=10",
    "experiment.agent_log_starts=[0,3,20]",
    "experiment.ddpg_config.hidden_dims=[8]",
]
PATH = {
    "run_names1": "[a]",
    "seeds1": "[0]",
    "ckpts1": "[20]",
    "run_names2": "[b]",
    "seeds2": "[0]",
    "ckpts2": "[20]",
    "num_points": "3",
    "num_purd_samples": "2",
    "episode_length": "10",
}
SLICE = {
    "run_name": "a",
    "ckpt": "20",
    "directions": "policies",
    "others": "[{run_name: b, seed: 0, ckpt: 20}]",
    "num_x": "3",
    "num_y": "1",
    "num_samples": "2",
    "episode_length": "10",
}
ROOT = {"root_policy_conf.run_name": "b", "root_policy_conf.ckpt": "20"}
WALK = {**ROOT, "eval_episodes": "6", "max_steps": "2", "episode_length": "10"}
CLONE = {
    **ROOT,
    "num_seeds": "1",
    "max_steps": "2",
    "batch_size": "4",
    "ckpt_steps": "[2]",
    "eval_episodes": "1",
    "eval_episode_length": "10",
}
PURD = {
    "run_name": "b",
    "ckpt_indexes": "[20]",
    "noise_type": "td3_optimization",
    "noise_amounts": "[0.01]",
    "eval_episodes": "4",
    "episode_length": "10",
}
COMMANDS: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "path": ("eval_policy", "policy_interpolation", PATH),
    "slice": ("eval_policy", "landscape_slice", SLICE),
    "walk": ("improve_ltp", "reject_ltp", WALK),
    "clone": ("run_algorithm", "train_bc", CLONE),
    "purd": ("eval_policy", "policy_variance", PURD),
}
HALF = ("run_name=half", "experiment.seed=1", "save_interval=1e-6")
HOLDS = {
    "path": "a/seed0/policy_interpolation_purd.h5",
    "slice": "a/seed0/landscape_slice.h5",
    "walk": "b_s0_c20_0.1cvar_0/seed0/ckpt_0.h5",
    "clone": "b_s0_c20_bc_4321/seed0/ckpt_2.h5",
}
"""A file in which a result lies that stands on a policy of `b`, in the folder of another run."""


def train(results: Path, name: str, *arguments: str) -> None:
    said = [*POINT, f"run_name={name}", *arguments, "use_wandb=false", f"results_dir={results}"]
    assert run_entry_point("run_algorithm", said) == 0


def do(results: Path, what: str, *arguments: str) -> int:
    entry_point, experiment, settings = COMMANDS[what]
    said = [f"experiment={experiment}", *(f"experiment.{key}={value}" for key, value in settings.items()), *arguments]
    return run_entry_point(entry_point, [*said, "use_wandb=false", f"results_dir={results}"])


def numbers(path: Path) -> dict[str, np.ndarray]:
    return storage.read_hdf5(path, "file")[0]


def assert_other(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]) -> None:
    assert one.keys() == two.keys()
    assert any((one[name] != two[name]).any() for name in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, and one of each study that stands on `b`."""
    results = tmp_path_factory.mktemp("trained")
    train(results, "a")
    train(results, "b", "random_seed=1")
    for what in COMMANDS:
        assert do(results, what) == 0
    return results


@pytest.fixture(scope="module")
def replaced(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, after `b` was trained anew; before, a second walk had been stopped half-way."""
    results = Path(shutil.copytree(trained, tmp_path_factory.mktemp("replaced") / "results"))
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement, "make_measure", ending_at(2))
        assert do(results, "walk", *HALF) == 130
    train(results, "b", "overwrite=true", "random_seed=3")
    return results


@pytest.mark.parametrize("what", HOLDS)
def test_what_stands_on_a_replaced_run_is_refused_and_made_anew_on_request(
    replaced: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (replaced / HOLDS[what]).read_bytes()
    old = numbers(replaced / HOLDS[what])
    capsys.readouterr()
    assert do(replaced, what) == 2
    error = capsys.readouterr().err
    assert error.startswith("run=b: ") and error.count("\n") == 1
    assert "stands on an earlier run of this name" in error and "overwrite=true" in error
    assert (replaced / HOLDS[what]).read_bytes() == before
    assert do(replaced, what, "overwrite=true") == 0
    new = numbers(replaced / HOLDS[what])
    assert_other({name: old[name] for name in new}, new)
    capsys.readouterr()
    assert do(replaced, what) == 0
    assert re.search("measured before|is finished", capsys.readouterr().out)


def test_what_lay_in_the_replaced_run_went_with_it(replaced: Path, trained: Path) -> None:
    assert do(replaced, "purd") == 0
    assert_other(*(numbers(results / "b/seed0/s0_returns_20.h5") for results in (trained, replaced)))


def test_a_stopped_walk_does_not_go_on_from_another_root(replaced: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert do(replaced, "walk", *HALF) == 2
    assert "run=b: run half stands on an earlier run" in capsys.readouterr().err


def test_a_walk_does_not_take_the_place_of_another(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = trained / "b/seed0/td3_reject_ltp_20.h5"
    before = held.read_bytes()
    capsys.readouterr()
    assert do(trained, "walk", "run_name=other", "experiment.lr=0.1") == 2
    error = capsys.readouterr().err
    assert error.startswith("run_name=other: ") and "the walk of run b_s0_c20_0.1cvar_0" in error
    assert error.count("\n") == 1 and held.read_bytes() == before and not (trained / "other").exists()


def test_what_is_replaced_while_it_is_measured_leaves_no_numbers_to_its_successor(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Path(shutil.copytree(trained, tmp_path / "results"))
    record, make = results / "b/run.json", measurement.make_measure

    def meanwhile(*arguments: Any, **settings: Any) -> measurement.Measure:
        record.write_text(json.dumps(json.loads(record.read_text()) | {"id": f"after {what}"}))
        return make(*arguments, **settings)

    for what, held in (("purd", "s0_returns_20.h5"), ("walk", "td3_reject_ltp_20.h5")):
        before = (results / "b/seed0" / held).read_bytes()
        with pytest.MonkeyPatch.context() as once:
            once.setattr(measurement, "make_measure", meanwhile)
            assert do(results, what, "overwrite=true") == 2
        assert "run=b: was replaced or removed while it was measured" in capsys.readouterr().err
        assert (results / "b/seed0" / held).read_bytes() == before


@pytest.mark.parametrize("how", ["moved", "longer", "from an earlier version"])
def test_the_same_run_is_known_again(
    trained: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Path(shutil.copytree(trained, tmp_path / "elsewhere"))
    if how == "longer":
        train(results, "b", "random_seed=1", "experiment.max_steps=22")
    if how == "from an earlier version":
        for record in results.glob("*/run.json"):
            content = json.loads(record.read_text())
            del content["id"]
            if content["parent"]:
                del content["parent"]["id"]
            record.write_text(json.dumps(content))
        for path in [*results.glob("[ab]/seed0/[pls]*.h5")]:
            datasets, attributes = storage.read_hdf5_nodes(path, "file")
            for about in attributes.values():
                about.pop(storage.STANDS_ON, None)
            path.unlink()
            storage.merge_hdf5(path, datasets, attributes.pop("", {}), attributes)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement.rollout, "make_engine", None)  # whatever measures now fails
        for what in COMMANDS:
            assert do(results, what) == 0
    out = capsys.readouterr().out
    assert out.count("measured before") == 3 and out.count("is finished") == 2
    if how == "from an earlier version":
        train(results, "b", "overwrite=true", "random_seed=3")
        for what in HOLDS:
            assert do(results, what) == 2, "results without an id are older than a run that has one"
