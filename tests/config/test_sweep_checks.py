"""What the members of a sweep need is looked for before any of them is launched: one line, and nothing has begun."""

from collections.abc import Callable
from pathlib import Path

import pytest

from landscapes import storage, tracking
from landscapes.cluster import sweep_folder
from landscapes.config import sweep
from landscapes.config.job import Job
from landscapes.config.launch import run_entry_point
from landscapes.jobs import find_run
from landscapes.tracking.wandb_runs import WandbRun

TRAIN, EVALUATE, IMPROVE = "run_algorithm", "eval_policy", "improve_ltp"
ROOT = "experiment.root_policy_conf"
OWN = "experiment.env_name=docs.examples.my_environment"
TRAINING = {
    "num_seeds": 2,
    "environment": {"name": "hopper", "backend": "spring"},
    "algorithm": {"name": "td3", "config": {}},
}


def store(results: Path, name: str, algorithm: str = "td3") -> storage.Run:
    """A run with two seeds and checkpoints 50 and 60, which are empty files."""
    record = {**TRAINING, "algorithm": {"name": algorithm, "config": {}}}
    run = storage.create_run(results, name, record, overwrite=False)
    for seed in range(2):
        run.seed_directory(seed).mkdir()
        for step in (50, 60):
            run.checkpoint_path(seed, step).touch()
    return run


