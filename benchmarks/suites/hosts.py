"""Simulators that Python steps: Atari beside Stable-Baselines3 and the emulator alone, LunarLander beside envpool.

Knows the sizes: the published settings of PPO on Atari, eight games of 128 steps, and 64 landers.
"""

from typing import Any

from benchmarks.plan import Plan
from benchmarks.suites.purd import lanes
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, compare_with_number
from landscapes.machine.runtime import num_cores

GAME, ROM, LANDER = "Breakout-v5", "breakout", "LunarLander-v3"
OVER_SB3 = 1.25
SHARE_OF_EMULATOR = 0.9
SHARE_OF_APART = 0.7
SHARE_OF_ENVPOOL = 0.5
PUBLISHED = {"num_envs": 8, "unroll_length": 128, "num_minibatches": 4, "num_epochs": 4, "learning_rate": 2.5e-4} | {
    "clip_eps": 0.1,
    "ent_coef": 0.01,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
}


def run(plan: Plan) -> Record:
    """Training, stepping, a PURD; then the lander."""
    comparisons: list[Comparison] = []
    measurements: list[Measurement] = []
    config = {**PUBLISHED, "unroll_length": plan.size(128, 8)}
    atari: dict[str, Any] = {"algorithm": "ppo", "environment": GAME, "backend": "ale"}

    jobs = [plan.ours("ours PPO Breakout", "training.trainer", {**atari, "seeds": 1, "config": config})]
    jobs += plan.host_peer("Stable-Baselines3 PPO Breakout", "host_peers.sb3_ppo", {"task": GAME, "config": config})
    found = plan.take_turns(jobs)
    measurements += found.values()
    comparisons += _beside(found, "ours PPO Breakout", "Stable-Baselines3 PPO Breakout", "Stable-Baselines3", OVER_SB3)

    jobs = []
    for num_envs in plan.size((8, 64), (2,)):
        jobs.append(plan.ours(f"stepping Breakout, {num_envs}", "hosted.steps", _lanes(GAME, num_envs)))
        jobs += plan.host_peer(f"ALE alone, {num_envs}", "host_peers.ale_vector", {"game": ROM, "num_envs": num_envs})
    sampled = {"kind": "init_parameter", "amount": 0.01, "samples": plan.size(100, 2), "batch_size": 1000}
    measured = {"agent": {**atari, "config": config}, "sampled": {**sampled, "episode_length": plan.size(200, 5)}}
    purd = plan.ours("PURD Breakout, noise on weights", "purd.measurement", measured)
    width = max(1, lanes(purd) // num_cores())
    jobs.append(plan.ours("its policies alone", "policies.answers", {**atari, "config": config, "lanes": [width]}))
    found = plan.take_turns([purd, *jobs])
    measurements += found.values()
    for num_envs in plan.size((8, 64), (2,)):
        ours, alone = f"stepping Breakout, {num_envs}", f"ALE alone, {num_envs}"
        comparisons += _beside(found, ours, alone, "ALE's vector environment", SHARE_OF_EMULATOR)
    emulator = max((m.rate.median for m in found.values() if m.name.startswith("ALE alone")), default=None)
    if emulator is not None:
        apart = 1 / (1 / found[f"its policies alone, {width} on each"].rate.median + 1 / emulator)
        label = "its policies and the emulator, each alone, one after the other"
        comparisons.append(compare_with_number(purd.name, found[purd.name], apart, label, SHARE_OF_APART))

    num_envs = plan.size(64, 4)
    small = {"num_envs": num_envs, "unroll_length": plan.size(128, 8), "num_minibatches": 8, "num_epochs": 4}
    lander = {"algorithm": "ppo", "environment": LANDER, "backend": "gymnasium", "seeds": 1, "config": small}
    jobs = [plan.ours(f"ours PPO LunarLander, {num_envs}", "training.trainer", lander)]
    jobs.append(plan.ours(f"stepping LunarLander, {num_envs}", "hosted.steps", _lanes(LANDER, num_envs)))
    jobs += plan.host_peer(
        f"envpool LunarLander, {num_envs}", "host_peers.envpool_steps", {"task": "LunarLander-v3", "num_envs": num_envs}
    )
    found = plan.take_turns(jobs)
    measurements += found.values()
    for job in jobs[:2]:
        target = SHARE_OF_ENVPOOL if job is jobs[0] else None
        comparisons += _beside(found, job.name, f"envpool LunarLander, {num_envs}", "envpool alone", target)
    notes = ["A step of Atari is four frames. ALE's vector environment and envpool step under random actions, no more."]
    return Record("hosts", comparisons, measurements, notes)


def _lanes(environment: str, num_envs: int) -> dict[str, object]:
    return {"environment": environment, "num_envs": num_envs}


def _beside(
    found: dict[str, Measurement], ours: str, theirs: str, label: str, target: float | None
) -> list[Comparison]:
    """Ours beside theirs, where theirs is installed."""
    if theirs not in found:
        return []
    return [compare_rates(ours, found[ours], found[theirs], label, target)]
