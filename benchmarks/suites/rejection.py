"""One proposal of the rejection procedure beside what it cannot do without: a measurement and an update.

Knows the sizes.
"""

from benchmarks.plan import Plan
from benchmarks.suites.purd import td3_settings
from benchmarks.timing import Comparison, Record, ratio, spread

OVER_BARE = 1.1


def run(plan: Plan) -> Record:
    """Hopper, TD3, two hundred samples of full-length episodes."""
    settings = td3_settings(plan, plan.size("hopper", "inverted_pendulum"), samples=200)
    found = plan.take_turns([plan.ours("rejection", "purd.proposal", settings)])
    proposal, bare, update = (found[f"rejection, {case}"] for case in ("proposal", "measurement", "update"))
    one = [1.0 / rate for rate in proposal.rates]
    parts = [1.0 / x + 1.0 / y for x, y in zip(bare.rates, update.rates, strict=True)]
    comparison = Comparison(
        "a proposal (TD3, hopper, 200 samples)",
        spread(one).median,
        "s",
        "its measurement and one update",
        spread(parts).median,
        ratio(one, parts),
        OVER_BARE,
        at_most=True,
    )
    return Record("rejection", [comparison], list(found.values()))
