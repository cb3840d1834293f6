"""Every file in conf/, every published key and every published command line."""

import json
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from landscapes.config.compose import CONF, compose_job, compose_sweep, hydra_loader, load
from landscapes.config.experiments import experiments_of
from landscapes.config.job import Job
from landscapes.config.kinds import KINDS, Settings
from landscapes.config.launch import run_entry_point
from landscapes.config.published import KEYS, VALUES, Spelled
from landscapes.config.schemas import PolicyInterpolationSeed, RejectLtp, StoredPolicy
from landscapes.config.training import Training
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS

ENDS = [
    f"experiment.{name}={value}"
    for i in (1, 2)
    for name, value in ((f"run_names{i}", "[calm]"), (f"seeds{i}", "[0]"), (f"ckpts{i}", f"[{i}]"))
]
RUN = {
    "neighborhood": ["experiment.run=calm"],
    "test": ["experiment.run=calm"],
    "paths": ["experiment.run=calm"],
    "policy_variance": ["experiment.run_name=calm"],
    "policy_variance_mujoco": ["experiment.run_name=calm"],
    "policy_interpolation_seed": ["experiment.run_name=calm"],
    "policy_interpolation": ENDS,
    "landscape_slice": ["experiment.run_name=calm", "experiment.ckpt=5"],
}
ROOT = ["experiment.root_policy_conf.run_name=calm"]
STARTS = [50000 + 100000 * i for i in range(10)]

PUBLISHED: dict[str, dict[str, Any]] = {
    "train_jaxrl": {
        "env_name": "halfcheetah",
        "num_seeds": 1,
        "seed": 4321,
        "max_steps": 1_000_000,
        "start_training": 10_000,
        "reset_interval": 1000,
        "eval_interval": 5000,
        "eval_episodes": 10,
        "eval_episode_length": 1000,
        "eval_sampled": False,
        "log_interval": 1000,
        "actor_batch_size": 256,
        "critic_batch_size": 256,
        "updates_per_step": 1,
        "replay_buffer_size": 1_000_000,
        "checkpoint": True,
        "tqdm": True,
        "agent_log_starts": STARTS,
        "agent_log_step": 2,
        "agent_num_logs": 1,
        "ddpg_config.actor_lr": 3e-4,
        "ddpg_config.critic_lr": 3e-4,
        "ddpg_config.hidden_dims": [256, 256],
        "ddpg_config.final_fc_init_scale": 2**0.5,
        "ddpg_config.discount": 0.99,
        "ddpg_config.tau": 0.005,
        "ddpg_config.target_update_period": 2,
        "ddpg_config.policy_noise": 0.2,
        "ddpg_config.noise_clip": 0.5,
        "ddpg_config.exploration_noise": 0.1,
        "sac_config.actor_lr": 3e-4,
        "sac_config.critic_lr": 3e-4,
        "sac_config.temp_lr": 3e-4,
        "sac_config.hidden_dims": [256, 256],
        "sac_config.final_fc_init_scale": 2**0.5,
        "sac_config.discount": 0.99,
        "sac_config.tau": 0.005,
        "sac_config.target_entropy": None,
        "sac_config.init_temperature": 1.0,
    },
    "train_ppo": {
        "env_id": "halfcheetah",
        "seed": 4321,
        "num_seeds": 3,
        "total_timesteps": 60_000_000,
        "learning_rate": 0.0026,
        "num_envs": 2048,
        "num_steps": 16,
        "anneal_lr": False,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "num_minibatches": 2,
        "update_epochs": 4,
        "norm_adv": True,
        "clip_coef": 0.2,
        "clip_vloss": False,
        "ent_coef": 0.0,
        "vf_coef": 2.0,
        "max_grad_norm": 1.0,
        "target_kl": None,
        "agent_num_logs": 10,
        "eval_episodes": 10,
    },
    "policy_variance": {
        "run_name": "calm",
        "seed": 0,
        "ckpt_indexes": "last",  # published: [850000], which few runs have
        "eval_episodes": 1000,
        "batch_size": 1000,
        "episode_length": 1000,
        "noise_type": "action",
        "noise_amounts": [0.1, 0.2],
    },
    "policy_variance_mujoco": {
        "run_name": "calm",
        "seed": 0,
        "ckpt_indexes": [850000],
        "eval_episodes": 1000,
        "batch_size": 1000,
        "episode_length": 1000,
        "noise_type": "td3_optimization",
        "noise_amounts": [0.0003],
    },
    "policy_interpolation_seed": {
        "run_name": "calm",
        "seed": 0,
        "same_seed": False,
        "first_half": True,
        "num_points": 1000,
        "num_purd_samples": 1000,
        "batch_size": 512,
        "noise_amount": 3e-4,
        "noise_type": "init_parameter",
    },
    "policy_interpolation": {
        "num_points": 1000,
        "num_purd_samples": None,
        "batch_size": 512,
        "noise_amount": 3e-4,
        "noise_type": "init_parameter",
    },
    "td3_reject_ltp": {
        "root_policy_conf.run_name": "calm",
        "root_policy_conf.ckpt": "last",  # published: 650000, which few runs have
        "root_policy_conf.seed": 0,
        "eval_episodes": 1000,
        "episode_length": 1000,
        "seed": 0,
        "lr": 3e-4,
        "max_steps": 40,
        "check_interval": 1,
        "batch_size": 1000,
        "heuristic": "cvar",
        "cvar_alpha": 0.1,
    },
}

