"""Sweeps on a real SLURM of one node: arrays, time limits, a node that fails, cancelled jobs.

Every job ends with the results of a run that nothing interrupted.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import slurm_cluster
from landscapes import storage
from slurm_cluster import Cluster
from test_resume import ROOT, contents

pytestmark = [
    pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"no SLURM here: {slurm_cluster.missing()}"),
    pytest.mark.xdist_group("slurm"),
]

TINY = [
    "experiment.env_name=tests.probes.line",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.sac_config.hidden_dims=[8,8]",
    "experiment.eval_episodes=2",
    "experiment.eval_episode_length=5",
    "experiment.reset_interval=5",
    "experiment.log_interval=1000",
    "experiment.eval_interval=1000",
    "experiment.start_training=10",
    "experiment.agent_log_starts=[50]",
    "experiment.max_steps=100",
    "use_wandb=false",
]
PRESET = [
    "job_config=slurm",
    f"hydra.launcher.partition={slurm_cluster.PARTITION}",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.mem_gb=2",
]
LONG = ["experiment.max_steps=60000", "experiment.agent_log_starts=[50,50000]", "save_interval=5"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm_cluster.loopback_cluster(tmp_path_factory.mktemp("slurm") / "c") as running:
        yield running


def submit(cluster: Cluster, results: Path, *arguments: str) -> subprocess.Popen[str]:
    """A sweep as a user starts it; it ends when its jobs have ended."""
    environment = {**cluster.environment, "LANDSCAPES_RESULTS": str(results), "PYTHONPATH": str(ROOT)}
    for name in [name for name in os.environ if name.startswith("XLA_")]:
        del environment[name]
    command = [sys.executable, "-m", "run_algorithm", "-m", *PRESET, *TINY, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def ended(sweep: subprocess.Popen[str], seconds: float) -> str:
    """What the sweep printed; it must have ended well."""
    try:
        out, _ = sweep.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        sweep.kill()
        raise
    assert sweep.returncode == 0, out
    return out


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.5)


def record(results: Path, name: str) -> dict[str, object]:
    path = results / name / "run.json"
    return json.loads(path.read_text()) if path.exists() else {"status": "none"}


def sweeps(cluster: Cluster, results: Path, *arguments: str) -> str:
    """What the command about sweeps says of the latest one."""
    name = storage.sweep_names(results)[-1]
    command = [sys.executable, "-m", "landscapes.sweeps", name, *arguments]
    environment = {**cluster.environment, "LANDSCAPES_RESULTS": str(results), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def logs(results: Path) -> str:
    return "".join(path.read_text() for path in sorted((results / "sweeps").rglob("*_log.*")))


@pytest.fixture(scope="module")
def unbroken(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    results = tmp_path_factory.mktemp("unbroken")
    ended(submit(cluster, results, *LONG, "run_name=long", "random_seed=1"), 300)
    assert record(results, "long_0")["status"] == "finished"
    return contents(results / "long_0")


def test_a_sweep_is_an_array(cluster: Cluster, tmp_path: Path) -> None:
    ended(submit(cluster, tmp_path, "experiment.algo=td3,sac", "random_seed=range(2)"), 300)
    names = sorted(path.parent.name for path in tmp_path.glob("*/run.json"))
    assert len(names) == 4
    array = names[0].partition("_")[0]
    assert names == [f"{array}_{task}" for task in range(4)]
    assert "4 finished" in sweeps(cluster, tmp_path)
    told = [record(tmp_path, name) for name in names]
    assert [run["status"] for run in told] == ["finished"] * 4
    assert sorted((run["algorithm"]["name"], run["random_seed"]) for run in told) == [  # type: ignore[index]
        ("sac", 0),
        ("sac", 1),
        ("td3", 0),
        ("td3", 1),
    ]


def test_a_job_that_meets_its_time_limit_is_requeued_and_goes_on(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=30"]
    ended(submit(cluster, tmp_path, *LONG, "run_name=long", "random_seed=1", *limit), 580)
    assert "Caught signal SIGUSR2" in logs(tmp_path)  # how far it was by then is SLURM's choice, to the minute
    assert record(tmp_path, "long_0")["status"] == "finished"
    assert contents(tmp_path / "long_0") == unbroken


def test_a_preempted_job_saves_is_requeued_and_goes_on(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """SLURM sends to preempted jobs what it sends before a time limit."""
    sweep = submit(cluster, tmp_path, *LONG, "run_name=long", "random_seed=1")
    wait_for((tmp_path / "long_0" / "resume" / "state.h5").exists)
    cluster.run("scancel", "--user=root", "--state=RUNNING", "--signal=USR2")
    ended(sweep, 300)
    told = logs(tmp_path)
    assert "SIGUSR2: stops as soon as all is saved" in told
    assert re.search(r"goes on from step [1-9]", told)
    assert contents(tmp_path / "long_0") == unbroken


def test_a_cancelled_array_goes_on_when_it_is_submitted_again(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    sweep = submit(cluster, tmp_path, *LONG, "run_name=long", "random_seed=1,2")
    wait_for(lambda: all((tmp_path / f"long_{i}" / "resume" / "state.h5").exists() for i in range(2)))
    cluster.run("scancel", "--user=root")
    wait_for(lambda: [record(tmp_path, f"long_{i}")["status"] for i in range(2)] == ["stopped"] * 2)
    sweep.kill()  # without accounting nobody tells the one who waits
    sweep.communicate()
    wait_for(lambda: "2 stopped" in sweeps(cluster, tmp_path))
    sweeps(cluster, tmp_path, "--resubmit")
    assert "2 finished" in sweeps(cluster, tmp_path)
    assert contents(tmp_path / "long_0") == unbroken


def test_a_job_whose_node_fails_goes_on_elsewhere(cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path) -> None:
    sweep = submit(cluster, tmp_path, *LONG, "run_name=long", "random_seed=1")
    state = tmp_path / "long_0" / "resume" / "state.h5"
    wait_for(state.exists)
    cluster.fail_node()
    wait_for(lambda: "down" in cluster.run("sinfo", "--noheader", "--format=%T"))
    cluster.start("slurmd")
    cluster.wait_until_idle()
    ended(sweep, 400)
    assert re.search(r"goes on from step [1-9]", logs(tmp_path))
    assert contents(tmp_path / "long_0") == unbroken
