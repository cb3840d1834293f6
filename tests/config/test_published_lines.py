"""Every published command line, as the shell hands it over: which jobs it becomes. The run names are ours."""

from pathlib import Path

import pytest
from published_keys import STARTS

from landscapes.config.compose import compose_sweep
from landscapes.config.job import Job
from landscapes.config.launch import run_entry_point
from landscapes.config.schemas import PolicyInterpolationSeed
from landscapes.config.training import Training

RUNS = "'16904957','16904958_1','calm','td3-hopper'"
CHECKPOINTS = "[50000,150000,250000,350000,450000,550000,650000,750000,850000,950000]"
PPO_CHECKPOINTS = "[5963776,11960320,17956864,23953408,29949952,35946496,41943040,47939584,53936128,59932672]"


def run(entry_point: str, arguments: list[str], jobs: list[Job]) -> list[Job]:
    assert run_entry_point(entry_point, arguments) == 0
    return jobs


@pytest.mark.parametrize("algo", ["ddpg", "sac"])
def test_published_training(algo: str, jobs: list[Job]) -> None:
    arguments = [
        "--multirun",
        f"experiment.algo={algo}",
        "experiment.env_name=halfcheetah,walker2d,hopper,ant",
        "experiment.reset_interval=1000",
        "experiment.ddpg_config.exploration_noise=0.1",
        "experiment.num_seeds=20",
        "experiment.agent_log_starts=[50000, 150000, 250000, 350000, 450000, 550000, 650000, 750000, 850000, 950000]",
        "experiment.eval_interval=10000",
        "experiment.agent_num_logs=1",
    ]
    run("run_algorithm", arguments, jobs)
    settings = [job.settings for job in jobs]
    assert [each.env for each in settings] == ["halfcheetah", "walker2d", "hopper", "ant"]  # type: ignore[union-attr]
    assert [job.sweep_index for job in jobs] == [0, 1, 2, 3]
    first = settings[0]
    assert isinstance(first, Training)
    assert (first.algorithm, first.num_seeds, first.eval_interval) == ({"ddpg": "td3"}.get(algo, algo), 20, 10_000)
    assert (first.checkpoints, first.checkpoint_burst, first.episode_length) == (STARTS, 1, 1000)
    assert first.settings.get("exploration_noise") == (0.1 if algo == "ddpg" else None)


def test_published_training_of_ppo(jobs: list[Job]) -> None:
    arguments = [
        "--multirun",
        "experiment=train_ppo",
        "experiment.env_id=ant,halfcheetah,hopper,walker2d",
        "experiment.agent_num_logs=10",
        "random_seed=0",
        "experiment.num_seeds=20",
    ]
    run("run_algorithm", arguments, jobs)
    assert [job.settings.env for job in jobs] == ["ant", "halfcheetah", "hopper", "walker2d"]  # type: ignore[union-attr]
    assert {(job.random_seed, job.settings.seed, job.settings.num_seeds) for job in jobs} == {(0, 0, 20)}  # type: ignore[union-attr]


@pytest.mark.parametrize("noise_type", ["td3_optimization", "sac_optimization"])
def test_published_evaluation(noise_type: str) -> None:
    arguments = [
        "experiment=policy_variance",
        f"experiment.run_name={RUNS}",
        "experiment.seed=range(20)",
        f"experiment.ckpt_indexes={CHECKPOINTS}",
        "experiment.eval_episodes=1000",
        "experiment.batch_size=1000",
        f"experiment.noise_type={noise_type}",
        "experiment.noise_amounts=[3e-4]",
    ]
    jobs = compose_sweep("eval_policy", arguments)
    members = [(job.settings.run_name, job.settings.seed) for job in jobs]  # type: ignore[union-attr]
    names = ["16904957", "16904958_1", "calm", "td3-hopper"]
    assert members == [(name, seed) for name in names for seed in range(20)]
    assert {tuple(job.settings.ckpt_indexes) for job in jobs} == {tuple(STARTS)}  # type: ignore[union-attr]
    assert {(*job.settings.noise_amounts, job.settings.noise_type) for job in jobs} == {(3e-4, noise_type)}  # type: ignore[union-attr]


