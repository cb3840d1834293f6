#!/usr/bin/env bash
# Everything behind docs/results/lander.md: five seeds of PPO and of VPG, then the landscape of PPO's.
# Run from the repository's root, with the environment active. `bash docs/results/lander.sh learn` does the first part only.
set -euo pipefail
export LANDSCAPES_RESULTS="${LANDSCAPES_RESULTS:-$PWD/results/lander}"
PY="${PY:-.venv/bin/python}"

train() { # algorithm, then settings; one that was ended goes on, and one that is finished is left alone
    algorithm=$1; shift
    $PY -m run_algorithm experiment="train_$algorithm" run_name="lander_$algorithm" env=LunarLander-v3 num_seeds=5 \
        episode_length=1000 eval_episode_length=1000 num_envs=16 "hidden_dims=[64,64]" checkpoints=10 "$@"
}

# Learning
train ppo steps=1500000 unroll_length=1024 num_minibatches=256 num_epochs=4 gamma=0.999 gae_lambda=0.98 ent_coef=0.01 \
    learning_rate=3e-4 lr_schedule=linear eval_interval=100000 eval_episodes=20
train vpg steps=2000000 unroll_length=64 fresh_starts=false gamma=0.99 gae_lambda=0.95 policy_iterations=2 \
    value_iterations=10 actor_lr=1e-3 critic_lr=1e-3 activation=tanh initialization=orthogonal actor_final_scale=0.01 \
    critic_final_scale=1.0 log_interval=20480 eval_interval=200000 eval_episodes=20
$PY -m eval_policy --multirun experiment=test run=lander_ppo,lander_vpg checkpoints=last episodes=100
[ "${1:-}" != learn ] || exit 0

# The landscape: noise on weights and one update, around an early, a middle and the last policy of two seeds
for noise in init_parameter:0.02:100 ppo_optimization:null:30; do
    IFS=: read -r kind amount samples <<< "$noise"
    $PY -m eval_policy experiment=neighborhood run=lander_ppo "seeds=[0,2]" "checkpoints=[425984,868352,1458176]" \
        noise_type=$kind "noise_amounts=[$amount]" num_samples=$samples
done
# The paths between the last policies of all seeds
$PY -m eval_policy experiment=paths run=lander_ppo checkpoints=last num_points=21 num_purd_samples=20 noise_amount=0.02
$PY -m landscapes.figures lander_ppo --format png
$PY -m landscapes.report lander_ppo
