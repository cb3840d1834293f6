"""CartPole: PPO beside rejax at equal sizes, and its measured neighbourhoods beside gymnax's own steps.

Knows the sizes: 64 environments of 128 steps, four minibatches, four epochs; and a thousand neighbours, one update of
PPO away, of 500 steps each, whose falls are taken away so that every sample has the same work.
"""

from typing import Any

from benchmarks.plan import Plan, with_best_peer
from benchmarks.suites import raw
from benchmarks.suites.purd import lanes
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, compare_with_number
from landscapes.machine.runtime import num_cores

TASK, BACKEND = "CartPole-v1", "gymnax"
BARE = "gymnax"
AS_FAST_AS_PEER = 1.0


def run(plan: Plan) -> Record:
    """Training, then a PURD."""
    num_envs, steps = plan.size(64, 8), plan.size(128, 8)
    shared = {"num_envs": num_envs, "num_minibatches": 4, "num_epochs": 4, "learning_rate": 1e-3}
    shared |= {"ent_coef": 0.0, "vf_coef": 0.5, "max_grad_norm": 0.5}
    task: dict[str, Any] = {"algorithm": "ppo", "environment": TASK, "backend": BACKEND}
    config = {**shared, "unroll_length": steps}
    jobs = []
    what = {1: f"PPO CartPole, {num_envs} x {steps}, one seed"}
    what |= plan.size({20: f"PPO CartPole, {num_envs} x {steps}, 20 seeds"}, {})
    for seeds, label in what.items():
        sized = {**task, "seeds": seeds}
        jobs.append(plan.ours(f"ours {label}", "training.trainer", {**sized, "config": config}))
        if plan.peer_python:
            theirs = {**sized, "config": {**shared, "num_steps": steps}, "hidden": [64, 64]}
            jobs += plan.peers(f"rejax {label}", "peer.trainer", theirs)
    found = plan.take_turns(jobs)
    comparisons: list[Comparison] = []
    if plan.peer_python:
        for label in what.values():
            found = with_best_peer(found, f"rejax {label}")
            pair = found[f"ours {label}"], found[f"rejax {label}"]
            comparisons.append(compare_rates(label, *pair, "rejax", AS_FAST_AS_PEER))
    measurements: list[Measurement] = list(found.values())

    agent = {**task, "config": {**config, "unroll_length": plan.size(32, 8)}}
    sizes = {"samples": plan.size(1000, 4), "batch_size": 1000, "episode_length": plan.size(500, 20)}
    updated = {"agent": agent, "sampled": {"kind": "ppo_optimization", "amount": 0.0, **sizes}}
    update = plan.ours("PURD CartPole, PPO", "purd.measurement", updated)
    noise = {"agent": agent, "sampled": {"kind": "init_parameter", "amount": 0.1, **sizes}}
    weights = plan.ours("PURD CartPole, noise on weights", "purd.measurement", noise)
    batch = lanes(weights)
    bare = [
        plan.ours(
            f"{BARE} {TASK} ({BACKEND}), {way}",
            "bare.gymnax_steps",
            {
                "environment": TASK,
                "batches": sorted(set(plan.size([batch, 64, 1000], [batch]))),
                "devices": "one" if way == raw.WAYS[0] else "all",
            },
            raw.variables(way),
            seconds=1.5,
        )
        for way in raw.WAYS[: 1 if num_cores() == 1 else 2]
    ]
    width = batch // num_cores()
    asked = plan.ours("policies alone", "policies.answers", {**agent, "lanes": [width]}, seconds=1.5)
    found = plan.take_turns([update, weights, *bare, asked])
    alone = found[f"policies alone, {width} on each"]
    for job in (update, weights):
        same, best = (raw.simulator(found, TASK, size, which=BARE) for size in (batch, None))
        comparisons.append(compare_rates(job.name, found[job.name], same, f"bare gymnax, same batch ({batch})"))
        comparisons.append(compare_rates(job.name, found[job.name], best, f"bare gymnax, {raw.batch_of(best)}"))
        apart = 1 / (1 / alone.rate.median + 1 / best.rate.median)
        label = "its policies and gymnax, each alone, one after the other"
        comparisons.append(compare_with_number(job.name, found[job.name], apart, label))
    notes = [
        "Steps of the neighbours of PPO are those of the roll-outs and of the unrolls that its updates learn from; "
        "bare gymnax is its `step_env` under random actions, with nothing else. A step of this task costs less than "
        "any network: policies alone, as many side by side and each with weights of its own, are a limit nearer by."
    ]
    return Record("classic", comparisons, [*measurements, *found.values()], notes)