INTERPOLATION: dict[str, tuple[str, Any]] = {
    "num_points": ("5", 5),
    "num_purd_samples": ("0", 0),
    "batch_size": ("7", 7),
    "noise_amount": ("1", 1),
    "noise_type": ("action", "action"),
    "learner_from": ("2", 2),
    "episode_length": ("20", 20),
    "tqdm": ("false", False),
}

# The same keys again with other values, as typed, and what must arrive.
SET: dict[str, dict[str, tuple[str, Any]]] = {
    "train_jaxrl": {
        "env_name": ("my.own.make", "my.own.make"),
        "backend": ("spring", "spring"),
        "env_options": ("{}", {}),
        "num_seeds": ("20", 20),
        "seed": ("7", 7),
        "max_steps": ("2e5", 200_000),
        "start_training": ("1e3", 1000),
        "reset_interval": ("500", 500),
        "eval_interval": ("10000", 10_000),
        "eval_episodes": ("3", 3),
        "eval_episode_length": ("100", 100),
        "eval_sampled": ("true", True),
        "log_interval": ("10", 10),
        "actor_batch_size": ("32", 32),
        "critic_batch_size": ("64", 64),
        "updates_per_step": ("2", 2),
        "replay_buffer_size": ("5000.0", 5000),
        "checkpoint": ("false", False),
        "tqdm": ("False", False),
        "agent_log_starts": ("[1e3,2000]", [1000, 2000]),
        "agent_log_step": ("5", 5),
        "agent_num_logs": ("1000", 1000),
        "ddpg_config.actor_lr": ("1", 1.0),
        "ddpg_config.critic_lr": ("1e-3", 1e-3),
        "ddpg_config.hidden_dims": ("[8]", [8]),
        "ddpg_config.final_fc_init_scale": ("1e-2", 0.01),
        "ddpg_config.discount": ("0", 0.0),
        "ddpg_config.tau": ("0.5", 0.5),
        "ddpg_config.target_update_period": ("3", 3),
        "ddpg_config.policy_noise": ("0.1", 0.1),
        "ddpg_config.noise_clip": ("0.2", 0.2),
        "ddpg_config.exploration_noise": ("0.3", 0.3),
        "sac_config.actor_lr": ("1e-2", 1e-2),
        "sac_config.critic_lr": ("1e-3", 1e-3),
        "sac_config.temp_lr": ("1e-4", 1e-4),
        "sac_config.hidden_dims": ("[4,4,4]", [4, 4, 4]),
        "sac_config.final_fc_init_scale": ("0", 0.0),
        "sac_config.discount": ("0.9", 0.9),
        "sac_config.tau": ("1", 1.0),
        "sac_config.target_entropy": ("-3", -3.0),
        "sac_config.init_temperature": ("0.1", 0.1),
    },
    "train_ppo": {
        "env_id": ("ant", "ant"),
        "backend": ("spring", "spring"),
        "env_options": ("{}", {}),
        "seed": ("1", 1),
        "num_seeds": ("20", 20),
        "total_timesteps": ("1e6", 1_000_000),
        "learning_rate": ("3e-4", 3e-4),
        "num_envs": ("64", 64),
        "num_steps": ("8", 8),
        "anneal_lr": ("true", True),
        "gamma": ("0.9", 0.9),
        "gae_lambda": ("1", 1.0),
        "num_minibatches": ("4", 4),
        "update_epochs": ("1", 1),
        "norm_adv": ("false", False),
        "clip_coef": ("0.1", 0.1),
        "clip_vloss": ("true", True),
        "ent_coef": ("0.01", 0.01),
        "vf_coef": ("1", 1.0),
        "max_grad_norm": ("0.5", 0.5),
        "target_kl": ("0.02", 0.02),
        "hidden_dims": ("[32]", [32]),
        "network": ("mlp", "mlp"),
        "bootstrap_truncated": ("false", False),
        "reset_interval": ("100", 100),
        "eval_interval": ("1e5", 100_000),
        "eval_episodes": ("2", 2),
        "eval_episode_length": ("50", 50),
        "eval_sampled": ("true", True),
        "checkpoint": ("false", False),
        "agent_num_logs": ("5", 5),
        "tqdm": ("false", False),
    },
    "train_bc": {
        "root_policy_conf.run_name": ("'16904957'", "16904957"),
        "root_policy_conf.ckpt": ("5e4", 50_000),
        "root_policy_conf.seed": ("2", 2),
        "seed": ("5", 5),
        "num_seeds": ("1", 1),
        "max_steps": ("1e3", 1000),
        "lr": ("3e-4", 3e-4),
        "batch_size": ("64", 64),
        "num_rows": ("1e5", 100_000),
        "log_interval": ("10", 10),
        "eval_interval": ("20", 20),
        "eval_episodes": ("2", 2),
        "eval_episode_length": ("50", 50),
        "ckpt_steps": ("[0,1e2]", [0, 100]),
        "tqdm": ("false", False),
    },
    "policy_variance": {
        "run_name": ("'16904957_3'", "16904957_3"),
        "seed": ("3", 3),
        "ckpt_indexes": ("[5963776,1e3]", [5963776, 1000]),
        "eval_episodes": ("10", 10),
        "batch_size": ("5", 5),
        "episode_length": ("20", 20),
        "discount": ("1", 1.0),
        "noise_type": ("ppo_optimization", "ppo_optimization"),
        "noise_amounts": ("[0,3e-4,1]", [0, 3e-4, 1]),
        "record_trajectories": ("2", 2),
        "tqdm": ("false", False),
    },
    "policy_interpolation_seed": {
        **INTERPOLATION,
        "run_name": ("'16904957'", "16904957"),
        "seed": ("3", 3),
        "same_seed": ("false", False),
        "other_seed": ("1", 1),
        "first_half": ("null", None),
        "ckpt_indexes": ("[5e4,150000]", [50_000, 150_000]),
    },
    "policy_interpolation": {
        **INTERPOLATION,
        "run_names1": ("['16904957',calm]", ["16904957", "calm"]),
        "seeds1": ("[0,1]", [0, 1]),
        "ckpts1": ("[1e3,2000]", [1000, 2000]),
        "run_names2": ("[calm,calm]", ["calm", "calm"]),
        "seeds2": ("[2,3]", [2, 3]),
        "ckpts2": ("[5,6]", [5, 6]),
    },
    "landscape_slice": {
        "run_name": ("'16904957'", "16904957"),
        "seed": ("3", 3),
        "ckpt": ("1e3", 1000),
        "directions": ("policies", "policies"),
        "others": ("[{run_name: '7', seed: 1, ckpt: 2e3}]", [StoredPolicy("7", 1, 2000)]),
        "num_x": ("11", 11),
        "num_y": ("1", 1),
        "radius": ("2", 2.0),
        "direction_seed": ("7", 7),
        "num_samples": ("1", 1),
        "noise_type": ("action", "action"),
        "noise_amount": ("0", 0),
        "batch_size": ("5", 5),
        "episode_length": ("20", 20),
        "tqdm": ("false", False),
    },
    "td3_reject_ltp": {
        "root_policy_conf.run_name": ("'16904957'", "16904957"),
        "root_policy_conf.ckpt": ("5e4", 50_000),
        "root_policy_conf.seed": ("2", 2),
        "seed": ("5", 5),
        "eval_episodes": ("7", 7),
        "batch_size": ("6", 6),
        "episode_length": ("9", 9),
        "lr": ("1e-3", 1e-3),
        "max_steps": ("80", 80),
        "check_interval": ("2", 2),
        "heuristic": ("null", "none"),
        "cvar_alpha": ("1", 1.0),
        "common_random_numbers": ("true", True),
        "remeasure_incumbent": ("true", True),
        "sequential_error": ("null", None),  # acts with heuristic=cvar only: tried apart
        "control": ("false", False),
        "fresh_purds": ("0", 0),
        "start_noise": ("0", 0.0),
        "store_every": ("1", 1),
        "tqdm": ("false", False),
    },
}
SET["neighborhood"] = {
    "run": ("calm", "calm"),
    "seeds": ("[0,2]", [0, 2]),
    "checkpoints": ("last", "last"),
    "noise_type": ("action", "action"),
    "noise_amounts": ("[0,null]", [0, None]),
    "num_samples": ("7", 7),
    "batch_size": ("6", 6),
    "episode_length": ("9", 9),
    "discount": ("1", 1.0),
    "record_trajectories": ("2", 2),
    "tqdm": ("false", False),
}
SET["test"] = {
    "run": ("calm", "calm"),
    "seeds": ("0..2", "0..2"),
    "checkpoints": ("best", "best"),
    "episodes": ("7", 7),
    "start_noise": ("0.5", 0.5),
    "batch_size": ("6", 6),
    "episode_length": ("9", 9),
    "discount": ("1", 1.0),
    "record_trajectories": ("2", 2),
    "tqdm": ("false", False),
}
SET["paths"] = {
    "run": ("calm", "calm"),
    "seeds": ("all", "all"),
    "checkpoints": ("[3,5]", [3, 5]),
    "num_points": ("5", 5),
    "num_purd_samples": ("0", 0),
    "batch_size": ("6", 6),
    "noise_type": ("action", "action"),
    "noise_amount": ("null", None),
    "learner_from": ("2", 2),
    "episode_length": ("9", 9),
    "tqdm": ("false", False),
}
SET["reject_ltp"] = {**SET["td3_reject_ltp"], "lr": ("null", None)}


