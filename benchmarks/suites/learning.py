"""What is learned, not how fast: returns at equal settings, environment and steps beside rejax.

Knows the sizes and how rejax is given the same. Ours is the command line `run_algorithm` and the curves that it
stores, so that a training that was ended goes on; rejax is its own `train` (`workloads.peer.learner`). Both are
evaluated alike: so many episodes on the mode of the policy, as often, with the environment's own start noise.

Not equal, and left so: rejax starts from other random weights; its TD3 and SAC draw minibatches without replacement and
take the end of an episode at its time limit for a termination; its SAC clips the log-std where ours squashes it; its
PPO clips each number of a gradient, ours the norm.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import harness
from benchmarks.harness import ROOT, WorkerError
from benchmarks.plan import Plan, flags_for_others, without_devices
from benchmarks.suites.training import BATCH, DELAY, HIDDEN
from benchmarks.timing import Comparison, Measurement, Record, Spread
from landscapes import storage
from landscapes.envs.tasks import GYMNAX, TASKS
from landscapes.errors import UserError
from landscapes.statistics import tables
from landscapes.statistics.corrected import Interval, mean_of_groups, student_quantile

KEYS = {
    "tasks": "hopper,CartPole-v1",
    "algorithms": "td3,sac,ppo",
    "steps": "100000",
    "ppo_steps": "4194304",
    "classic_steps": "500000",
    "seeds": "5",
    "backend": "spring",
    "evaluations": "10",
    "episodes": "10",
    "random_seed": "4321",
}
QUICK = {
    "tasks": "inverted_pendulum",
    "algorithms": "td3",
    "steps": "600",
    "seeds": "2",
    "evaluations": "2",
    "episodes": "2",
}
NUMBERS = ("steps", "ppo_steps", "classic_steps", "seeds", "evaluations", "episodes", "random_seed")
PUBLISHED = {"num_envs": 2048, "num_steps": 16, "num_minibatches": 2, "update_epochs": 4, "learning_rate": 2.6e-3} | {
    "ent_coef": 0.0,
    "vf_coef": 2.0,
    "max_grad_norm": 1.0,
}
"""Our settings of PPO on the tasks of Brax."""
CLASSIC = {"num_envs": 64, "num_steps": 32, "num_minibatches": 4, "update_epochs": 4, "learning_rate": 1e-3} | {
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
}
"""And on those of gymnax, where `OF_TASK` has nothing else."""
OF_TASK: dict[str, dict[str, Any]] = {
    "CartPole-v1": {"num_minibatches": 8, "update_epochs": 10},
    "Acrobot-v1": {"ent_coef": 0.01},
    "Pendulum-v1": {"num_minibatches": 8, "update_epochs": 10, "gamma": 0.95, "max_grad_norm": 1000.0},
    "Breakout-MinAtar": {"num_steps": 16, "update_epochs": 2, "ent_coef": 0.01},
}
"""The settings with which each is learned in docs/results/discrete.sh, at a constant rate."""
OFF_POLICY: dict[str, Any] = {"hidden": list(HIDDEN), "batch": BATCH, "rate": 3e-4}
"""Widths, rows of a batch and learning rates of TD3 and SAC."""
OFF_POLICY_OF_TASK: dict[str, dict[str, Any]] = {"Pendulum-v1": {"hidden": [64, 64], "batch": 128, "rate": 1e-3}}
AS_REJAX = {"clip_vloss": "true", "bootstrap_truncated": "false"}
"""What rejax's PPO always does, and ours where it is told to; so are optimizers apart, on all but pictures."""
CHOICES = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Breakout-MinAtar")
"""Tasks that TD3 and SAC have no actions for."""
PICTURES = ("Breakout-MinAtar",)
"""Tasks seen through layers that actor and critic of ours share."""
LAST = 3
"""Of how many last evaluations the final return of a seed is the mean, so that it is not one lucky one."""


class Curve(NamedTuple):
    """Returns `[evaluations, seeds]` at `steps` of one seed."""

    steps: np.ndarray
    returns: np.ndarray

    def final(self) -> list[float]:
        """Of each seed, the mean of its last evaluations."""
        return list(self.returns[-LAST:].mean(axis=0))

    def area(self) -> list[float]:
        """Of each seed, the mean return over all steps: the area under its curve over its length."""
        widths = np.diff(self.steps)[:, None]
        return list(((self.returns[1:] + self.returns[:-1]) / 2 * widths).sum(axis=0) / widths.sum())


