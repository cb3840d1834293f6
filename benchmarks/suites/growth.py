"""How time and memory grow: with the samples of a measurement, with the seeds of a training.

Knows the sizes. Memory is the most that the process holds while it repeats, without what compiling took.
"""

import statistics

from benchmarks.plan import Plan
from benchmarks.suites.purd import td3_settings
from benchmarks.suites.training import ours
from benchmarks.timing import Comparison, Measurement, Record, compare_times, spread

SAMPLES = (10, 100, 1000, 10_000)
SEEDS = (1, 4, 8, 16)
ROWS = 500_000
WITHIN = 1.1


def run(plan: Plan) -> Record:
    """Samples of a hundred steps each; seeds with a log of half a million rows each."""
    hopper = plan.size("hopper", "inverted_pendulum")
    samples, seeds = plan.size(SAMPLES, (4, 8)), plan.size(SEEDS, (1, 2))
    jobs = []
    for number in samples:
        asked = td3_settings(plan, hopper)
        asked["sampled"] |= {"samples": number, "episode_length": plan.size(100, 10)}
        jobs.append(plan.ours(f"PURD, {number} samples", "purd.measurement", asked))
    measured = plan.take_turns(jobs)
    trained: dict[str, Measurement] = {}
    for number in seeds:  # one after the other: they need their memory to themselves
        settings = ours("td3", hopper, number, plan.size(ROWS, 512))
        trained |= plan.take_turns([plan.ours(f"TD3, seeds: {number}", "training.trainer", settings, seconds=1.0)])
    many, fewer = (measured[f"PURD, {number} samples"] for number in (samples[-1], samples[-2]))
    what = f"{samples[-1]:,} samples beside {samples[-2]:,}"
    runs = list(trained.values())
    slope = statistics.linear_regression(seeds, [run.peak_bytes for run in runs]).slope / 1e6
    state = runs[-1].details["state_bytes"] / seeds[-1] / 1e6
    comparisons = [
        compare_times(f"{what}: time a sample", many, fewer, "fewer samples", WITHIN),
        Comparison(
            f"{what}: memory",
            many.peak_bytes / 1e6,
            "MB",
            "fewer samples",
            fewer.peak_bytes / 1e6,
            spread([many.peak_bytes / fewer.peak_bytes]),
            WITHIN,
            at_most=True,
        ),
        Comparison(
            "memory of one more seed",
            slope,
            "MB",
            "its state, nearly all of it the log",
            state,
            spread([slope / state]),
            WITHIN,
            at_most=True,
        ),
    ]
    return Record("growth", comparisons, [*measured.values(), *runs])