def test_published_evaluation_of_ppo() -> None:
    arguments = [
        f"experiment.ckpt_indexes={PPO_CHECKPOINTS}",
        "experiment=policy_variance",
        f"experiment.run_name={RUNS}",
        "experiment.seed=range(20)",
        "experiment.eval_episodes=1000",
        "experiment.batch_size=50",
        "experiment.noise_type='ppo_optimization'",
        "experiment.noise_amounts=[0]",
    ]
    jobs = compose_sweep("eval_policy", arguments)
    assert len(jobs) == 80
    assert jobs[-1].settings.noise_amounts == [0]  # type: ignore[union-attr]
    assert jobs[-1].settings.noise_type == "ppo_optimization"  # type: ignore[union-attr]
    assert jobs[-1].settings.ckpt_indexes[-1] == 59932672  # type: ignore[union-attr]


def test_published_interpolation() -> None:
    arguments = [
        "experiment=policy_interpolation_seed",
        "experiment.num_purd_samples=100",
        "experiment.num_points=100",
        "experiment.batch_size=10",
        "experiment.seed=0,1,2,3,4,5,6,7,8,9",
        "experiment.same_seed=false,true",
        "experiment.first_half=false,true",
        f"experiment.run_name={RUNS}",
    ]
    settings = [job.settings for job in compose_sweep("eval_policy", arguments)]
    assert all(isinstance(each, PolicyInterpolationSeed) for each in settings)
    members = [(s.seed, s.same_seed, s.first_half, s.run_name) for s in settings]  # type: ignore[union-attr]
    names = ["16904957", "16904958_1", "calm", "td3-hopper"]
    flags = (False, True)
    assert members == [(i, same, half, name) for i in range(10) for same in flags for half in flags for name in names]
    assert {(s.num_points, s.num_purd_samples, s.batch_size) for s in settings} == {(100, 100, 10)}  # type: ignore[union-attr]


def test_published_rejection() -> None:
    arguments = [
        "experiment=td3_reject_ltp",
        "experiment.root_policy_conf.run_name='16904957'",
        "experiment.root_policy_conf.ckpt=50000,150000,250000,350000,450000,550000,650000,750000,850000,950000",
        "experiment.root_policy_conf.seed=range(10)",
        "experiment.eval_episodes=1000",
        "experiment.batch_size=1000",
        "experiment.max_steps=40",
        "experiment.heuristic=cvar",
        "experiment.check_interval=1",
        "experiment.cvar_alpha=0.1",
        "experiment.seed=range(10)",
    ]
    jobs = compose_sweep("improve_ltp", arguments)
    roots = [job.settings.root_policy_conf for job in jobs]  # type: ignore[union-attr]
    assert {root.run_name for root in roots} == {"16904957"}
    members = [(root.ckpt, root.seed, job.settings.seed) for root, job in zip(roots, jobs, strict=True)]
    assert members == [(step, root, seed) for step in STARTS for root in range(10) for seed in range(10)]


def test_members_of_a_sweep_without_a_name_share_that_of_its_folder(jobs: list[Job]) -> None:
    for folder, name in [("hydra.sweep.dir=/scratch/sweeps/night", "night"), ("hydra.sweep.dir=.", None)]:
        run("run_algorithm", ["-m", "random_seed=1,2", "use_wandb=false", folder], jobs)
        assert [job.sweep_name for job in jobs[-2:]] == [name, name]


def test_sweep_over_experiments_and_names(jobs: list[Job]) -> None:
    arguments = ["experiment=train_ppo,train_jaxrl", "random_seed=1,2", "run_name=mine", "-m", "use_wandb=false"]
    run("run_algorithm", arguments, jobs)
    assert [job.member_name for job in jobs] == ["mine_0", "mine_1", "mine_2", "mine_3"]
    assert {job.sweep_name for job in jobs} == {"mine"}
    assert [(job.experiment_name, job.random_seed) for job in jobs] == [
        ("train_ppo", 1),
        ("train_ppo", 2),
        ("train_td3", 1),
        ("train_td3", 2),
    ]


def test_interpolations_of_the_users_own(jobs: list[Job]) -> None:
    run("run_algorithm", ["experiment.num_seeds=${random_seed}", "random_seed=3"], jobs)
    run("run_algorithm", ["-m", "experiment.num_seeds=${random_seed}", "random_seed=4,5"], jobs)
    assert [job.settings.num_seeds for job in jobs] == [3, 4, 5]  # type: ignore[union-attr]


def test_nothing_is_written(jobs: list[Job], tmp_path: Path) -> None:
    run("run_algorithm", [], jobs)
    run("run_algorithm", ["--multirun", "random_seed=1,2"], jobs)
    assert len(jobs) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]