def sizes(words: Sequence[str]) -> dict[str, str]:
    """What `--sizes KEY=VALUE ...` says; raises UserError for what does not fit."""
    told = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            raise UserError("--sizes", word, f"must be KEY=VALUE, KEY one of {', '.join(KEYS)}")
        if key in NUMBERS and not (value.isdecimal() and int(value) >= (key != "random_seed")):
            raise UserError(f"--sizes {key}", value, "must be an integer, at least 1")
        if key == "algorithms" and not set(value.split(",")) <= {"td3", "sac", "ppo"}:
            raise UserError("--sizes algorithms", value, "must be some of td3,sac,ppo")
        told[key] = value
    return told


def run(plan: Plan) -> Record:
    """Every algorithm on every task."""
    told = {**KEYS, **(QUICK if plan.quick else {}), **plan.sizes}
    comparisons: list[Comparison] = []
    measurements: list[Measurement] = []
    rows: list[list[str]] = []
    for algorithm in told["algorithms"].split(","):
        for task in told["tasks"].split(","):
            if algorithm != "ppo" and task in CHOICES:
                continue
            what = f"{algorithm.upper()} {task}"
            plan.say(f"  {what}: ours")
            curves = {"ours": _ours(algorithm, task, told, plan.quick)}
            if plan.peer_python:
                theirs = _peer(plan, what, algorithm, task, told)
                measurements.append(theirs)
                found = theirs.details
                curves["rejax"] = Curve(np.array(found["steps"]), np.array(found["returns"]).T)
            rows += _rows(what, curves)
            comparisons += compared(what, curves) if len(curves) == 2 else []
    return Record("learning", comparisons, measurements, _notes(told, rows, plan.peer_python is not None))


def _is_classic(task: str) -> bool:
    return TASKS.get(task) == (GYMNAX,)


def _ppo(task: str) -> dict[str, Any]:
    return {**(CLASSIC if _is_classic(task) else PUBLISHED), **OF_TASK.get(task, {})}


def _off_policy(task: str) -> dict[str, Any]:
    return {**OFF_POLICY, **OFF_POLICY_OF_TASK.get(task, {})}


def _backend(task: str, told: Mapping[str, str]) -> str:
    return GYMNAX if _is_classic(task) else told["backend"]


