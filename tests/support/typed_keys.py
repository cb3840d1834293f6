"""Every key of every experiment with another value than its default: as it is typed, and what must arrive.

Knows names and values; runs nothing.
"""

from dataclasses import fields
from typing import Any

from landscapes.config.published import KEYS, VALUES
from landscapes.config.schemas import StoredPolicy
from landscapes.config.training import Training

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