@pytest.fixture
def results(jobs: list[Job], tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    store(folder, "calm")
    store(folder, "16904957_3")
    store(folder, "sac", "sac")
    return folder


REFUSED: list[tuple[str, list[str], str]] = [
    (
        EVALUATE,
        ["experiment.run_name=calm,nosuch", "experiment.ckpt_indexes=[50]"],
        "experiment.run_name=nosuch: there",
    ),
    (
        EVALUATE,
        ["experiment.run_name=calm,'a b'", "experiment.ckpt_indexes=[50]"],
        "experiment.run_name=a b: a name is",
    ),
    (
        EVALUATE,
        ["experiment.run_name=calm", "experiment.ckpt_indexes=[50],[60,61]"],
        "experiment.ckpt_indexes=61: seed",
    ),
    (
        EVALUATE,
        ["experiment.run_name=calm", "experiment.seed=1,2", "experiment.ckpt_indexes=[50]"],
        "experiment.seed=2: run calm has seeds 0..1",
    ),
    (
        EVALUATE,
        ["experiment=policy_interpolation_seed", "experiment.run_name=calm", "experiment.seed=0,1"],
        "experiment.other_seed=2: run calm has seeds 0..1",
    ),
    (
        EVALUATE,
        [
            "experiment=policy_interpolation",
            "experiment.run_names1=[calm]",
            "experiment.seeds1=[0]",
            "experiment.ckpts1=[50]",
            "experiment.run_names2=['16904957_3'],[sac]",
            "experiment.seeds2=[0]",
            "experiment.ckpts2=[50]",
        ],
        "experiment.run_names2=sac: has algorithm name sac",
    ),
    (
        EVALUATE,
        ["experiment=landscape_slice", "experiment.run_name=calm", "experiment.ckpt=50,51"],
        "experiment.ckpt=51: seed 0 of run calm",
    ),
    (IMPROVE, [f"{ROOT}.run_name=calm,nosuch", f"{ROOT}.ckpt=50"], f"{ROOT}.run_name=nosuch: there is no such run"),
    (IMPROVE, [f"{ROOT}.run_name=calm", f"{ROOT}.ckpt=50,55"], f"{ROOT}.ckpt=55: seed 0 of run calm"),
    (
        IMPROVE,
        [f"{ROOT}.run_name='16904957_3'", f"{ROOT}.ckpt=50", "experiment.eval_episodes=3,4"],
        "run_name=run_16904957_3_s0_c50_0.1cvar_0: two members of the sweep would make this one run",
    ),
    (
        TRAIN,
        ["experiment=train_bc", f"{ROOT}.run_name=calm", f"{ROOT}.ckpt=50", f"{ROOT}.seed=0,2"],
        f"{ROOT}.seed=2: run calm has seeds 0..1",
    ),
    (TRAIN, [f"{OWN}.make,docs.examples.my_environment.mak"], f"{OWN}.mak: cannot be imported"),
    (
        TRAIN,
        ["experiment.algo=td3,probes.quadratic", "+experiment.algo_config.wdth=3"],
        "experiment.algo_config.wdth=3: is read by an algorithm of your own only, given as a dotted path",
    ),
    (
        TRAIN,
        ["experiment.algo=probes.quadratic", "random_seed=1,2", "+experiment.algo_config.wdth=3"],
        "experiment.algo_config.wdth=3: is not a setting here",
    ),
    (TRAIN, ["algorithm=probes.quadratic", "random_seed=1,2", "+wdth=3"], "wdth=3: is not a setting here"),
    (TRAIN, ["env=docs.examples.my_environment.make,docs.examples.my_environment.mak"], "env=docs.examples.my_env"),
]


@pytest.mark.parametrize("entry_point, arguments, said", REFUSED, ids=[said for *_, said in REFUSED])
def test_nothing_is_launched_where_one_member_would_fail(
    entry_point: str,
    arguments: list[str],
    said: str,
    jobs: list[Job],
    results: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = sorted(results.rglob("*"))
    assert run_entry_point(entry_point, ["-m", "use_wandb=false", *arguments]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(said) and err.endswith(" of the sweep)\n")
    assert jobs == []
    assert sorted(results.rglob("*")) == before


def test_what_is_there_is_launched(jobs: list[Job], results: Path) -> None:
    for entry_point, arguments in [
        (EVALUATE, ["experiment.run_name=calm,'16904957_3'", "experiment.seed=0,1", "experiment.ckpt_indexes=[50,60]"]),
        (IMPROVE, [f"{ROOT}.run_name=calm,'16904957_3'", f"{ROOT}.ckpt=50", "experiment.seed=1,2"]),
        (TRAIN, ["experiment=train_bc", f"{ROOT}.run_name=calm", f"{ROOT}.ckpt=50,60", "experiment.seed=1,2"]),
        (TRAIN, [f"{OWN}.make", "experiment.seed=1,2,3,4"]),
    ]:
        before = len(jobs)
        assert run_entry_point(entry_point, ["-m", "use_wandb=false", *arguments]) == 0
        assert len(jobs) == before + 4


def test_members_whose_names_are_taken_by_other_runs_are_found_beforehand(
    jobs: list[Job], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", "run_name=mine", "experiment.max_steps=2e4,3e4"]
    assert run_entry_point(TRAIN, arguments) == 0
    second = {"config": jobs[1].resolved, "num_seeds": 1}
    storage.create_run(results, "mine_1", second, overwrite=False)
    assert run_entry_point(TRAIN, arguments) == 0  # goes on
    assert run_entry_point(TRAIN, [*arguments, "use_wandb=false", "experiment.log_interval=7"]) == 0
    assert run_entry_point(TRAIN, [*arguments, "experiment.algo=sac"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("run_name=mine_1: there is such a run, and its config differs in experiment.algo, ")
    assert err.endswith("(member 1 of the sweep)\n")
    assert run_entry_point(TRAIN, ["-m", "run_name=mine", "experiment.max_steps=2e4,2.5e4"]) == 2
    assert "can only become longer" in capsys.readouterr().err
    assert run_entry_point(TRAIN, [*arguments, "experiment.algo=sac", "overwrite=true"]) == 0
    assert len(jobs) == 8


TOLD_BEFORE: dict[str, dict[str, object]] = {
    "td3": {
        **{
            "algo": "td3",
            "algo_config": {},
            "env_name": "hopper",
            "backend": "positional",
            "num_seeds": 1,
            "seed": 4321,
        },
        **{"max_steps": 20000, "start_training": 10000, "reset_interval": 1000, "updates_per_step": 1},
        **{"actor_batch_size": 256, "critic_batch_size": 256, "replay_buffer_size": 1000000},
        **{"log_interval": 1000, "eval_interval": 5000, "eval_episodes": 10, "eval_episode_length": 1000},
        **{"checkpoint": True, "agent_log_starts": [5000], "agent_log_step": 2, "agent_num_logs": 1, "tqdm": True},
        "ddpg_config": {
            **{"actor_lr": 3e-4, "critic_lr": 3e-4, "hidden_dims": [256, 256], "final_fc_init_scale": 2**0.5},
            **{"discount": 0.9, "tau": 0.005, "target_update_period": 2},
            **{"policy_noise": 0.2, "noise_clip": 0.5, "exploration_noise": 0.1},
        },
        "sac_config": {"actor_lr": 7.0, "init_temperature": 3.0},
    },
    "ppo": {
        **{"env_id": "hopper", "backend": "positional", "seed": 4321, "num_seeds": 3, "total_timesteps": 65536},
        **{"learning_rate": 0.0026, "num_envs": 2048, "num_steps": 16, "anneal_lr": False, "gamma": 0.9},
        **{"gae_lambda": 0.95, "num_minibatches": 2, "update_epochs": 4, "norm_adv": True, "clip_coef": 0.2},
        **{"clip_vloss": False, "ent_coef": 0.0, "vf_coef": 2.0, "max_grad_norm": 1.0, "target_kl": None},
        **{"hidden_dims": [64, 64], "reset_interval": 1000, "bootstrap_truncated": True, "eval_interval": None},
        **{"eval_episodes": 10, "eval_episode_length": 1000, "tqdm": True, "checkpoint": True, "agent_num_logs": 5},
    },
}
"""What run.json has of trainings that an earlier version began."""
COMMANDS = {
    "td3": ["experiment=train_td3", "env=hopper", "steps=2e4", "checkpoints=[5000]"],
    "ppo": ["experiment=train_ppo", "env=hopper", "steps=65536", "checkpoints=5"],
}


@pytest.mark.parametrize("algorithm", TOLD_BEFORE)
def test_a_run_that_an_earlier_version_began_goes_on(
    algorithm: str, jobs: list[Job], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-m", "run_name=mine", "random_seed=4321,4321", *COMMANDS[algorithm], "gamma=0.9"]
    assert run_entry_point(TRAIN, command) == 0
    told = {**jobs[0].resolved, "experiment": TOLD_BEFORE[algorithm]}
    for member in range(2):
        storage.create_run(results, f"mine_{member}", {"config": told, "num_seeds": 1}, overwrite=False)
    assert run_entry_point(TRAIN, command) == 0
    assert run_entry_point(TRAIN, [*command, "gamma=0.8"]) == 2
    assert "its config differs in gamma;" in capsys.readouterr().err
    assert run_entry_point(TRAIN, [*command, "steps=4e5"]) == 0
    assert run_entry_point(TRAIN, [*command, "steps=4e4" if algorithm == "ppo" else "steps=1e4"]) == 2
    assert "can only become longer" in capsys.readouterr().err


def test_a_run_that_wandb_knows_is_asked_for_once(
    jobs: list[Job], results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = store(tmp_path / "elsewhere", "far")
    asked: list[str] = []

    def wandb_runs(project: str, entity: str | None, name: str) -> list[WandbRun]:
        asked.append(name)
        return [WandbRun("url", str(elsewhere.path))]

    monkeypatch.setattr(find_run, "wandb_runs", wandb_runs)
    monkeypatch.setattr(tracking, "resolve_mode", lambda *_: "online")
    arguments = ["-m", "experiment.run_name=calm,far", "experiment.seed=0,1", "experiment.ckpt_indexes=[50],[60]"]
    assert run_entry_point(EVALUATE, arguments) == 0
    assert asked == ["far"]
    assert len(jobs) == 8


def submitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members each sweep had that was handed to SLURM."""
    counts: list[int] = []

    def submit(launcher: object, members: list[list[str]], *_: object) -> list[object]:
        counts.append(len(members))
        return []

    stand_in: Callable[..., list[object]] = submit
    monkeypatch.setattr(sweep, "_submit", stand_in)
    monkeypatch.setattr(sweep.shutil, "which", lambda _: "/usr/bin/srun")
    return counts


def test_a_sweep_that_waits_for_other_jobs_may_name_what_they_will_make(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = submitted(monkeypatch)
    waiting = "+hydra.launcher.additional_parameters.dependency=afterany:4711"
    slurm = ["-m", "job_config=slurm", "use_wandb=false"]
    for entry_point, arguments in [
        (EVALUATE, ["experiment.run_name=soon", "experiment.seed=0,1"]),
        (IMPROVE, [f"{ROOT}.run_name=soon", "experiment.seed=0,1"]),
    ]:
        assert run_entry_point(entry_point, [*slurm, *arguments]) == 2
        assert "run_name=soon: there is no such run" in capsys.readouterr().err
        assert not sweep_folder.sweeps_folder(results).exists() or counts
        assert run_entry_point(entry_point, [*slurm, waiting, *arguments]) == 0
    assert counts == [2, 2]


def test_a_results_directory_may_have_an_apostrophe(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = submitted(monkeypatch)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "o'brien"))
    assert run_entry_point(TRAIN, ["-m", "job_config=slurm", "random_seed=1,2"]) == 0
    assert counts == [2]


def test_sweeps_of_members_that_hydras_sweeper_lists(jobs: list[Job]) -> None:
    assert run_entry_point(TRAIN, ["-m", "+hydra.sweeper.params={random_seed:'1,2'}", "experiment.algo=td3,sac"]) == 0
    assert [(job.random_seed, job.settings.algorithm) for job in jobs] == [
        (1, "td3"),
        (1, "sac"),
        (2, "td3"),
        (2, "sac"),
    ]  # type: ignore[union-attr]
    assert run_entry_point(TRAIN, ["-m", "experiment.seed=sort(3,1,2,reverse=true)"]) == 0
    assert [job.settings.seed for job in jobs[4:]] == [3, 2, 1]  # type: ignore[union-attr]
