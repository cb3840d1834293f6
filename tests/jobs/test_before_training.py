"""No update is made where training could not have made one: with an empty log, or among its first random actions."""

from pathlib import Path

import pytest
from tiny_runs import snapshot

from landscapes.config.launch import run_entry_point
from tests.jobs.test_identity import train

pytestmark = pytest.mark.usefixtures("shared_programs")

EVALUATE, IMPROVE = "eval_policy", "improve_ltp"
PAIR = [
    *("experiment=policy_interpolation", "experiment.run_names1=[a]", "experiment.seeds1=[0]"),
    *("experiment.run_names2=[a]", "experiment.seeds2=[0]", "experiment.num_purd_samples=3"),
]
AROUND = ["experiment.run_name=a", "experiment.noise_type=td3_optimization"]
SLICE = ["experiment=landscape_slice", "experiment.run_name=a", "experiment.ckpt=0"]
ROOT = ["experiment=reject_ltp", "experiment.root_policy_conf.run_name=a"]
EMPTY, EARLY = "seed 0 of run a was still empty", "5 iterations of run a act at random"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints 0, 3 and 20, that began to learn after 5 steps."""
    folder = tmp_path_factory.mktemp("results")
    train(folder, "a")
    return folder


@pytest.mark.parametrize(
    "entry_point, arguments, key, told",
    [
        (EVALUATE, [*AROUND, "experiment.ckpt_indexes=[20,0]"], "experiment.ckpt_indexes=0", EMPTY),
        (
            EVALUATE,
            [*AROUND, "experiment=policy_interpolation_seed", "experiment.same_seed=true", "experiment.num_points=2"],
            "experiment.ckpt_indexes=0",
            EMPTY,
        ),
        (
            EVALUATE,
            [
                *PAIR,
                *("experiment.ckpts1=[20]", "experiment.ckpts2=[0]", "experiment.learner_from=2"),
                "experiment.noise_type=td3_opt_with_action",
            ],
            "experiment.ckpts2=0",
            EMPTY,
        ),
        (EVALUATE, [*SLICE, "experiment.directions=update"], "experiment.ckpt=0", EMPTY),
        (EVALUATE, [*SLICE, "experiment.noise_type=td3_optimization"], "experiment.ckpt=0", EMPTY),
        (IMPROVE, [*ROOT, "experiment.root_policy_conf.ckpt=0"], "experiment.root_policy_conf.ckpt=0", EARLY),
        (IMPROVE, [*ROOT, "experiment.root_policy_conf.ckpt=3"], "experiment.root_policy_conf.ckpt=3", EARLY),
    ],
)
def test_it_is_one_line_and_changes_nothing(
    results: Path, entry_point: str, arguments: list[str], key: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(results)
    capsys.readouterr()
    assert run_entry_point(entry_point, [*arguments, "use_wandb=false", f"results_dir={results}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{key}: ") and told in error and error.count("\n") == 1
    assert snapshot(results) == before


def test_an_end_that_lends_no_data_may_have_none(results: Path) -> None:
    ends = ["experiment.ckpts1=[20]", "experiment.ckpts2=[0]", "experiment.noise_type=td3_optimization"]
    small = ["experiment.num_points=2", "experiment.episode_length=10", "use_wandb=false", f"results_dir={results}"]
    assert run_entry_point(EVALUATE, [*PAIR, *ends, *small]) == 0
