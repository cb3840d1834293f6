"""Every command of the page about clusters, in its order, on a real SLURM of one node; and what it says of presets.

The commands are read from the page itself; small settings, with a point mass for the simulator, are added to them.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import Cluster

from landscapes import storage
from landscapes.cluster import sweep_folder
from landscapes.config.compose import hydra_loader, load
from landscapes.config.published import Spelled

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")

SMALL = {
    "run_algorithm": (
        "env=tests.support.probes.line num_seeds=2 steps=60 learning_starts=10 eval_episodes=2 eval_episode_length=5 "
        "episode_length=5 checkpoints=[20] hidden_dims=[8,8] use_wandb=false "
        "hydra.launcher.cpus_per_task=1 hydra.launcher.mem_gb=2"
    ),
    "eval_policy": (
        "experiment.seed=0,1 experiment.ckpt_indexes=[20] experiment.eval_episodes=4 experiment.episode_length=5 "
        "use_wandb=false hydra.launcher.cpus_per_task=1 hydra.launcher.mem_gb=2"
    ),
}

PYTHON = """#!/bin/sh
case "$2" in
{cases}
esac
exec {python} "$@"
"""


def commands() -> list[str]:
    """Every line of every block of shell."""
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[tuple[Cluster, dict[str, str]]]:
    """A cluster, and the environment of a user whose `python` adds small settings to what it is told to run."""
    cases = "\n".join(f'{name}) set -- "$@" {settings};;' for name, settings in SMALL.items())
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(PYTHON.format(cases=cases, python=sys.executable))
    program.chmod(0o755)
    with slurm_cluster.loopback_cluster(tmp_path / "c") as cluster:
        own = cluster.environment
        path = f"{program.parent}{os.pathsep}{own['PATH']}"
        results = str(tmp_path / "results")
        own |= {"PATH": path, "LANDSCAPES_RESULTS": results, "PYTHONPATH": str(ROOT), "LANDSCAPES_QUEUE_SECONDS": "1"}
        yield cluster, own


def until_the_queue_is_empty(cluster: Cluster, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while cluster.run("squeue", "--noheader"):
        assert time.monotonic() < end
        time.sleep(0.5)


def is_finished(results: Path, name: str) -> bool:
    run = storage.find_run(results, name)
    return run is not None and run.record["status"] == "finished"


@pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"no SLURM here: {slurm_cluster.missing()}")
def test_every_command_of_the_page_runs(user: tuple[Cluster, dict[str, str]], tmp_path: Path) -> None:
    cluster, environment = user
    results = tmp_path / "results"
    name = job = "none yet"
    left: list[str] = []
    for command in commands():
        if command.endswith("--resubmit"):
            until_the_queue_is_empty(cluster)  # the one before has cancelled it, or its members were done by then
            left = [member for member in ("hopper_0", "hopper_1") if not is_finished(results, member)]
        line = command.replace("NAME", name).replace("JOB", job)
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        submitted = re.search(r"^sweep: (\S+), job (\d+), 2 members$", done.stdout, re.MULTILINE)
        if submitted:
            name, job = submitted[1], submitted[2]
        elif "landscapes.sweeps" in line:
            assert name in done.stdout
    submitted_by = [sweep.partition("-")[0] for sweep in sweep_folder.sweep_names(results)]
    assert submitted_by == ["run_algorithm", *["run_algorithm"] * bool(left), "eval_policy"]
    for run in (storage.open_run(results, "hopper_0"), storage.open_run(results, "hopper_1")):
        assert run.record["status"] == "finished"
    assert all(storage.open_run(results, "hopper_0").returns_path(seed, 20).exists() for seed in range(2))


def asked_for(preset: str) -> list[str]:
    """A row of the table, from what the preset composes to."""
    with hydra_loader("run_algorithm") as loader:
        config = load(loader, "run_algorithm", Spelled([f"job_config={preset}"]))
    launcher = config.hydra.launcher
    hours, minutes = divmod(launcher.timeout_min, 60)
    return [
        f"`{preset}`",
        f"{hours} h" if hours else f"{minutes} min",
        str(launcher.cpus_per_task),
        f"{launcher.mem_gb} GB",
        "none" if launcher.gres is None else launcher.gres.removeprefix("gpu:"),
        str(launcher.array_parallelism),
        config.wandb.mode or "as anywhere",
    ]


def test_presets_ask_for_what_the_page_says() -> None:
    table = PAGE.partition("## What the presets ask for")[2].partition("\n\nThey")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    assert len(rows) == 5
    for row in rows:
        assert asked_for(row[0].strip("`")) == row
