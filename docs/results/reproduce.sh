#!/usr/bin/env bash
# Everything behind docs/results/README.md, at the size of a two-core machine (about an hour and a half there).
# Larger machines: raise the sizes at the top. Run from the repository's root, with the environment active.
set -euo pipefail
export LANDSCAPES_RESULTS="${LANDSCAPES_RESULTS:-$PWD/results/evidence}"
PY="${PY:-.venv/bin/python}"
BACKEND=spring
TD3_STEPS=40000 SAC_STEPS=25000 PPO_STEPS=4000000 PENDULUM_STEPS=10000 PENDULUM_PPO_STEPS=1000000
SAMPLES=500

train() { # name, then settings
    name=$1; shift
    [ -f "$LANDSCAPES_RESULTS/$name/curves.h5" ] || $PY -m run_algorithm run_name="$name" overwrite=true \
        experiment.num_seeds=2 experiment.backend=$BACKEND "$@"
}

steps() { seq -s, "$1" "$1" "$2"; }

train td3_hopper experiment.algo=td3 experiment.env_name=hopper experiment.max_steps=$TD3_STEPS \
    experiment.start_training=2000 experiment.eval_interval=2000 "experiment.agent_log_starts=[$(steps 8000 $TD3_STEPS)]"
train ppo_hopper experiment=train_ppo experiment.env_id=hopper experiment.total_timesteps=$PPO_STEPS \
    experiment.agent_num_logs=5
train sac_hopper experiment.algo=sac experiment.env_name=hopper experiment.max_steps=$SAC_STEPS \
    experiment.start_training=2000 experiment.eval_interval=2500 "experiment.agent_log_starts=[$(steps 5000 $SAC_STEPS)]"
for algo in td3 sac; do
    train ${algo}_pendulum experiment.algo=$algo experiment.env_name=inverted_double_pendulum \
        experiment.max_steps=$PENDULUM_STEPS experiment.start_training=1000 experiment.eval_interval=1000 \
        "experiment.agent_log_starts=[$(steps 5000 $PENDULUM_STEPS)]"
done
train ppo_pendulum experiment=train_ppo experiment.env_id=inverted_double_pendulum \
    experiment.total_timesteps=$PENDULUM_PPO_STEPS experiment.agent_num_logs=2

purd() { # run, kind, amount, checkpoints
    $PY -m eval_policy --multirun experiment.run_name="$1" experiment.seed=0,1 experiment.noise_type="$2" \
        "experiment.noise_amounts=[$3]" "experiment.ckpt_indexes=[$4]" experiment.eval_episodes=$SAMPLES
}

purd td3_hopper td3_optimization 3e-4 "$(steps 8000 $TD3_STEPS)"
purd sac_hopper sac_optimization 3e-4 "$(steps 5000 $SAC_STEPS)"
# One PPO sample takes a fresh unroll of 32 768 steps before its roll-out: fewer of them.
SAMPLES=40 purd ppo_hopper ppo_optimization 0 1540096,3899392

# The gallery: the same-mean pair with its roll-outs, planes and lines around both, paths, and clones of both.
for policy in "0 32000" "1 24000"; do
    read -r seed ckpt <<< "$policy"
    of="experiment.run_name=td3_hopper experiment.seed=$seed"
    $PY -m eval_policy $of "experiment.ckpt_indexes=[$ckpt]" experiment.noise_type=td3_optimization \
        "experiment.noise_amounts=[3e-4]" experiment.eval_episodes=$SAMPLES experiment.record_trajectories=1
    $PY -m eval_policy experiment=landscape_slice $of experiment.ckpt="$ckpt" experiment.radius=0.2 \
        experiment.num_x=21 experiment.num_y=21 experiment.num_samples=8
    $PY -m eval_policy experiment=landscape_slice $of experiment.ckpt="$ckpt" experiment.directions=update \
        experiment.num_x=41 experiment.num_y=1 experiment.num_samples=50
    $PY -m run_algorithm experiment=train_bc run_name="clone_s${seed}_c$ckpt" experiment.num_seeds=2 \
        experiment.root_policy_conf.run_name=td3_hopper experiment.root_policy_conf.seed="$seed" \
        experiment.root_policy_conf.ckpt="$ckpt"
    $PY -m eval_policy --multirun experiment.run_name="clone_s${seed}_c$ckpt" experiment.seed=0,1 \
        experiment.noise_type=td3_optimization "experiment.noise_amounts=[3e-4]" \
        "experiment.ckpt_indexes=[1000,20000]" experiment.eval_episodes=$SAMPLES
done
for same_seed in true false; do
    $PY -m eval_policy experiment=policy_interpolation_seed experiment.run_name=td3_hopper experiment.seed=0 \
        experiment.same_seed=$same_seed experiment.first_half=true "experiment.ckpt_indexes=[24000,32000,40000]" \
        experiment.num_points=21 experiment.num_purd_samples=30
done
$PY -m landscapes.figures td3_hopper --format png
$PY -m landscapes.report td3_hopper

# Rejection from ten roots, each beside its control, all measured afresh.
$PY -m improve_ltp --multirun experiment.root_policy_conf.run_name=td3_hopper \
    "experiment.root_policy_conf.ckpt=$(steps 8000 $TD3_STEPS)" experiment.root_policy_conf.seed=0,1 \
    experiment.eval_episodes=200 experiment.fresh_purds=3 experiment.max_steps=20 overwrite=true
