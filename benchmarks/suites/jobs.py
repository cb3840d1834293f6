"""Whole jobs, from the start of the process to the files on disk, and how soon a command answers.

Knows the command lines that a user would type; results go to a temporary folder, and nothing compiled is found.

The task is hopper without terminations, so that the work of a job is known.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, WorkerError
from benchmarks.plan import Plan
from benchmarks.timing import Comparison, Measurement, Record, ratio, spread

RUN = "benchmark"
TASK = "benchmarks.workloads.environments.endless_hopper"
KIND = "td3_optimization"
AMOUNT = 3e-4

OVER_MEASURING = 1.3
ANSWER_SECONDS = 1.5

_COMPILED = re.compile(r"Finished XLA compilation of (?:jit\()?(?P<name>[^)\s]+)\)? in (?P<seconds>[\d.]+) sec")
_LARGE_SECONDS = 0.5
"""What compiles faster than this is no program of ours but a single operation."""


def compilations(log: str) -> Counter[str]:
    """How often each large program was compiled, from what JAX writes with JAX_LOG_COMPILES=1."""
    return Counter(m["name"] for m in _COMPILED.finditer(log) if float(m["seconds"]) >= _LARGE_SECONDS)


def _timed(name: str, command: Sequence[str], variables: dict[str, str]) -> tuple[Measurement, Counter[str]]:
    # A cache of the user's own would be found first.
    environment = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"} | variables
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    log = done.stdout + done.stderr
    if done.returncode:
        raise WorkerError(f"{name}: ended with code {done.returncode}: {(log.splitlines() or ['no message'])[-1]}")
    compiled = [(m["name"], float(m["seconds"])) for m in _COMPILED.finditer(log)]
    details = {"compilations": dict(compilations(log))}
    in_compiler = sum(seconds for _, seconds in compiled)
    return Measurement(name, "job", (1.0,), (seconds,), in_compiler, details=details), compilations(log)


def answers(plan: Plan) -> list[Measurement]:
    """How long it takes to import the package and to be told of the keys."""
    commands = {"import landscapes": ["-c", "import landscapes"]}
    commands |= {f"{name} --help": ["-m", name, "--help"] for name in ("run_algorithm", "eval_policy", "improve_ltp")}
    found = []
    for name, command in commands.items():
        times = [_timed(name, command, {})[0].seconds[0] for _ in range(plan.repeats)]
        plan.say(f"  {name}: {spread(times).median:.2f} s")
        found.append(Measurement(name, "answer", (1.0,) * len(times), tuple(times), 0.0))
    return found


def _train(plan: Plan, steps: Sequence[int]) -> list[str]:
    return [
        "run_algorithm",
        f"run_name={RUN}",
        "experiment.algo=td3",
        f"experiment.env_name={TASK}",
        "experiment.backend=spring",
        "experiment.num_seeds=2",
        f"experiment.max_steps={steps[-1]}",
        f"experiment.start_training={steps[0] // 2}",
        f"experiment.eval_interval={steps[-1]}",
        "experiment.eval_episodes=4",
        f"experiment.eval_episode_length={plan.size(1000, 10)}",
        f"experiment.agent_log_starts=[{','.join(map(str, steps))}]",
        "experiment.agent_num_logs=1",
    ]


def run(plan: Plan) -> Record:
    """Train briefly, measure every checkpoint, propose a few updates."""
    found = answers(plan)
    comparisons = [_answer(measurement) for measurement in found]
    steps = [plan.size(500, 10) * i for i in range(1, plan.size(10, 2) + 1)]
    samples, length = plan.size((1000, 1000), (4, 10))
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            "LANDSCAPES_RESULTS": str(Path(folder) / "results"),
            "LANDSCAPES_CACHE": str(Path(folder) / "cache"),
            "JAX_LOG_COMPILES": "1",
        }
        sizes = [f"experiment.eval_episodes={samples}", f"experiment.episode_length={length}", "use_wandb=false"]
        measure = [
            "eval_policy",
            f"experiment.run_name={RUN}",
            f"experiment.ckpt_indexes=[{','.join(map(str, steps))}]",
            f"experiment.noise_type={KIND}",
            f"experiment.noise_amounts=[{AMOUNT}]",
            *sizes,
        ]
        root = "experiment.root_policy_conf"
        improve = [
            "improve_ltp",
            *(f"{root}.run_name={RUN}", f"{root}.ckpt={steps[-1]}", f"{root}.seed=0"),
            f"experiment.max_steps={plan.size(10, 2)}",
            *(f"experiment.eval_episodes={plan.size(100, 4)}", *sizes[1:]),
        ]
        counts: Counter[str] = Counter()
        for name, command in (
            ("run_algorithm", [*_train(plan, steps), "use_wandb=false"]),
            ("eval_policy", measure),
            ("improve_ltp", improve),
        ):
            plan.say(f"  $ python -m {' '.join(command)}")
            measured, programs = _timed(name, ["-m", *command], variables)
            plan.say(f"  {name}: {measured.seconds[0]:.1f} s, of it compiling {measured.compile_seconds:.1f} s")
            found.append(measured)
            counts |= Counter({f"{name}: {program}": count for program, count in programs.items()})
        settings = {
            "run": RUN,
            "seed": 0,
            "step": steps[-1],
            "results_dir": variables["LANDSCAPES_RESULTS"],
            "sampled": {
                "kind": KIND,
                "amount": AMOUNT,
                "samples": samples,
                "batch_size": 1000,
                "episode_length": length,
            },
        }
        pure = plan.take_turns([plan.ours("measuring alone", "purd.stored", settings)])["measuring alone"]
    found.append(pure)
    job = next(m for m in found if m.name == "eval_policy")
    alone = spread(pure.seconds).median * len(steps)
    comparisons.append(
        Comparison(
            f"eval_policy, {len(steps)} checkpoints x {samples} samples of {length} steps",
            job.seconds[0],
            "s",
            "measuring alone",
            alone,
            ratio(job.seconds, [alone]),
            OVER_MEASURING,
            at_most=True,
        )
    )
    if counts:
        most = max(counts.values())
        what = "compilations of one program in a job"
        comparisons.append(Comparison(what, most, "", "once", 1, spread([float(most)]), 1.0, at_most=True))
    twice = sorted(name for name, count in counts.items() if count > 1)
    notes = [f"Compiled more than once: {', '.join(twice)}."] if twice else []
    return Record("jobs", comparisons, found, notes)


def _answer(measured: Measurement) -> Comparison:
    times = measured.seconds
    limit = [ANSWER_SECONDS] * len(times)
    middle = spread(times).median
    return Comparison(
        measured.name, middle, "s", "a fixed time", ANSWER_SECONDS, ratio(times, limit), 1.0, at_most=True
    )
