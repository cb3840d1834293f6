"""The keys of every experiment as published, with their defaults, and what each needs to be composed.

Knows names and values; runs nothing.
"""

from typing import Any

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
