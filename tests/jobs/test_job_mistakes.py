"""What the three jobs refuse: in one line, with nothing changed."""

from pathlib import Path

import pytest
from tiny_runs import TINY_TD3, launch, purd, snapshot

pytestmark = pytest.mark.usefixtures("shared_programs")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


MISTAKES = [
    ("run_algorithm", ["experiment.env_name=hoper"], "experiment.env_name=hoper", "hopper"),
    ("run_algorithm", ["experiment.env_name=nowhere.make"], "experiment.env_name=nowhere.make", "imported"),
    ("run_algorithm", ["experiment.env_name=hopper", "experiment.backend=warp"], "experiment.backend=warp", "spring"),
    ("run_algorithm", [*TINY_TD3, "experiment.algo=nowhere.make"], "experiment.algo=nowhere.make", "imported"),
    ("run_algorithm", [*TINY_TD3, "experiment.algo=tests.support.probes.no_algorithm"], "experiment.algo", "Algorithm"),
    (
        "run_algorithm",
        ["experiment.env_name=tests.support.probes.no_environment"],
        "experiment.env_name",
        "Environment",
    ),
    (
        "run_algorithm",
        ["run_name=td", *TINY_TD3, "experiment.ddpg_config.tau=0.5"],
        "run_name=td",
        "experiment.ddpg_config.tau",
    ),
    ("run_algorithm", ["run_name=td", *TINY_TD3, "experiment.max_steps=50"], "experiment.max_steps=50", "longer"),
    ("eval_policy", ["experiment.run_name=dt"], "experiment.run_name=dt", "td"),
    ("eval_policy", ["experiment.run_name=../td"], "experiment.run_name=../td", ""),
    ("eval_policy", ["experiment.run_name=td", "experiment.seed=2"], "experiment.seed=2", "seeds 0..1"),
    ("eval_policy", ["experiment.run_name=td", "experiment.ckpt_indexes=[50]"], "experiment.ckpt_indexes=50", "40, 60"),
    (
        "eval_policy",
        ["experiment.run_name=td", "experiment.ckpt_indexes=[60]", "experiment.noise_type=sac_optimization"],
        "experiment.noise_type=sac_optimization",
        "td3_optimization",
    ),
    (
        "eval_policy",
        ["experiment.run_name=pp", "experiment.ckpt_indexes=[64]", "experiment.noise_type=td3_optimization"],
        "experiment.noise_type=td3_optimization",
        "ppo_optimization",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=nope"],
        "experiment.root_policy_conf.run_name=nope",
        "td",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=td", "experiment.root_policy_conf.seed=7"],
        "experiment.root_policy_conf.seed=7",
        "seeds 0..1",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=td", "experiment.root_policy_conf.ckpt=650000"],
        "experiment.root_policy_conf.ckpt=650000",
        "40, 60",
    ),
    *[
        (
            "improve_ltp",
            [f"experiment.root_policy_conf.run_name={name}", f"experiment.root_policy_conf.ckpt={step}"],
            "experiment=td3_reject_ltp",
            "experiment=reject_ltp is for all",
        )
        for name, step in (("pp", 192), ("sa", 60))
    ],
    (
        "eval_policy",
        ["experiment.run_name=td", "experiment.ckpt_indexes=[60]", "experiment.noise_amounts=[0.1,null]"],
        "experiment.noise_amounts=null",
        "must be a number with action",
    ),
    (
        "eval_policy",
        [
            "experiment.run_name=pp",
            "experiment.ckpt_indexes=[64]",
            "experiment.noise_type=ppo_optimization",
            "experiment.noise_amounts=[0,null]",
        ],
        "experiment.noise_amounts=[0,null]",
        "are the same with ppo_optimization",
    ),
]


@pytest.mark.parametrize("entry_point, arguments, key, allowed", MISTAKES, ids=[m[2] + m[1][-1] for m in MISTAKES])
def test_a_mistake_is_one_line_and_changes_nothing(
    entry_point: str, arguments: list[str], key: str, allowed: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(results)
    assert launch(entry_point, results, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert key in error
    assert allowed in error
    assert snapshot(results) == before


@pytest.mark.parametrize("damaged", ["ckpt_60.h5", "replay_40_60.h5"])
def test_a_truncated_file_is_one_line(results: Path, damaged: str, capsys: pytest.CaptureFixture[str]) -> None:
    cut(results / "td" / "seed0" / damaged)
    before = snapshot(results)
    assert purd(results, "td") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert damaged in error
    assert snapshot(results) == before


def test_results_that_cannot_be_written_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert launch("run_algorithm", tmp_path / "file" / "results", "run_name=td", *TINY_TD3) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "results_dir" in error
