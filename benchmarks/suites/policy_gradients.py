"""VPG and PPO on CartPole and LunarLander, beside rejax and Stable-Baselines3 at equal sizes on the same cores.

Knows the sizes: 64 environments of 128 steps; PPO with four minibatches and four epochs. A peer has no VPG: it is given
PPO with as many steps on as large batches, the whole of one, four times, for the policy and for the critic.
"""

from typing import Any

from benchmarks.plan import Plan, with_best_peer
from benchmarks.timing import Comparison, Measurement, Record, compare_rates

TASKS = {"CartPole-v1": "gymnax", "LunarLander-v3": "gymnasium"}
HIDDEN = [64, 64]
AHEAD = 1.0
MINIBATCHES = {"ppo": 4, "vpg": 1}
STEPS_ON_A_BATCH = 4


def run(plan: Plan) -> Record:
    """Each algorithm on each task, in turns with the peers that have it."""
    comparisons: list[Comparison] = []
    measurements: list[Measurement] = []
    num_envs, steps = plan.size(64, 8), plan.size(128, 8)
    for task, backend in TASKS.items():
        for algorithm in MINIBATCHES:
            label = f"{algorithm.upper()} {task.partition('-')[0]}, {num_envs} x {steps}"
            jobs = [plan.ours(f"ours {label}", "training.trainer", _ours(algorithm, task, backend, num_envs, steps))]
            sizes = {"num_envs": num_envs, "num_minibatches": MINIBATCHES[algorithm], "num_epochs": STEPS_ON_A_BATCH}
            sizes |= {"learning_rate": 1e-3, "ent_coef": 0.0, "vf_coef": 0.5, "max_grad_norm": 0.5}
            theirs: dict[str, Any] = {"algorithm": "ppo", "environment": task, "backend": backend, "seeds": 1}
            rejax, sb3 = f"rejax {label}", f"Stable-Baselines3 {label}"
            if plan.peer_python and backend == "gymnax":
                theirs |= {"config": {**sizes, "num_steps": steps}, "hidden": HIDDEN}
                jobs += plan.peers(rejax, "peer.trainer", theirs)
            config = {**sizes, "unroll_length": steps, "clip_eps": 0.2, "hidden_dims": HIDDEN}
            jobs += plan.host_peer(sb3, "host_peers.sb3_ppo", {"task": task, "config": config})
            found = plan.take_turns(jobs)
            if any(name.startswith(rejax) for name in found):
                found = with_best_peer(found, rejax)
            measurements += found.values()
            comparisons += [
                compare_rates(label, found[f"ours {label}"], found[name], peer, AHEAD)
                for name, peer in ((rejax, "rejax"), (sb3, "Stable-Baselines3"))
                if name in found
            ]
    notes = [
        "One seed. Beside VPG the peers run PPO with as much work: four steps of policy and critic on the whole batch. "
        "Stable-Baselines3 steps its environments in its own process, as it does by default."
    ]
    return Record("policy_gradients", comparisons, measurements, notes)


def _ours(algorithm: str, task: str, backend: str, num_envs: int, steps: int) -> dict[str, Any]:
    config: dict[str, Any] = {"num_envs": num_envs, "unroll_length": steps, "hidden_dims": HIDDEN}
    if algorithm == "ppo":
        config |= {"num_minibatches": MINIBATCHES["ppo"], "num_epochs": STEPS_ON_A_BATCH, "learning_rate": 1e-3}
    else:
        config |= {"policy_iterations": STEPS_ON_A_BATCH, "value_iterations": STEPS_ON_A_BATCH, "fresh_starts": False}
        config |= {"activation": "tanh"}
    return {"algorithm": algorithm, "environment": task, "backend": backend, "seeds": 1, "config": config}
