"""The command line that would make what a figure lacks.

Knows the names of experiments and of their keys, as one would type them; runs nothing.
"""

from collections.abc import Callable, Sequence

from landscapes import commands
from landscapes.storage import Run

_WITH_UPDATES = ("td3", "sac", "ppo")
"""Algorithms whose perturbation by one update is called after them."""


def remedy(run: Run, command: Callable[[Run], Sequence[str]] | None, results_dir: str | None = None) -> str:
    """What helps a run that lacks what `command` makes (None: what training makes), in words.

    `results_dir` is where the run lies, if not in the default place.
    """
    if command is None:
        return "the run of a walk has none" if run.record.get("parent") else "repeat the command that trained the run"
    if not run.checkpoint_steps(0):
        return "it needs a checkpoint, and seed 0 has none yet"
    where = [] if results_dir is None else [commands.setting("results_dir", results_dir)]
    return f"this would make it: {commands.line([*command(run), *where])}"


def measure(run: Run) -> list[str]:
    """PURDs of every checkpoint of seed 0, one update of the run's algorithm away; else by weight noise."""
    algorithm = (run.record.get("algorithm") or {}).get("name", "")
    kind = f"{algorithm}_optimization" if algorithm in _WITH_UPDATES else "init_parameter"
    amount = "0" if algorithm == "ppo" else "3e-4"  # PPO's amount is a label
    steps = ",".join(map(str, run.checkpoint_steps(0)))
    settings = [f"experiment.ckpt_indexes=[{steps}]", f"experiment.noise_type={kind}"]
    return [*_evaluate(run, "policy_variance"), *settings, f"experiment.noise_amounts=[{amount}]"]


def interpolate(run: Run) -> list[str]:
    """Paths between the checkpoints of seed 0."""
    # A thousand points of a thousand samples, as published, is a cluster's work.
    size = ["experiment.num_points=50", "experiment.num_purd_samples=100"]
    return [*_evaluate(run, "policy_interpolation_seed"), "experiment.same_seed=true", *size]


def cut(run: Run) -> list[str]:
    """A slice around the last checkpoint of seed 0."""
    return [*_evaluate(run, "landscape_slice"), f"experiment.ckpt={run.checkpoint_steps(0)[-1]}"]


def walk(run: Run) -> list[str]:
    """A walk from the last checkpoint of seed 0."""
    root = "experiment.root_policy_conf"
    settings = [f"{root}.seed=0", f"{root}.ckpt={run.checkpoint_steps(0)[-1]}"]
    name = commands.setting(f"{root}.run_name", run.name)
    return ["python", "-m", "improve_ltp", "experiment=reject_ltp", name, *settings]


def _evaluate(run: Run, experiment: str) -> list[str]:
    which = [f"experiment={experiment}", commands.setting("experiment.run_name", run.name), "experiment.seed=0"]
    return ["python", "-m", "eval_policy", *which]
