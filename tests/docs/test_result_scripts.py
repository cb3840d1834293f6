"""The scripts behind the pages of results: every command is one that we take, and names what an earlier one stores."""

from pathlib import Path

import pytest
from result_scripts import Asked, asked_by

from landscapes.config.compose import compose_job, compose_sweep
from landscapes.config.job import Job
from landscapes.config.kinds import KINDS
from landscapes.config.training import Training
from landscapes.settings.algorithms import config_class
from run_algorithm.schedule import make_schedule


def jobs_of(asked: Asked) -> list[Job]:
    words = [word for word in asked.arguments if word != "--multirun"]
    return compose_sweep(asked.module, words) if "--multirun" in asked.arguments else [compose_job(asked.module, words)]


ALL = {*KINDS, "landscapes.figures", "landscapes.report"}


@pytest.mark.parametrize(
    "script, num_trainings, num_jobs, modules",
    [
        ("reproduce.sh", 6, 16, ALL),
        ("discrete.sh", 6, 16, ALL),
        ("lander.sh", 2, 6, ALL - {"improve_ltp"}),
        ("atari.sh", 1, 6, ALL),
        ("mujoco.sh", 3, 8, ALL - {"improve_ltp"}),
    ],
)
def test_every_command_is_taken(
    script: str, num_trainings: int, num_jobs: int, modules: set[str], tmp_path: Path
) -> None:
    commands = asked_by(script, tmp_path)
    jobs = [job for asked in commands if asked.module in KINDS for job in jobs_of(asked)]
    assert len(jobs) >= num_jobs
    trained = [job for job in jobs if job.kind == "train"]
    assert len(trained) == num_trainings
    assert {asked.module for asked in commands} == modules


def test_what_is_measured_is_what_was_stored(tmp_path: Path) -> None:
    stored: dict[str, set[int]] = {}
    measured = 0
    for asked in asked_by("discrete.sh", tmp_path):
        if asked.module not in KINDS:
            continue
        for job in jobs_of(asked):
            s = job.settings
            if isinstance(s, Training):
                schedule = make_schedule(config_class(s.algorithm)(**s.settings).steps_per_iteration, s)
                stored[asked.settings["run_name"]] = {step * schedule.env_steps for step in schedule.checkpoints}
            elif asked.module == "eval_policy":
                steps = getattr(s, "ckpt_indexes", None) or [s.ckpt]
                assert set(steps) <= stored[s.run_name], asked
                measured += len(steps)
            elif asked.module == "improve_ltp":
                root = s.root_policy_conf
                assert root.ckpt in stored[root.run_name], asked
                measured += 1
    assert measured == 2 * (2 * 2 * 5 + 2 * 2 + 1) + 3


def test_learning_alone_may_be_asked_for(tmp_path: Path) -> None:
    assert {asked.module for asked in asked_by("discrete.sh", tmp_path, ["learn"])} == {"run_algorithm"}
