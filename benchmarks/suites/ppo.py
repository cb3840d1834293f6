"""PPO with many environments beside the bare simulator and rejax; how long it compiles.

Knows the sizes, which are the published ones.
"""

from benchmarks.plan import Plan, num_cores, with_best_peer
from benchmarks.suites import raw
from benchmarks.timing import Comparison, Record, compare_rates, spread

SHARE_OF_SIMULATOR = 0.9
COMPILE_SECONDS = 10.0


def run(plan: Plan) -> Record:
    """Halfcheetah, 2048 environments of 16 steps, two minibatches, four epochs."""
    environment = plan.size("halfcheetah", "inverted_pendulum")
    num_envs = plan.size(2048, 16)
    task = {"algorithm": "ppo", "environment": environment, "backend": "spring", "seeds": 1}
    config = {"num_envs": num_envs, "unroll_length": 16, "num_minibatches": 2, "num_epochs": 4}
    theirs = {"num_envs": num_envs, "num_steps": 16, "num_minibatches": 2, "num_epochs": 4, "learning_rate": 2.6e-3}
    theirs |= {"ent_coef": 0.0, "vf_coef": 2.0}
    cores = num_cores()
    jobs = [
        plan.ours("ours PPO", "training.trainer", {**task, "config": config}),
        plan.ours("ours PPO, a seed per core", "training.trainer", {**task, "config": config, "seeds": cores}),
    ]
    if plan.peer_python:
        jobs += plan.peers("rejax PPO", "peer.trainer", {**task, "config": theirs, "hidden": [64, 64]})
    jobs += raw.simulator_jobs(plan, environment, "spring", plan.size([256, 1024, num_envs], [num_envs]))
    found = plan.take_turns(jobs)
    if plan.peer_python:
        found = with_best_peer(found, "rejax PPO")
    mine = found["ours PPO"]
    what = f"PPO {environment}, {num_envs} environments"
    compiling = mine.compile_seconds + float(mine.details["setup_compile_seconds"])
    ratio = spread([compiling / COMPILE_SECONDS])
    one, best = (raw.simulator(found, environment, way=way) for way in raw.WAYS)
    several = found["ours PPO, a seed per core"]
    comparisons = [
        compare_rates(f"{what}, one seed", mine, one, f"the bare simulator, {raw.WAYS[0]}", SHARE_OF_SIMULATOR),
        compare_rates(
            f"{what}, {cores} seeds", several, best, f"the bare simulator, {raw.WAYS[1]}", SHARE_OF_SIMULATOR
        ),
        Comparison(f"{what}: compiling", compiling, "s", "a fixed time", COMPILE_SECONDS, ratio, 1.0, at_most=True),
    ]
    if plan.peer_python:
        comparisons.insert(2, compare_rates(f"{what}, one seed", mine, found["rejax PPO"], "rejax"))
    return Record("ppo", comparisons, list(found.values()))
