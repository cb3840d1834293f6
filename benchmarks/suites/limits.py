"""What the machine can do: float32 products, and steps of the bare simulator at several batches.

Knows the sizes; has nothing to compare.
"""

from benchmarks.plan import Plan
from benchmarks.suites import raw
from benchmarks.timing import Record

BATCHES = (16, 64, 256, 1024)
"""Beside the smallest."""


def run(plan: Plan) -> Record:
    """Hopper and halfcheetah on the spring backend, and hopper on the positional one for comparison."""
    found = plan.take_turns(raw.product_jobs(plan))
    if plan.quick:
        found |= plan.take_turns(raw.simulator_jobs(plan, "inverted_pendulum", "spring", [8], ["one device"]))
    else:
        for environment in ("hopper", "halfcheetah"):
            batches = (raw.smallest_batch(), *BATCHES)
            found |= plan.take_turns(raw.simulators(plan, environment, "spring", batches))
        found |= plan.take_turns(raw.simulators(plan, "hopper", "positional", [256]))
    return Record("limits", [], list(found.values()))
