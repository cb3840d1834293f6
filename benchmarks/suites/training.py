"""TD3 and SAC in their steady state, for several seeds at once, beside rejax and beside the limit of the products.

Knows the sizes, which are the published ones, and how rejax is given the same. The limit is the rate of square float32
products over the products that a step needs (`flops`).

Of the compiler's options, JAX's own and the suite's, rejax gets those with which it is faster on the first task.

Ours is timed over iterations after the warm-up from a full log, rejax over its `train_iteration` from a full buffer,
without evaluations (`workloads.training`, `workloads.peer`): one environment step and one update of each seed a step.
"""

from benchmarks import flops
from benchmarks.plan import Plan, with_best_peer
from benchmarks.suites import raw
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, compare_with_number

SEEDS = (1, 4, 20)
ROWS = 100_000
FEW_ROWS = 4096
HIDDEN = (256, 256)
BATCH = 256
DELAY = 2
SIZES = {"hopper": (11, 3), "halfcheetah": (17, 6), "inverted_pendulum": (4, 1)}
"""Sizes of observations and actions."""

FASTER_THAN_PEER = 1.25
SHARE_OF_LIMIT = 0.6

_NOTE = (
    "rejax draws its minibatches without replacement, at a cost that grows with its buffer; "
    f"the line with a buffer of {FEW_ROWS:,} rows shows the rest of the difference."
)


def megaflop(algorithm: str, environment: str) -> float:
    """Millions of operations of one seed-step that are matrix products."""
    sizes = (*SIZES[environment], HIDDEN, BATCH)
    return (flops.td3_step(*sizes, DELAY) if algorithm == "td3" else flops.sac_step(*sizes)) / 1e6


def ours(algorithm: str, environment: str, seeds: int, rows: int) -> dict[str, object]:
    """Settings of our worker."""
    config = {"replay_capacity": rows, "learning_starts": 1000, "hidden_dims": list(HIDDEN)}
    config |= {"actor_batch_size": BATCH, "critic_batch_size": BATCH}
    config |= {"policy_delay": DELAY} if algorithm == "td3" else {}
    return {
        "algorithm": algorithm,
        "config": config,
        "environment": environment,
        "backend": "spring",
        "seeds": seeds,
    }


def peers(algorithm: str, environment: str, seeds: int, rows: int) -> dict[str, object]:
    """Settings of the peer's worker: the same sizes, and the same number of updates of everything."""
    config = {"buffer_size": rows, "fill_buffer": 1000, "batch_size": BATCH, "learning_rate": 3e-4, "polyak": 0.995}
    config |= {"policy_delay": DELAY, "exploration_noise": 0.1} if algorithm == "td3" else {}
    return {**ours(algorithm, environment, seeds, rows), "config": config, "hidden": list(HIDDEN)}


def run(plan: Plan) -> Record:
    """Every algorithm, task and number of seeds."""
    best_flags: dict[str, str] = {}
    products = plan.take_turns(raw.product_jobs(plan))
    peak = raw.products(products)
    comparisons: list[Comparison] = []
    measurements: list[Measurement] = list(products.values())
    notes = [_NOTE] if plan.peer_python else ["There is no peer here: `make bench` could not install rejax."]
    points = [(a, e, s, ROWS) for a in ("td3", "sac") for e in ("hopper", "halfcheetah") for s in SEEDS]
    points.append(("td3", "hopper", 4, FEW_ROWS))
    for algorithm, environment, seeds, rows in plan.size(points, [("td3", "inverted_pendulum", 1, 512)]):
        what = f"{algorithm.upper()} {environment}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
        what += "" if rows == ROWS else f", buffer of {rows:,} rows"
        jobs = [plan.ours(f"ours {what}", "training.trainer", ours(algorithm, environment, seeds, rows))]
        if plan.peer_python:
            theirs = plan.peers(f"rejax {what}", "peer.trainer", peers(algorithm, environment, seeds, rows))
            known = best_flags.get(algorithm)
            jobs += [job for job in theirs if known is None or job.name.endswith(f", {known}")]
        found = plan.take_turns(jobs)
        if plan.peer_python:
            found = with_best_peer(found, f"rejax {what}")
            best_flags[algorithm] = found[f"rejax {what}"].details["flags"]
        measurements += found.values()
        mine = found[f"ours {what}"]
        if plan.peer_python:
            target = FASTER_THAN_PEER if rows == ROWS else None
            comparisons.append(compare_rates(what, mine, found[f"rejax {what}"], "rejax", target))
        if rows == ROWS:
            limit = peak.rate.median * 1e3 / megaflop(algorithm, environment)
            target = SHARE_OF_LIMIT if seeds == max(SEEDS) else None
            comparisons.append(compare_with_number(what, mine, limit, "the products alone", target))
    return Record("training", comparisons, measurements, notes)
