#!/usr/bin/env bash
# Everything behind docs/results/atari.md: two seeds of PPO on Breakout, then the landscape of their policies.
# Run from the repository's root, with the environment active and atari_requirements.txt installed.
# `bash docs/results/atari.sh learn` does the first part only.
set -euo pipefail
export LANDSCAPES_RESULTS="${LANDSCAPES_RESULTS:-$PWD/results/atari}"
PY="${PY:-.venv/bin/python}"

# Learning: the settings of CleanRL, which the published study used, for six hundred thousand steps instead of ten million
$PY -m run_algorithm experiment=train_ppo run_name=breakout env=Breakout-v5 +env_options.life_loss=true num_seeds=2 \
    steps=600000 num_envs=8 unroll_length=128 num_minibatches=4 num_epochs=4 learning_rate=2.5e-4 lr_schedule=linear \
    clip_eps=0.1 clip_vloss=true clip_rewards=1.0 ent_coef=0.01 vf_coef=0.5 max_grad_norm=0.5 checkpoints=10 \
    episode_length=27000 eval_episode_length=3000 eval_interval=50000 eval_episodes=8 eval_sampled=true
$PY -m eval_policy experiment=test run=breakout checkpoints=last episodes=30 episode_length=3000
[ "${1:-}" != learn ] || exit 0

# The landscape, around an early, a middle and a late policy of either seed: a whole update, as the published study
# measured it, and noise on weights
for noise in full_update:null:20:0 init_parameter:0.01:30:1; do
    IFS=: read -r kind amount samples recorded <<< "$noise"
    $PY -m eval_policy experiment=neighborhood run=breakout "checkpoints=[117760,295936,533504]" noise_type=$kind \
        "noise_amounts=[$amount]" num_samples=$samples record_trajectories=$recorded
done
# The path between the last policies of the two seeds, and a walk that refuses updates
$PY -m eval_policy experiment=paths run=breakout checkpoints=last num_points=11 num_purd_samples=10 noise_amount=0.01
$PY -m improve_ltp experiment=reject_ltp root_policy_conf.run_name=breakout root_policy_conf.seed=1 \
    root_policy_conf.ckpt=533504 lr=null eval_episodes=12 max_steps=6
$PY -m landscapes.figures breakout --format png
$PY -m landscapes.report breakout
$PY -m landscapes.report breakout --gif breakout.gif --checkpoint 1 533504