def in_our_spelling(experiment: str, published: dict[str, Any]) -> dict[str, Any]:
    """By our keys, without those of another algorithm."""
    others = {key for names in KEYS.values() for key in names if "." in key} - KEYS[experiment].keys()
    found = {KEYS[experiment].get(key, key): value for key, value in published.items() if key not in others}
    for key, (meant, values) in VALUES.get(experiment, {}).items():
        value = found.pop(key)
        said = values[str(value[1] if isinstance(value, tuple) else value).lower()]
        found[meant] = (said, said) if isinstance(value, tuple) else said
    return found


SET["train_td3"] = in_our_spelling("train_td3", SET["train_jaxrl"])
SET["train_sac"] = in_our_spelling("train_sac", SET["train_jaxrl"])
PUBLISHED_CHOICES = [
    ("td3", ["experiment=train_jaxrl"]),
    ("td3", ["experiment.algo=ddpg"]),
    ("sac", ["experiment=train_jaxrl", "experiment.algo=sac"]),
    ("ppo", ["experiment=train_ppo"]),
]
BURSTS: dict[str, tuple[str, Any]] = {
    "log_interval": ("1e5", 100_000),
    "checkpoint_burst": ("3", 3),
    "checkpoint_spacing": ("7", 7),
}
SET["train_ppo"] |= BURSTS
SWITCHES: dict[str, tuple[str, Any]] = {
    "lr_steps": ("[0.25]", [0.25]),
    "lr_factor": ("0.5", 0.5),
    "lr_kl": ("0.02", 0.02),
    "separate_optimizers": ("true", True),
    "critic_learning_rate": ("1e-3", 1e-3),
    "critic_max_grad_norm": ("2", 2.0),
    "squash": ("true", True),
    "squashed_entropy": ("true", True),
    "log_std_init": ("-1", -1.0),
    "log_std_max": ("0.5", 0.5),
    "activation": ("relu", "relu"),
    "initialization": ("xavier", "xavier"),
    "actor_final_scale": ("1", 1.0),
    "critic_final_scale": ("0.1", 0.1),
    "normalize_observations": ("true", True),
    "clip_observations": ("10", 10.0),
    "normalize_rewards": ("true", True),
    "clip_rewards": ("5", 5.0),
}
"""Of PPO, beside what was published."""
SET["train_ppo"] |= SWITCHES
SET["train_vpg"] = {
    **{key: value for key, value in SET["train_td3"].items() if key in (each.name for each in fields(Training))},
    "actor_lr": ("1e-4", 1e-4),
    "critic_lr": ("1e-4", 1e-4),
    "num_envs": ("2", 2),
    "unroll_length": ("9", 9),
    "fresh_starts": ("false", False),
    "policy_iterations": ("20", 20),
    "value_iterations": ("1", 1),
    "psi": ("q_value", "q_value"),
    "normalize_psi": ("false", False),
    "value_target": ("lambda_return", "lambda_return"),
    "loss_mode": ("ppo", "ppo"),
    "clip_eps": ("0.2", 0.2),
    "gamma": ("0.9", 0.9),
    "gae_lambda": ("1", 1.0),
    "hidden_dims": ("[8]", [8]),
    "activation": ("tanh", "tanh"),
    "initialization": ("orthogonal", "orthogonal"),
    "actor_final_scale": ("0.01", 0.01),
    "critic_final_scale": ("1", 1.0),
    "log_std_init": ("0", 0.0),
}
SET["train"] = {
    key: value for key, value in SET["train_td3"].items() if key in (each.name for each in fields(Training))
}
SET["policy_variance_mujoco"] = SET["policy_variance"]
SET["train"] |= {"algorithm": ("my.own.make", "my.own.make"), "checkpoints": ("12", 12)}

