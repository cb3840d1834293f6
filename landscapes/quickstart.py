"""`make quickstart`: the three entry points once, small and for real, and what came out.

Knows the command lines a user would type and the files they write; does nothing that those commands do not.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscapes import commands, console, options, statistics, storage
from landscapes.figures import purd_histograms
from landscapes.machine.folders import process_environment
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command
from landscapes.statistics import tables

NAME = "quickstart"
NUM_SEEDS = 4
CHECKPOINTS = (8000, 12000)
SEED = 1
"""Of the training. So early some have learned nothing yet: of the default 4321 three of four had not, of this none."""
KIND = "td3_optimization"
AMOUNT = 3e-4
ALPHA = 0.1
RADIUS = 0.2
"""Of the slice: a fifth of the weights' own norms."""


def train_and_measure(num_samples: int) -> list[list[str]]:
    """The first two command lines, as arguments after `python -m`."""
    steps = ",".join(map(str, CHECKPOINTS))
    return [
        [
            "run_algorithm",
            f"run_name={NAME}",
            "experiment=train_td3",
            "env=hopper",
            "backend=spring",
            f"num_seeds={NUM_SEEDS}",
            f"seed={SEED}",
            f"steps={CHECKPOINTS[-1]}",
            "learning_starts=1000",
            "eval_interval=2000",
            f"checkpoints=[{steps}]",
            "overwrite=true",
            "wandb.mode=offline",
        ],
        [
            "eval_policy",
            "--multirun",
            f"experiment.run_name={NAME}",
            f"experiment.seed=range({NUM_SEEDS})",
            f"experiment.ckpt_indexes=[{steps}]",
            f"experiment.noise_type={KIND}",
            f"experiment.noise_amounts=[{AMOUNT}]",
            f"experiment.eval_episodes={num_samples}",
            "experiment.record_trajectories=1",
            "wandb.mode=offline",
        ],
    ]


def look_around(seed: int, step: int, num_points: int) -> list[str]:
    """The command line that measures a plane around the noisiest checkpoint: between two axes of random directions."""
    return [
        "eval_policy",
        "experiment=landscape_slice",
        f"experiment.run_name={NAME}",
        f"experiment.seed={seed}",
        f"experiment.ckpt={step}",
        f"experiment.radius={RADIUS}",
        f"experiment.num_x={num_points}",
        f"experiment.num_y={num_points}",
        "experiment.num_samples=4",
        "wandb.mode=offline",
    ]


def improve(seed: int, step: int, num_samples: int, max_steps: int) -> list[str]:
    """The command line that walks away from the checkpoint that was found to be the noisiest.

    The policy that stands is measured anew beside each proposal: as published, one lucky measurement of the root would
    often refuse all ten.
    """
    return [
        "improve_ltp",
        f"run_name={NAME}_improved",
        f"experiment.root_policy_conf.run_name={NAME}",
        f"experiment.root_policy_conf.ckpt={step}",
        f"experiment.root_policy_conf.seed={seed}",
        f"experiment.max_steps={max_steps}",
        f"experiment.eval_episodes={num_samples}",
        "experiment.remeasure_incumbent=true",
        "overwrite=true",
        "wandb.mode=offline",
    ]


class Measured(NamedTuple):
    """One measured checkpoint."""

    seed: int
    step: int
    path: Path
    dataset: str
    returns: np.ndarray


def measured(num_samples: int) -> list[Measured]:
    """What the second command has stored."""
    run = storage.open_run(storage.results_directory(None), NAME)
    dataset = f"und_returns/{KIND}/{AMOUNT}/{num_samples}"
    found = []
    for seed in range(NUM_SEEDS):
        for step in run.checkpoint_steps(seed):
            path = run.returns_path(seed, step)
            found.append(Measured(seed, step, path, dataset, storage.read_hdf5(path, "quickstart")[0][dataset]))
    return found


def noisiest(purds: Sequence[Measured]) -> Measured:
    """The one whose returns spread the most."""
    return max(purds, key=lambda purd: statistics.std(purd.returns))


def in_process_of_its_own(command: Sequence[str]) -> int:
    """Exit code of `python -m COMMAND`, run as a user would."""
    return subprocess.run([sys.executable, "-m", *command], env=process_environment(), check=False).returncode


def main(
    arguments: Sequence[str] | None = None, run_command: Callable[[Sequence[str]], int] = in_process_of_its_own
) -> int:
    """Runs the commands one after the other; returns the exit code of the first that fails, else 0."""
    print_any_text()
    parser = argparse.ArgumentParser(prog="python -m landscapes.quickstart", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=150, help="samples per PURD (default: 150)")
    parser.add_argument("--points", type=int, default=15, help="points along each axis of the slice (default: 15)")
    parser.add_argument("--proposals", type=int, default=10, help="proposed updates of the rejection (default: 10)")
    chosen = options.parse(parser, arguments)
    began = time.monotonic()

    def run(command: Sequence[str]) -> int:
        print(f"\n$ {commands.python(*command)}", flush=True)
        return run_command(command)

    for command in train_and_measure(chosen.samples):
        if code := run(command):
            return code
    root = noisiest(measured(chosen.samples))
    print(f"\nThe noisiest neighbourhood is that of seed {root.seed}, checkpoint {root.step}: a look at it, and away.")
    for command in (
        look_around(root.seed, root.step, chosen.points),
        improve(root.seed, root.step, chosen.samples, chosen.proposals),
    ):
        if code := run(command):
            return code
    summarize(chosen.samples)
    if code := run(["landscapes.report", NAME, f"{NAME}_improved"]):
        return code
    print("Open that page in a browser: it needs no network.")
    print(f"\nThe quickstart took {console.human_duration(time.monotonic() - began)}.")
    return 0


def summarize(num_samples: int) -> None:
    """The tables, the picture and the files of a finished quickstart."""
    results = storage.results_directory(None)
    run, improved = storage.open_run(results, NAME), storage.open_run(results, f"{NAME}_improved")
    purds = measured(num_samples)
    panels = [(f"seed {purd.seed}", purd.path, purd.dataset) for purd in purds]
    picture = purd_histograms(panels, run.path / "purd.png", alpha=ALPHA)
    rows = [[p.seed, p.step, *tables.purd_cells(statistics.summarize(p.returns, alpha=ALPHA))] for p in purds]
    print()
    title = f"Returns after one TD3 update, hopper (spring), {num_samples} samples each, 95 % intervals"
    console.print_table(title, ["seed", "checkpoint", *tables.purd_columns(ALPHA)], rows)
    walk = improved.record["rejection"]
    datasets, _ = storage.read_hdf5(Path(walk["file"]), "quickstart")
    fresh = {name: datasets[f"{walk['group']}/fresh/{name}"] for name in ("root", "improved", "control")}
    rows = [[name, *tables.purd_cells(statistics.summarize(x, alpha=ALPHA))] for name, x in fresh.items()]
    root = noisiest(purds)
    title = f"CVaR rejection from seed {root.seed}, checkpoint {root.step}: fresh PURDs (control: nothing refused)"
    console.print_table(title, ["policy", *tables.purd_columns(ALPHA)], rows)
    console.print_files([picture, *_files(run.path), *_files(improved.path)])


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in {".h5", ".json", ".png"} and "wandb" not in p.parts)


if __name__ == "__main__":
    sys.exit(as_command(main))
