"""PPO with many environments beside the bare simulator and rejax; how long it compiles.

Knows the sizes, which are the published ones.
"""

from collections.abc import Mapping

from benchmarks.plan import Plan, with_best_peer
from benchmarks.suites import raw
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, spread
from landscapes.machine.runtime import num_cores

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
    batches = plan.size([raw.smallest_batch(), 256, 1024, num_envs], [num_envs])
    jobs += raw.simulator_jobs(plan, environment, "spring", batches)
    jobs += raw.simulator_jobs(plan, environment, "spring", batches, which=raw.OURS)
    found = plan.take_turns(jobs)
    if plan.peer_python:
        found = with_best_peer(found, "rejax PPO")
    return Record("ppo", compare(found, environment, num_envs), list(found.values()))


def compare(found: Mapping[str, Measurement], environment: str, num_envs: int) -> list[Comparison]:
    """Beside the simulator at the same batch (the target) and at its best one; beside rejax, if it is there."""
    mine, several = found["ours PPO"], found["ours PPO, a seed per core"]
    what = f"PPO {environment}, {num_envs} environments"
    lines = []
    for which, ours, way in (("one seed", mine, raw.WAYS[0]), ("a seed per core", several, raw.WAYS[1])):
        same, best = (raw.simulator(found, environment, batch, way) for batch in (num_envs, None))
        label = f"the bare simulator, {way}"
        lines.append(compare_rates(f"{what}, {which}", ours, same, f"{label}, same batch", SHARE_OF_SIMULATOR))
        lines.append(compare_rates(f"{what}, {which}", ours, best, f"{label}, {raw.batch_of(best)}"))
        own = raw.simulator(found, environment, None, way, raw.OURS)
        lines.append(compare_rates(f"{what}, {which}", ours, own, f"lanes last, {way}, {raw.batch_of(own)}"))
    if "rejax PPO" in found:
        lines.append(compare_rates(f"{what}, one seed", mine, found["rejax PPO"], "rejax"))
    compiling = mine.compile_seconds + float(mine.details["setup_compile_seconds"])
    ratio = spread([compiling / COMPILE_SECONDS])
    lines.append(
        Comparison(f"{what}: compiling", compiling, "s", "a fixed time", COMPILE_SECONDS, ratio, 1.0, at_most=True)
    )
    return lines