EXPERIMENTS = {
    "run_algorithm": {"train": "train", "train_bc": "train_bc"} | {f"train_{name}": "train" for name in ALGORITHMS},
    "eval_policy": {name: name for name in KINDS["eval_policy"]} | {"policy_variance_mujoco": "policy_variance"},
    "improve_ltp": {name: name for name in KINDS["improve_ltp"]},
}
"""Of each entry point, with their kinds."""
OFFERED = [(entry_point, name) for entry_point, experiments in EXPERIMENTS.items() for name in experiments]


def needed(name: str) -> list[str]:
    if name == "train":
        return ["experiment.algorithm=my.own.make"]
    return ROOT if name.endswith(("reject_ltp", "train_bc")) else RUN.get(name, [])


def setting(settings: Settings, key: str) -> Any:
    return settings.flat()[key] if isinstance(settings, Training) else attrgetter(key)(settings)


def check_values(settings: Settings, expected: dict[str, Any]) -> None:
    for key, value in expected.items():
        found = setting(settings, key)
        assert found == value, key
        assert type(found) is type(value), key


@pytest.mark.parametrize("entry_point, name", OFFERED)
def test_every_experiment_composes_into_its_kind(entry_point: str, name: str) -> None:
    job = compose_job(entry_point, [f"experiment={name}", *needed(name)])
    kind = EXPERIMENTS[entry_point][name]
    assert type(job.settings) is KINDS[entry_point][kind]
    assert (job.entry_point, job.experiment_name, job.kind, job.sweep_index) == (entry_point, name, kind, None)
    json.dumps(job.resolved, allow_nan=False)
    if name not in KEYS:
        check_values(job.settings, PUBLISHED.get(name, {}))


