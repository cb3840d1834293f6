#!/usr/bin/env bash
# Everything behind docs/results/mujoco.md: five seeds of PPO on MuJoCo's tasks with CleanRL's settings, then a first look at
# the landscape of those on Hopper-v5. Run from the repository's root, with the environment active and
# gymnasium_requirements.txt installed. `bash docs/results/mujoco.sh learn` does the first part only.
set -euo pipefail
export LANDSCAPES_RESULTS="${LANDSCAPES_RESULTS:-$PWD/results/mujoco}"
PY="${PY:-.venv/bin/python}"

# Learning; a training that was ended goes on, and one that is finished is left alone
for task in Hopper Walker2d HalfCheetah; do
    $PY -m run_algorithm experiment=train_ppo run_name="mujoco_$task" env="$task-v5" num_seeds=5 steps=1000000 \
        num_envs=8 unroll_length=256 num_minibatches=32 num_epochs=10 learning_rate=3e-4 lr_schedule=linear \
        clip_vloss=true vf_coef=0.5 max_grad_norm=0.5 bootstrap_truncated=false \
        normalize_observations=true clip_observations=10 normalize_rewards=true clip_rewards=10 \
        eval_interval=50000 eval_episodes=10 eval_sampled=true checkpoints=10
done
$PY -m eval_policy --multirun experiment=test run=mujoco_Hopper,mujoco_Walker2d,mujoco_HalfCheetah checkpoints=last episodes=50
[ "${1:-}" != learn ] || exit 0

# The landscape: one whole update, and noise on weights, around three policies of a steady and of an unsteady seed
for noise in full_update:null:30 init_parameter:0.02:50; do
    IFS=: read -r kind amount samples <<< "$noise"
    $PY -m eval_policy experiment=neighborhood run=mujoco_Hopper "seeds=[1,4]" "checkpoints=[292864,686080,980992]" \
        noise_type=$kind "noise_amounts=[$amount]" num_samples=$samples
done
$PY -m landscapes.figures mujoco_Hopper --format png
$PY -m landscapes.report mujoco_Hopper
