"""Members of a sweep that are named by what varies."""

import pytest

from landscapes.config.compose import compose_job, compose_sweep
from landscapes.errors import UserError


def names(*arguments: str) -> list[str | None]:
    return [job.member_name for job in compose_sweep("run_algorithm", arguments)]


def test_a_name_made_of_settings_has_no_number() -> None:
    found = names("algo=td3,ddpg,sac", "env=ant,hopper", "run_name=walk_${env}_${algo}_${random_seed}")
    assert found[:4] == ["walk_ant_td3_4321", "walk_hopper_td3_4321"] * 2 and found[4] == "walk_ant_sac_4321"


def test_published_keys_may_stand_in_it() -> None:
    assert names("experiment=train_ppo", "num_steps=8,16", "run_name=a_${experiment.num_steps}") == ["a_8", "a_16"]


def test_a_plain_name_is_numbered() -> None:
    assert names("env=ant,hopper", "run_name=walk") == ["walk_0", "walk_1"]


def test_their_group_is_what_comes_before() -> None:
    jobs = compose_sweep("run_algorithm", ["env=ant,hopper", "run_name=walk_${env}"])
    assert {job.sweep_name for job in jobs} == {"walk"}


def test_outside_a_sweep_it_is_made_too() -> None:
    assert compose_job("run_algorithm", ["run_name=walk_${env}"]).member_name == "walk_halfcheetah"


def test_a_setting_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"run_name=walk_\$\{experiment.task\}: .*'experiment.task' not found"):
        names("env=ant,hopper", "run_name=walk_${task}")
