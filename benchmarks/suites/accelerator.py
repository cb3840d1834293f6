"""The same on a GPU: training, measuring, and the numbers that are chosen otherwise there.

Knows the sizes; raises Skipped where JAX finds no accelerator.
"""

import os
import statistics
import subprocess
import sys

from benchmarks.harness import ROOT, Job, Skipped
from benchmarks.plan import Plan
from benchmarks.suites import raw
from benchmarks.suites.purd import td3_settings
from benchmarks.suites.training import ours as training_settings
from benchmarks.timing import Comparison, Measurement, Record, compare_rates, spread

TASKS = ("hopper", "halfcheetah", "ant", "walker2d")
LANES = (128, 256, 512, 1024)
UPDATES_PER_CHUNK = (16, 64, 256, 1000)
STEPS = 1_000_000
SEEDS = 20
PRECISIONS = ("highest", "default")


def backend() -> str:
    """What JAX computes on by default."""
    program = "import jax; print(jax.default_backend())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout.split() or ["none"])[-1]


def run(plan: Plan) -> Record:
    """Training of twenty seeds, PPO, four tasks measured, two sweeps, two precisions."""
    if backend() in ("cpu", "none"):
        raise Skipped("there is no accelerator here")
    measurements: list[Measurement] = []
    comparisons: list[Comparison] = []

    def take(*jobs: Job) -> dict[str, Measurement]:
        found = plan.take_turns(jobs)
        measurements.extend(found.values())
        return found

    rows = plan.size(STEPS, 512)
    td3 = plan.ours(f"TD3 hopper, {SEEDS} seeds", "training.trainer", training_settings("td3", "hopper", SEEDS, rows))
    trained = take(td3)[td3.name]
    hours = STEPS * SEEDS / trained.rate.median / 3600
    notes = [f"At its rate, {STEPS:,} steps of each of {SEEDS} seeds of TD3 take {hours:.1f} hours."]

    ppo_settings = {"algorithm": "ppo", "config": {}, "environment": "halfcheetah", "backend": "spring", "seeds": 1}
    ppo = plan.ours("PPO halfcheetah, 2048 environments", "training.trainer", ppo_settings)
    batches = plan.size([1024, 2048, 8192], [64])
    for task in plan.size(TASKS, ("hopper",)):
        measure = plan.ours(f"PURD {task}", "purd.measurement", td3_settings(plan, task))
        jobs = [measure, *([ppo] if task == "halfcheetah" else [])]
        found = take(*jobs, *raw.simulator_jobs(plan, task, "spring", batches, ["one device"]))
        best = raw.simulator(found, task)
        label = f"simulator, {raw.batch_of(best)}"
        comparisons += [compare_rates(job.name, found[job.name], best, label) for job in jobs]

    sweeps = [("lanes", lanes) for lanes in LANES]
    sweeps += [("updates_per_chunk", chunk) for chunk in UPDATES_PER_CHUNK]
    for setting, value in plan.size(sweeps, sweeps[:1]):
        settings = {**td3_settings(plan, "hopper"), setting: value}
        take(plan.ours(f"PURD hopper, {setting.replace('_', ' ')}: {value}", "purd.measurement", settings))

    jobs = []
    for precision in PRECISIONS:
        variables = {"JAX_DEFAULT_MATMUL_PRECISION": precision}
        settings = {**td3_settings(plan, "hopper"), "keep_returns": True}
        jobs.append(plan.ours(f"PURD hopper, precision {precision}", "purd.measurement", settings, variables))
        settings = training_settings("td3", "hopper", SEEDS, plan.size(100_000, 512))
        jobs.append(plan.ours(f"TD3 hopper, precision {precision}", "training.trainer", settings, variables))
    found = take(*jobs)
    for name in ("PURD hopper", "TD3 hopper"):
        highest, default = (found[f"{name}, precision {precision}"] for precision in PRECISIONS)
        comparisons.append(compare_rates(f"{name}, precision highest", highest, default, "precision default"))
    highest, default = (found[f"PURD hopper, precision {precision}"].details.pop("returns") for precision in PRECISIONS)
    apart = [abs(x - y) for x, y in zip(highest, default, strict=True)]
    notes.append(
        f"Under the default precision the returns of the same {len(apart)} samples differ by "
        f"{statistics.median(apart):.3g} in the median and {max(apart):.3g} at most, their means by "
        f"{abs(statistics.fmean(highest) - statistics.fmean(default)):.3g}; their standard deviation is "
        f"{spread([statistics.pstdev(highest)]).median:.3g}."
    )
    return Record("accelerator", comparisons, measurements, notes)
