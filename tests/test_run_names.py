"""Names of runs: which there may be, those inside a SLURM job, and those of runs that are made from others."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from improve_ltp.names import walk_name
from landscapes import storage
from landscapes.config.compose import compose_job, compose_sweep
from landscapes.config.launch import run_entry_point
from landscapes.errors import UserError
from landscapes.jobs.run_folder import new_run_name
from landscapes.run_names import check_new_name, check_run_name, child_name, member_name, unique_run_name
from run_algorithm import train

TRAIN = "run_algorithm"
SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")


@pytest.fixture(autouse=True)
def _outside_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["a", "td3-hopper_1.2", "16904957_3", "16904957", "A..b", "sweeps_1"])
def test_good_names(name: str) -> None:
    assert check_run_name(name) == name


@pytest.mark.parametrize("name", ["1", "1_2", "1a", "", "a b", "ä", "Sweeps", "a" * 201])
def test_bad_names_of_new_runs(name: str) -> None:
    with pytest.raises(UserError, match=r"^run_name="):
        check_new_name(name)


def test_numbers_as_names_show_the_quoting() -> None:
    with pytest.raises(UserError, match=re.escape("""run_name="'16904957_3'\"""")):
        check_run_name(169049573)
    with pytest.raises(UserError, match=re.escape("""experiment.run_name="'16904957_3'\"""")):
        check_run_name(169049573, "experiment.run_name")


@pytest.mark.parametrize("stem", ["td3-hopper", "", "my.module:make", "3d/../x", "x" * 500])
def test_unique_names_are_names(stem: str) -> None:
    names = {check_new_name(unique_run_name(stem)) for _ in range(50)}
    assert len(names) == 50


# Made from others


@pytest.mark.parametrize("parent", ["calm", "16904957", "16904957_3", "a" * 200, "9" * 200])
def test_a_run_made_from_any_other_has_a_name(parent: str) -> None:
    name = check_new_name(child_name(parent, 3, 650_000, "0.1cvar_crn_remeasured_seq0.05_4294967295"))
    assert name.endswith("_s3_c650000_0.1cvar_crn_remeasured_seq0.05_4294967295")
    assert parent[:50] in name
    # Itself the parent of others, without end.
    assert check_new_name(child_name(child_name(name, 0, 40, "bc_1"), 0, 20_000, "bc_1"))


def test_parents_that_begin_alike_have_children_of_their_own() -> None:
    names = {child_name("a" * 199 + end, 0, 1, "bc_0") for end in ("b", "c")}
    assert len(names) == 2
    assert child_name("calm", 0, 50, "0.1cvar_0") == "calm_s0_c50_0.1cvar_0"


def test_a_walk_from_a_run_that_slurm_has_named() -> None:
    job = compose_job(
        "improve_ltp",
        [
            "experiment.root_policy_conf.run_name='16904957_3'",
            "experiment.root_policy_conf.ckpt=650000",
            "experiment.seed=7",
        ],
    )
    name = walk_name(job.settings, "16904957_3")  # type: ignore[arg-type]
    assert check_run_name(name) == "run_16904957_3_s0_c650000_0.1cvar_7"


# Inside a SLURM job


def names_of(*commands: list[str]) -> list[str]:
    jobs = [job for command in commands for job in members(command)]
    return [check_run_name(new_run_name(job, "td3-hopper")) for job in jobs]


def members(command: list[str]) -> list:
    return compose_sweep(TRAIN, command[1:]) if command[:1] == ["-m"] else [compose_job(TRAIN, command)]


COMMANDS = [
    [],
    ["experiment.seed=1"],
    ["experiment.eval_episodes=1"],
    ["experiment=train_ppo"],
    ["-m", "experiment.max_steps=2e4,4e4"],
    ["-m", "experiment.algo=td3,sac"],
    ["-m", "experiment.eval_episodes=1,2"],
    ["-m", "random_seed=5,5"],
]


@pytest.mark.parametrize("array", [{}, {"SLURM_ARRAY_JOB_ID": "4700", "SLURM_ARRAY_TASK_ID": "2"}])
def test_every_command_and_every_member_in_one_job_has_a_run_of_its_own(
    array: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"SLURM_JOB_ID": "4711", **array}.items():
        monkeypatch.setenv(variable, value)
    names = names_of(*COMMANDS)
    assert len(set(names)) == len(names) == 12
    number = "4700_2" if array else "4711"
    assert all(re.fullmatch(f"td3-hopper-{number}-[0-9a-f]{{8}}", name) for name in names)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert names_of(*COMMANDS) == names
    # What changes no result makes no other run of the same command.
    assert names_of(["use_wandb=false", "experiment.tqdm=false", "results_dir=x"]) == names[:1]
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID" if array else "SLURM_JOB_ID", "4712")
    assert not {*names} & {*names_of(*COMMANDS)}


def test_a_task_that_slurm_runs_for_one_member_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    job = compose_job(TRAIN)
    job.by_slurm = True
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    assert new_run_name(job, "td3-hopper") == "4711"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4700")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert new_run_name(job, "td3-hopper") == "4700_2"
    job.run_name, job.sweep_index = "mine", 3
    assert new_run_name(job, "td3-hopper") == member_name("mine", 3) == "mine_3"


POINT = [
    "experiment.env_name=docs.examples.my_environment.make",
    "experiment.ddpg_config.hidden_dims=[8]",
    "experiment.sac_config.hidden_dims=[8]",
    "experiment.start_training=10",
    "use_wandb=false",
]


def test_members_of_a_sweep_in_one_job_neither_continue_nor_refuse_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def finished(job: object, task: object, run: storage.Run, *_: object) -> storage.Run:
        return run.write_record(status="finished")

    stand_in: Callable[..., storage.Run] = finished
    monkeypatch.setattr(train, "_train", stand_in)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    arguments = ["-m", *POINT, f"results_dir={tmp_path}", "experiment.max_steps=20,40", "experiment.algo=td3,sac"]
    assert run_entry_point(TRAIN, arguments) == 0
    names = storage.run_names(tmp_path)
    settings = [storage.open_run(tmp_path, name).record["config"]["experiment"] for name in names]
    assert sorted((s["algorithm"], s["steps"]) for s in settings) == [
        ("sac", 20),
        ("sac", 40),
        ("td3", 20),
        ("td3", 40),
    ]
    assert "is finished" not in capsys.readouterr().out
    assert run_entry_point(TRAIN, arguments) == 0
    assert capsys.readouterr().out.count("is finished") == 4
    assert storage.run_names(tmp_path) == names