def _per_evaluation(algorithm: str, task: str, told: Mapping[str, str]) -> tuple[int, int]:
    """All steps of a seed, and those between two evaluations: of PPO in whole updates."""
    ppo, settings = algorithm == "ppo", _ppo(task)
    steps = int(told["steps" if not ppo else "classic_steps" if _is_classic(task) else "ppo_steps"])
    unit = settings["num_envs"] * settings["num_steps"] if ppo else DELAY
    between = max(1, steps // int(told["evaluations"]) // unit) * unit
    return between * int(told["evaluations"]), between


def our_command(algorithm: str, task: str, told: Mapping[str, str]) -> list[str]:
    """Our training, as arguments after `python -m`; its run is called by all that it depends on."""
    steps, between = _per_evaluation(algorithm, task, told)
    seeds, random_seed, backend = told["seeds"], told["random_seed"], _backend(task, told)
    name = f"learning_{algorithm}_{task}_{backend}_{steps}_{between}_{seeds}_{told['episodes']}_{random_seed}"
    words = ["run_algorithm", f"run_name={name}", f"random_seed={random_seed}", "use_wandb=false"]
    words += [f"experiment.num_seeds={seeds}", f"experiment.backend={backend}"]
    words += [f"experiment.eval_interval={between}", f"experiment.eval_episodes={told['episodes']}"]
    words += ["experiment.checkpoint=false"]
    if algorithm == "ppo":
        words += ["experiment=train_ppo", f"experiment.env_id={task}", f"experiment.total_timesteps={steps}"]
        apart = {} if task in PICTURES else {"separate_optimizers": "true"}
        return [*words, *(f"experiment.{key}={value}" for key, value in {**_ppo(task), **AS_REJAX, **apart}.items())]
    words += [f"experiment.algo={algorithm}", f"experiment.env_name={task}", f"experiment.max_steps={steps}"]
    words += [f"experiment.start_training={_warm_up(steps)}", f"experiment.replay_buffer_size={steps}"]
    own, group = _off_policy(task), "ddpg_config" if algorithm == "td3" else "sac_config"
    words += [f"experiment.{whose}_batch_size={own['batch']}" for whose in ("actor", "critic")]
    words += [f"experiment.{group}.{whose}_lr={own['rate']}" for whose in ("actor", "critic")]
    widths = ",".join(map(str, own["hidden"]))
    return [*words, f"experiment.{group}.hidden_dims=[{widths}]"]


def _warm_up(steps: int) -> int:
    return min(1000, steps // 2)


def peer_settings(algorithm: str, task: str, told: Mapping[str, str]) -> dict[str, Any]:
    """The same for rejax's worker."""
    steps, between = _per_evaluation(algorithm, task, told)
    config: dict[str, Any] = {"total_timesteps": steps, "eval_freq": between}
    if algorithm == "ppo":
        config |= {"num_epochs" if key == "update_epochs" else key: value for key, value in _ppo(task).items()}
        config |= {"clip_eps": 0.2, "gae_lambda": 0.95}
    else:
        own = _off_policy(task)
        config |= {"buffer_size": steps, "fill_buffer": _warm_up(steps), "batch_size": own["batch"]}
        config |= {"learning_rate": own["rate"], "polyak": 0.995, "num_envs": 1}
    if algorithm == "td3":
        config |= {"policy_delay": DELAY, "exploration_noise": 0.1}
    return {
        "peer": {
            "algorithm": algorithm,
            "config": config,
            "environment": task,
            "backend": _backend(task, told),
            "hidden": [64, 64] if algorithm == "ppo" else _off_policy(task)["hidden"],
        },
        "seeds": int(told["seeds"]),
        "episodes": int(told["episodes"]),
        "random_seed": int(told["random_seed"]),
    }


def _ours(algorithm: str, task: str, told: Mapping[str, str], quick: bool) -> Curve:
    command = our_command(algorithm, task, told)
    if quick:  # seen to run only, tiny weights do
        command = [f"{word.partition('=')[0]}=[8,8]" if ".hidden_dims=" in word else word for word in command]
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkerError(f"ours {algorithm} {task}: ended with code {done.returncode}: {lines[-1] if lines else ''}")
    name = command[1].partition("=")[2]
    datasets, _ = storage.read_hdf5(storage.open_run(storage.results_directory(None), name).curves_path, "run")
    return Curve(datasets["steps"], datasets["returns"].astype(np.float64))


def _peer(plan: Plan, what: str, algorithm: str, task: str, told: Mapping[str, str]) -> Measurement:
    settings = peer_settings(algorithm, task, told)
    settings["peer"] |= {"hidden": [8, 8]} if plan.quick else {}
    variables = {"XLA_FLAGS": without_devices(flags_for_others())}
    job = harness.job(f"rejax {what}", "peer.learner", settings, plan.peer_python, variables)
    return harness.take_turns([job], 1, plan.say)[job.name]


def _rows(what: str, curves: Mapping[str, Curve]) -> list[list[str]]:
    rows = []
    for which, curve in curves.items():
        final, area = curve.final(), curve.area()
        each = ", ".join(f"{value:.0f}" for value in final)
        rows.append([what, which, str(len(final)), _cell(_over_seeds(final)), each, _cell(_over_seeds(area))])
    return rows


def _over_seeds(values: Sequence[float]) -> Interval:
    return mean_of_groups(values, range(len(values)))


def _cell(interval: Interval) -> str:
    return tables.with_interval(*interval, ".0f")


def compared(what: str, curves: Mapping[str, Curve]) -> list[Comparison]:
    """Ours beside rejax; the spread of the ratio is that of Welch's interval of the difference."""
    lines = []
    for label, values in (("final return", Curve.final), ("area under the curve", Curve.area)):
        mine, theirs = (np.array(values(curve)) for curve in curves.values())
        parts = [each.var(ddof=1) / each.size if each.size > 1 else np.nan for each in (mine, theirs)]
        half = np.nan
        if sum(parts) > 0:
            freedom = sum(parts) ** 2 / sum(
                p**2 / (n - 1) for p, n in zip(parts, (mine.size, theirs.size), strict=True)
            )
            half = student_quantile(max(1, int(freedom))) * float(np.sqrt(sum(parts)))
        ours, beside = float(mine.mean()), float(theirs.mean())
        ratios = [1.0 + (ours - beside + shift) / abs(beside) for shift in (0.0, -half, half)]
        lines.append(Comparison(f"{what}, {label}", ours, "", "rejax", beside, Spread(*ratios)))
    return lines


def _notes(told: Mapping[str, str], rows: Sequence[Sequence[str]], with_peer: bool) -> list[str]:
    columns = ("what", "", "seeds", "final return (95 %)", "of each seed", "area under the curve (95 %)")
    lines = [columns, ["---"] * len(columns), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    left_out = () if "ppo" in told["algorithms"] else ("ppo_steps", "classic_steps")
    told_now = {key: value for key, value in told.items() if key not in left_out}
    notes = [
        table,
        f"A final return is the mean of a seed's last {LAST} evaluations, an area the mean over all steps; intervals "
        "are Student's over seeds, and the ratio's that of Welch for the difference. Not equal and left so: initial "
        "weights, how gradients of PPO are clipped, and of TD3 and SAC what a time limit counts as and how minibatches "
        "are drawn.",
        f"Sizes: `{json.dumps(told_now)}`.",
    ]
    return notes if with_peer else [*notes, "There is no peer here: `make bench` could not install rejax."]