@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_defaults_of_the_published_experiment(algorithm: str) -> None:
    published = in_our_spelling(f"train_{algorithm}", PUBLISHED["train_jaxrl"])
    assert len(published) == len(PUBLISHED["train_jaxrl"]) - sum(
        key.startswith("sac_" if algorithm == "td3" else "ddpg_") for key in PUBLISHED["train_jaxrl"]
    )
    for arguments in (
        [f"experiment=train_{algorithm}"],
        ["experiment=train_jaxrl", f"experiment.algo={algorithm}"],
        [f"experiment.algo={algorithm}"],
        [f"algorithm={algorithm}"],
    ):
        job = compose_job("run_algorithm", arguments)
        assert job.experiment_name == f"train_{algorithm}"
        assert setting(job.settings, "algorithm") == algorithm
        check_values(job.settings, published)


def test_defaults_of_the_published_ppo() -> None:
    published = in_our_spelling("train_ppo", PUBLISHED["train_ppo"])
    assert len(published) == len(PUBLISHED["train_ppo"])
    check_values(compose_job("run_algorithm", ["experiment=train_ppo"]).settings, published)


def test_every_file_in_conf_is_offered() -> None:
    assert {path.stem for path in (CONF / "experiment").iterdir()} == {name for _, name in OFFERED}
    assert {path.stem for path in CONF.glob("*.yaml")} == {*KINDS, "common"}
    assert {kind for kinds in EXPERIMENTS.values() for kind in kinds.values()} == {k for e in KINDS.values() for k in e}
    for entry_point, experiments in EXPERIMENTS.items():
        with hydra_loader(entry_point) as loader:
            assert experiments_of(loader, entry_point) == sorted(experiments)


