"""The scripts behind the pages of results: every command is one that we take, and names what an earlier one stores."""

from pathlib import Path

import pytest
from result_scripts import Asked, asked_by

from landscapes.config.compose import compose_job, compose_sweep
from landscapes.config.job import Job
from landscapes.config.schemas import EXPERIMENTS, TrainPpo
from run_algorithm.schedule import on_policy_schedule


def jobs_of(asked: Asked) -> list[Job]:
    words = [word for word in asked.arguments if word != "--multirun"]
    return compose_sweep(asked.module, words) if "--multirun" in asked.arguments else [compose_job(asked.module, words)]


@pytest.mark.parametrize("script, num_trainings", [("reproduce.sh", 6), ("discrete.sh", 6)])
def test_every_command_is_taken(script: str, num_trainings: int, tmp_path: Path) -> None:
    commands = asked_by(script, tmp_path)
    jobs = [job for asked in commands if asked.module in EXPERIMENTS for job in jobs_of(asked)]
    assert len(jobs) > 15
    trained = [job for job in jobs if job.experiment_name in ("train_jaxrl", "train_ppo")]
    assert len(trained) == num_trainings
    assert {asked.module for asked in commands} == {*EXPERIMENTS, "landscapes.figures", "landscapes.report"}


def test_what_is_measured_is_what_was_stored(tmp_path: Path) -> None:
    stored: dict[str, set[int]] = {}
    measured = 0
    for asked in asked_by("discrete.sh", tmp_path):
        if asked.module not in EXPERIMENTS:
            continue
        for job in jobs_of(asked):
            s = job.settings
            if isinstance(s, TrainPpo):
                schedule = on_policy_schedule(s.total_timesteps, s.num_envs * s.num_steps, None, s.agent_num_logs)
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
