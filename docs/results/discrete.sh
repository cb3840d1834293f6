#!/usr/bin/env bash
# Everything behind docs/results/discrete.md: five seeds of each learning, then the landscape of two of them.
# Run from the repository's root, with the environment active. `bash docs/results/discrete.sh learn` does the first part only.
set -euo pipefail
export LANDSCAPES_RESULTS="${LANDSCAPES_RESULTS:-$PWD/results/discrete}"
PY="${PY:-.venv/bin/python}"

train() { # name, then settings; one that was ended goes on, and one that is finished is left alone
    name=$1; shift
    $PY -m run_algorithm run_name="$name" experiment.num_seeds=5 experiment.eval_episodes=100 "$@"
}

ppo() { # name, task, then settings
    name=$1 task=$2; shift 2
    train "$name" experiment=train_ppo experiment.env_id="$task" experiment.num_envs=64 experiment.num_steps=32 \
        experiment.num_minibatches=4 experiment.learning_rate=1e-3 experiment.anneal_lr=true \
        experiment.vf_coef=0.5 experiment.max_grad_norm=0.5 "$@"
}

# Learning
ppo ppo_cartpole CartPole-v1 experiment.total_timesteps=500000
ppo ppo_cartpole_10 CartPole-v1 experiment.total_timesteps=500000 experiment.update_epochs=10 experiment.num_minibatches=8
ppo ppo_acrobot Acrobot-v1 experiment.total_timesteps=500000 experiment.ent_coef=0.01
ppo ppo_pendulum Pendulum-v1 experiment.total_timesteps=600000 experiment.update_epochs=10 experiment.num_minibatches=8 \
    experiment.gamma=0.95 experiment.max_grad_norm=1000
train td3_pendulum experiment.algo=td3 experiment.env_name=Pendulum-v1 experiment.max_steps=15000 \
    experiment.start_training=1000 experiment.replay_buffer_size=15000 experiment.eval_interval=3000 \
    experiment.ddpg_config.hidden_dims=[64,64] experiment.ddpg_config.actor_lr=1e-3 \
    experiment.ddpg_config.critic_lr=1e-3 experiment.actor_batch_size=128 experiment.critic_batch_size=128 \
    "experiment.agent_log_starts=[15000]"
ppo ppo_breakout Breakout-MinAtar experiment.total_timesteps=400000 experiment.num_steps=16 \
    experiment.update_epochs=2 experiment.ent_coef=0.01
[ "${1:-}" != learn ] || exit 0

# The landscape
purd() { # run, checkpoints, samples
    for noise in ppo_optimization:1e-3 init_parameter:0.02; do
        $PY -m eval_policy --multirun experiment.run_name="$1" experiment.seed=0,1 "experiment.ckpt_indexes=[$2]" \
            experiment.noise_type=${noise%:*} "experiment.noise_amounts=[${noise#*:}]" \
            experiment.eval_episodes="$3" experiment.record_trajectories=1
    done
}

paths() { # run, checkpoints
    for same_seed in true false; do
        $PY -m eval_policy experiment=policy_interpolation_seed experiment.run_name="$1" experiment.seed=0 \
            experiment.same_seed=$same_seed experiment.first_half=null "experiment.ckpt_indexes=[$2]" \
            experiment.num_points=21 experiment.num_purd_samples=20 experiment.noise_amount=0.01
    done
}

plane() { # run, checkpoint
    $PY -m eval_policy experiment=landscape_slice experiment.run_name="$1" experiment.ckpt="$2" \
        experiment.num_x=15 experiment.num_y=15 experiment.num_samples=4 experiment.noise_amount=0.01
}

walk() { # run, seed, checkpoint
    $PY -m improve_ltp experiment=reject_ltp experiment.root_policy_conf.run_name="$1" \
        experiment.root_policy_conf.seed="$2" experiment.root_policy_conf.ckpt="$3" experiment.lr=1e-3 \
        experiment.eval_episodes=100 experiment.max_steps=15 experiment.start_noise=1
}

purd ppo_cartpole 47104,145408,243712,342016,489472 200
paths ppo_cartpole 145408,489472
plane ppo_cartpole 489472
walk ppo_cartpole 0 145408
walk ppo_cartpole 1 145408
purd ppo_breakout 38912,118784,198656,278528,398336 100
paths ppo_breakout 118784,398336
plane ppo_breakout 398336
walk ppo_breakout 0 198656
for run in ppo_cartpole ppo_breakout; do
    $PY -m landscapes.figures $run --format png
    $PY -m landscapes.report $run
done