@pytest.mark.parametrize(
    "entry_point, default",
    [("run_algorithm", "train_td3"), ("eval_policy", "policy_variance"), ("improve_ltp", "td3_reject_ltp")],
)
def test_default_experiment(entry_point: str, default: str) -> None:
    assert compose_job(entry_point, needed(default)).experiment_name == default


# Keys that mean something else without `experiment.`: those of the new run.
NOT_SHORT = {"run_name"}


@pytest.mark.parametrize("prefix", ["experiment.", ""])
@pytest.mark.parametrize("entry_point, name", OFFERED)
def test_every_key_acts(entry_point: str, name: str, prefix: str) -> None:
    arguments = [
        f"{'experiment.' if key in NOT_SHORT else prefix}{key}={typed}" for key, (typed, _) in SET[name].items()
    ]
    job = compose_job(entry_point, [f"experiment={name}", *arguments])
    expected = in_our_spelling(name, SET[name]) if name in KEYS else SET[name]
    check_values(job.settings, {key: value for key, (_, value) in expected.items()})
    keys = {key.partition(".")[0] for key in expected}
    assert keys == job.resolved["experiment"].keys() - {"algorithm"} | (keys & {"algorithm"}), "a key is not tried here"


@pytest.mark.parametrize("algorithm, arguments", PUBLISHED_CHOICES)
@pytest.mark.parametrize("prefix", ["experiment.", ""])
def test_every_published_key_arrives(algorithm: str, arguments: list[str], prefix: str) -> None:
    name = "train_ppo" if algorithm == "ppo" else "train_jaxrl"
    published = {key: value for key, value in SET[name].items() if key not in {**BURSTS, **SWITCHES}}
    words = [f"{prefix}{key}={typed}" for key, (typed, _) in published.items()]
    job = compose_job("run_algorithm", [*arguments, *words])
    expected = in_our_spelling(f"train_{algorithm}", published)
    check_values(job.settings, {key: value for key, (_, value) in expected.items()})
    plain = [f"experiment.{key}={typed}" for key, (typed, _) in expected.items()]
    ours = compose_job("run_algorithm", [f"experiment=train_{algorithm}", *plain])
    assert ours.resolved == job.resolved


