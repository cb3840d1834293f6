"""Measured neighbourhoods beside the bare simulator.

Knows the sizes: a thousand neighbours of a TD3 policy, one update away, of a thousand steps each (128 of them on
halfcheetah, whose simulator is slow, and 4 after updates of PPO, each of which has an unroll of 32 768 steps). So that
every sample has the same work, hopper's terminations are taken away; in one line most episodes end early instead, and
what counts is the time for a step lived.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks import harness
from benchmarks.harness import Job
from benchmarks.plan import Plan
from benchmarks.suites import raw
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, compare_times

SHARE_SAME_BATCH = 0.65
SHARE_BEST_BATCH = 0.5
SHARE_HALFCHEETAH = 0.9
SHARE_PPO = 0.85
EARLY_OVER_FULL = 1.3


def td3_settings(plan: Plan, environment: str, ends: str = "never", samples: int = 1000) -> dict[str, dict[str, Any]]:
    """A measurement after one TD3 update."""
    return {
        "agent": {
            "algorithm": "td3",
            "config": {"replay_capacity": plan.size(100_000, 512)},
            "environment": environment,
            "backend": "spring",
            "ends": ends,
        },
        "sampled": {
            "kind": "td3_optimization",
            "amount": 3e-4,
            "samples": plan.size(samples, 4),
            "batch_size": 1000,
            "episode_length": plan.size(1000, 20),
        },
    }


def lanes(job: Job) -> int:
    """How many episodes its measurement runs side by side, on all devices together."""
    details = harness.details(job)
    return int(details["lanes"]) * int(details["devices"])


def run(plan: Plan) -> Record:
    """Hopper (full-length and mostly short episodes), halfcheetah, and PPO's updates on halfcheetah."""
    hopper, halfcheetah = plan.size(("hopper", "halfcheetah"), ("inverted_pendulum",) * 2)
    comparisons: list[Comparison] = []
    measurements: list[Measurement] = []

    full = plan.ours("PURD hopper", "purd.measurement", td3_settings(plan, hopper))
    early = plan.ours("PURD hopper, most episodes end early", "purd.measurement", td3_settings(plan, hopper, "early"))
    batch = lanes(full)
    found = plan.take_turns([full, early, *raw.simulators(plan, hopper, "spring", _batches(plan, batch))])
    measurements += found.values()
    mine, short = found[full.name], found[early.name]
    same, best = raw.simulator(found, hopper, batch), raw.simulator(found, hopper)
    what = "PURD after TD3 updates, hopper"
    comparisons += [
        compare_rates(what, mine, same, f"simulator, same batch ({batch})", SHARE_SAME_BATCH),
        compare_rates(what, mine, best, f"simulator, {raw.batch_of(best)}", SHARE_BEST_BATCH),
        _beside_own(what, mine, found, hopper),
        compare_times(
            f"{what}: a step when most episodes end early",
            short,
            mine,
            "a step of full-length episodes",
            EARLY_OVER_FULL,
        ),
    ]

    td3 = plan.ours("PURD halfcheetah", "purd.measurement", td3_settings(plan, halfcheetah, samples=128))
    ppo_settings = td3_settings(plan, halfcheetah, samples=4)
    config = {"num_envs": plan.size(2048, 4), "unroll_length": 16}
    ppo_settings["agent"] |= {"algorithm": "ppo", "config": config}
    ppo_settings["sampled"] |= {"kind": "ppo_optimization"}
    ppo = plan.ours("PURD halfcheetah, PPO", "purd.measurement", ppo_settings)
    batch = lanes(td3)
    batches = [*_batches(plan, batch), *plan.size([2048], [])]
    found = plan.take_turns([td3, ppo, *raw.simulators(plan, halfcheetah, "spring", batches)])
    measurements += found.values()
    best = raw.simulator(found, halfcheetah)
    label = f"simulator, {raw.batch_of(best)}"
    comparisons += [
        compare_rates("PURD after TD3 updates, halfcheetah", found[td3.name], best, label, SHARE_HALFCHEETAH),
        _beside_own("PURD after TD3 updates, halfcheetah", found[td3.name], found, halfcheetah),
        compare_rates("PURD after PPO updates, halfcheetah", found[ppo.name], best, label, SHARE_PPO),
        _beside_own("PURD after PPO updates, halfcheetah", found[ppo.name], found, halfcheetah),
    ]
    notes = ["Steps of PPO's measurement are those of the roll-outs and of the unrolls that its updates learn from."]
    return Record("purd", comparisons, measurements, notes)


def _beside_own(what: str, mine: Measurement, found: Mapping[str, Measurement], environment: str) -> Comparison:
    """Beside the simulator as the suite itself steps it, with nothing around it, at its best batch."""
    best = raw.simulator(found, environment, which=raw.OURS)
    return compare_rates(what, mine, best, f"lanes last, {raw.batch_of(best)}")


def _batches(plan: Plan, batch: int) -> list[int]:
    batches: list[int] = plan.size([raw.smallest_batch(), batch, 256, 1024], [batch])
    return batches