def test_early_refusal_acts_with_cvar_of_a_lower_tail_only() -> None:
    arguments = ["experiment=reject_ltp", *ROOT, "experiment.sequential_error=0.05"]
    settings = compose_job("improve_ltp", arguments).settings
    assert isinstance(settings, RejectLtp) and settings.sequential_error == 0.05
    for other in ("heuristic=ltp", "heuristic=none", "cvar_alpha=0.6"):
        with pytest.raises(UserError, match=r"^experiment.sequential_error=0.05: must be null unless"):
            compose_job("improve_ltp", [*arguments, f"experiment.{other}"])
    for wrong in ("0", "0.5", "-0.1", "true"):
        with pytest.raises(UserError, match=r"must be a number, above 0, below 0.5, or null$"):
            compose_job("improve_ltp", [*arguments[:-1], f"experiment.sequential_error={wrong}"])


def test_integers_among_amounts_stay_integers() -> None:
    job = compose_job("eval_policy", ["experiment.run_name=calm", "experiment.noise_amounts=[0,1,3e-4,2.0]"])
    assert [str(amount) for amount in job.settings.noise_amounts] == ["0", "1", "0.0003", "2.0"]  # type: ignore[union-attr]


def test_shared_keys_act() -> None:
    job = compose_job(
        "run_algorithm",
        "random_seed=7 use_wandb=false project_name=mine wandb.entity_name=me wandb.mode=offline run_host=there "
        "run_name=calm results_dir=elsewhere overwrite=true wait=false gpu_memory_fraction=0.3".split(),
    )
    assert (job.wait, job.gpu_memory_fraction) == (False, 0.3)
    assert (job.random_seed, job.use_wandb, job.run_host, job.overwrite) == (7, False, "there", True)
    assert (job.wandb.project_name, job.wandb.entity_name, job.wandb.mode) == ("mine", "me", "offline")
    assert (job.run_name, job.member_name, job.results_dir) == ("calm", "calm", "elsewhere")
    assert job.settings.seed == 7
    assert job.resolved["experiment"]["seed"] == 7
    assert compose_job("run_algorithm", ["wandb.project_name=other"]).wandb.project_name == "other"


def test_resolved_is_the_same_however_a_value_is_typed() -> None:
    typed = compose_job("run_algorithm", ["experiment.algo=ddpg", "experiment.max_steps=1000000"])
    assert typed.resolved == compose_job("run_algorithm", ["experiment.max_steps=1e6"]).resolved


def test_published_names_reach_the_algorithms() -> None:
    arguments = [f"experiment.{key}={typed}" for key, (typed, _) in SET["train_jaxrl"].items()]
    td3 = compose_job("run_algorithm", [*arguments, "experiment.algo=ddpg"])
    assert isinstance(td3.settings, Training)
    assert td3.settings.algorithm == "td3"
    assert td3.settings.algorithm_settings() == {
        "actor_lr": 1.0,
        "critic_lr": 1e-3,
        "hidden_dims": [8],
        "final_fc_init_scale": 0.01,
        "gamma": 0.0,
        "tau": 0.5,
        "policy_delay": 3,
        "target_policy_noise": 0.1,
        "target_noise_clip": 0.2,
        "exploration_noise": 0.3,
        "actor_batch_size": 32,
        "critic_batch_size": 64,
        "updates_per_step": 2,
        "learning_starts": 1000,
        "replay_capacity": 5000,
    }
    sac = compose_job("run_algorithm", [*arguments, "experiment.algo=sac"])
    assert isinstance(sac.settings, Training)
    inner = sac.settings.algorithm_settings()
    assert sac.settings.algorithm == "sac"
    assert (inner["temperature_lr"], inner["initial_temperature"], inner["target_entropy"]) == (1e-4, 0.1, -3.0)

    def typed(job: Job, key: str) -> str:
        return job.error_as_typed(UserError(key, 0, "no")).key

    assert typed(td3, "gamma") == "experiment.ddpg_config.discount"
    assert typed(sac, "gamma") == "experiment.sac_config.discount"
    assert typed(sac, "learning_starts") == "experiment.start_training"
    assert typed(sac, "results_dir") == "results_dir"


def test_a_replay_log_is_no_longer_than_the_training() -> None:
    settings = compose_job("run_algorithm", ["steps=2e4"]).settings
    assert isinstance(settings, Training)
    assert (settings.settings["replay_capacity"], settings.algorithm_settings()["replay_capacity"]) == (10**6, 20_000)


@pytest.mark.parametrize(
    "arguments",
    [
        ["experiment.algo=my.algorithm.make", "+experiment.algo_config.width=3", "experiment.seed=1"],
        ["experiment=train_jaxrl", "algo=my.algorithm.make", "algo_config.width=3", "experiment.env_name=hopper"],
        ["experiment=train", "algorithm=my.algorithm.make", "+width=3"],
        ["algorithm=my.algorithm.make", "+experiment.width=3", "agent_log_starts=[5]", "agent_num_logs=2"],
    ],
)
def test_algorithm_of_the_users_own(arguments: list[str]) -> None:
    job = compose_job("run_algorithm", arguments)
    assert isinstance(job.settings, Training)
    assert (job.experiment_name, job.settings.algorithm) == ("train", "my.algorithm.make")
    assert job.settings.algorithm_settings() == {"width": 3}
    key = job.error_as_typed(UserError("width", 3, "no")).key
    assert f"{key}=3" in [word.removeprefix("+") for word in arguments]
    assert job.resolved["experiment"]["width"] == 3


@pytest.mark.parametrize("preset", sorted(path.stem for path in (CONF / "job_config").iterdir()))
def test_every_preset_composes(preset: str) -> None:
    job = compose_job("run_algorithm", [f"job_config={preset}"])
    hosts = {"cc": "cc", "mila": "mila", "slurm": "slurm"}
    assert job.run_host == hosts.get(preset.partition("_")[0], "local")
    with hydra_loader("run_algorithm") as loader:
        own = load(loader, "run_algorithm", Spelled([f"job_config={preset}"])).hydra
    launcher = OmegaConf.to_container(own.launcher, resolve=False)
    assert isinstance(launcher, dict)
    kind = {"local_default": "BasicLauncher", "local_multiprocessing": "processes"}.get(preset, "SlurmLauncher")
    assert launcher["_target_"].endswith(kind)
    # Alone on a GPU, or two sharing one; where members follow one another, JAX's own share.
    shares = {"BasicLauncher": None, "processes": 0.45, "SlurmLauncher": 0.9}
    assert job.gpu_memory_fraction == shares[kind]
    if kind == "SlurmLauncher":
        assert (launcher["account"], launcher["partition"]) == (None, None)
        # A preset chosen is a job to be submitted, of one member too.
        assert own.mode.name == "MULTIRUN"
        setup = [str(line) for line in own.launcher.setup]
        assert not any("${" in line for line in setup)  # Hydra's launchers would read it as an interpolation


# The published command lines, as the shell hands them over; the run names are ours

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
