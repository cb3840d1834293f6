"""Sweeps on a real SLURM of one node: arrays, time limits, a node that fails, cancelled jobs.

Every job ends with the results of a run that nothing interrupted.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
import trees
from slurm_cluster import Cluster

from landscapes import commands, storage
from landscapes.cluster import sweep_folder
from tests.jobs.test_resume import ROOT, contents

pytestmark = [
    pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"no SLURM here: {slurm_cluster.missing()}"),
    pytest.mark.xdist_group("slurm"),
]

TINY = [
    "experiment.env_name=tests.support.probes.line",
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
HELD = [
    "experiment.env_name=tests.support.held.line",
    "experiment.max_steps=1500",
    "experiment.agent_log_starts=[50,1200]",
    "save_interval=1e-3",
    "run_name=long",
]
"""A training that waits, after its first saves, while the file `hold` is there: see `tests.support.held`."""

STOPPING = "SIGUSR2: stops as soon as all is saved"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm_cluster.loopback_cluster(tmp_path_factory.mktemp("slurm") / "c") as running:
        yield running


def environment(cluster: Cluster, results: Path) -> dict[str, str]:
    """What a user on the login node has in the environment."""
    own = {"LANDSCAPES_QUEUE_SECONDS": "1", "LANDSCAPES_TEST_HOLD": str(results / "hold"), "PYTHONPATH": str(ROOT)}
    return {**cluster.environment, **own, "LANDSCAPES_RESULTS": str(results)}


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_outlives_its_test() -> Iterator[None]:
    """A sweep whose test has failed would be found, still running, by some later test of this process."""
    yield
    while _started:
        sweep = _started.pop()
        sweep.kill()
        sweep.communicate()


def submit(cluster: Cluster, results: Path, *arguments: str, **variables: str | None) -> subprocess.Popen[str]:
    """A sweep as a user starts it, with some variables set, or unset by None; it ends when its jobs have ended."""
    command = [sys.executable, "-m", "run_algorithm", "-m", *PRESET, *TINY, *arguments]
    pipe = subprocess.PIPE
    given = {k: v for k, v in {**environment(cluster, results), **variables}.items() if v is not None}
    _started.append(subprocess.Popen(command, cwd=ROOT, env=given, stdout=pipe, stderr=subprocess.STDOUT, text=True))
    return _started[-1]


def ended(sweep: subprocess.Popen[str], seconds: float, code: int = 0) -> str:
    """What the sweep printed; it must have ended with that code."""
    try:
        out, _ = sweep.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        sweep.kill()
        raise
    assert sweep.returncode == code, out
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
    name = sweep_folder.sweep_names(results)[-1]
    command = [sys.executable, "-m", "landscapes.sweeps", name, *arguments]
    given = environment(cluster, results)
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def paste(cluster: Cluster, line: str) -> str:
    """What a line that was printed does in another directory, of a user whose results lie elsewhere."""
    python, *words = shlex.split(line)
    assert python == "python"
    given = environment(cluster, Path("/nowhere"))
    done = subprocess.run([sys.executable, *words], cwd="/", env=given, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def logs(results: Path) -> str:
    return "".join(path.read_text() for path in sorted(results.rglob("*_log.*")))


def submit_held(cluster: Cluster, results: Path, *arguments: str, members: int = 1) -> subprocess.Popen[str]:
    """A sweep whose members all have saved when this returns, and do not end before `release`."""
    (results / "hold").touch()
    sweep = submit(cluster, results, *HELD, *arguments)
    wait_for(lambda: all((results / f"long_{i}" / "resume" / "state.h5").exists() for i in range(members)))
    return sweep


def release(results: Path) -> None:
    """Lets the members go on, or save where they were told to stop."""
    (results / "hold").unlink()


@pytest.fixture(scope="module")
def unbroken(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    results = tmp_path_factory.mktemp("unbroken")
    ended(submit(cluster, results, *HELD, "random_seed=1"), 300)
    assert record(results, "long_0")["status"] == "finished"
    return contents(results / "long_0")


def test_a_sweep_is_an_array(cluster: Cluster, tmp_path: Path) -> None:
    ended(submit(cluster, tmp_path, "random_seed=range(2)", "experiment.algo=td3,sac"), 300)
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


MINE = """
import os
from tests.support import probes

def make(backend, episode_length):
    print("this process may take", os.environ.get("XLA_CLIENT_MEM_FRACTION"), "of a GPU", flush=True)
    return probes.line(episode_length)
"""


def test_a_sweep_that_nobody_waits_for(cluster: Cluster, tmp_path: Path) -> None:
    """Its jobs, one after the other, share what the first has compiled, and take no more of a GPU than they may.

    How XLA compiles is as for users here, not as in other tests.
    """
    (tmp_path / "mine.py").write_text(MINE)
    settings = ["experiment.env_name=mine.make", "gpu_memory_fraction=0.4", "hydra.launcher.array_parallelism=1"]
    anew = {"JAX_COMPILATION_CACHE_DIR": None, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "XLA_FLAGS": None}
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    results = tmp_path / "results"
    out = ended(submit(cluster, results, *settings, "random_seed=1,2", "wait=false", **anew, PYTHONPATH=path), 60)
    (name,) = sweep_folder.sweep_names(results)
    told = re.fullmatch(
        rf"sweep: {name}, job (\d+), 2 members\nhow it is doing: (python -m landscapes.sweeps {name})\n", out
    )
    assert told is not None, out
    assert f"{told[1]}_0" in cluster.states()
    wait_for(lambda: "2 finished" in sweeps(cluster, results), 300)
    assert logs(results).count("this process may take 0.4 of a GPU") == 2
    counts = re.findall(r"programs: (\d+) compiled, (\d+) found in (.*)/xla-", logs(results))
    assert [cache for _, _, cache in counts] == [str(results / ".cache")] * 2
    assert int(counts[0][0]) > 3
    assert counts[1][0] == "0" and int(counts[1][1]) == int(counts[0][0]) + int(counts[0][1])


def test_what_slurm_refuses_is_one_line_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    out = ended(submit(cluster, tmp_path, "hydra.launcher.partition=nowhere"), 60, code=2)
    assert out.startswith("job_config=slurm: SLURM does not take the sweep: ") and out.count("\n") == 1
    assert "nvalid partition" in out
    assert sweep_folder.sweep_names(tmp_path) == []
    out = ended(submit(cluster, tmp_path, f"hydra.sweep.dir='{tmp_path}/50%'"), 60, code=2)
    assert out.startswith(f"hydra.sweep.dir={tmp_path}/50%: ") and out.count("\n") == 1
    assert not (tmp_path / "50%").exists()


def test_a_job_that_meets_its_time_limit_is_requeued_and_goes_on(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """The limit comes nearer once the job has saved, and goes once SLURM has warned it, however slow the machine is."""
    limit = ["hydra.launcher.timeout_min=10", "hydra.launcher.signal_delay_s=300"]
    sweep = submit_held(cluster, tmp_path, "random_seed=1", *limit)
    (job,) = (job for job, state in cluster.states().items() if state == "RUNNING")
    cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=5")
    wait_for(lambda: STOPPING in logs(tmp_path), 200)  # SLURM looks at limits now and then
    cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=60")
    release(tmp_path)
    ended(sweep, 400)
    assert "this job is timed-out" in logs(tmp_path)
    assert re.search(r"goes on from step [1-9]", logs(tmp_path))
    assert record(tmp_path, "long_0")["status"] == "finished"
    assert contents(tmp_path / "long_0") == unbroken


@pytest.mark.slow
def test_a_preempted_job_saves_is_requeued_and_goes_on(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """SLURM sends to preempted jobs what it sends before a time limit, so that for ours it is the test above again."""
    sweep = submit_held(cluster, tmp_path, "random_seed=1")
    cluster.run("scancel", "--user=root", "--state=RUNNING", "--signal=USR2")
    wait_for(lambda: STOPPING in logs(tmp_path))
    release(tmp_path)
    ended(sweep, 300)
    assert re.search(r"goes on from step [1-9]", logs(tmp_path))
    assert contents(tmp_path / "long_0") == unbroken


def test_a_cancelled_array_goes_on_when_it_is_submitted_again(
    cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """By the lines that it printed, from another directory; its folders are called what folders may be called."""
    results = tmp_path / "r\u00e9sultats d'or [a=b, c] $x"
    results.mkdir()
    own = [
        commands.setting("results_dir", os.path.relpath(results, ROOT)),
        commands.setting("hydra.sweep.dir", str(results / "my sweep")),
    ]
    sweep = submit_held(cluster, results, "random_seed=1,2", *own, members=2)
    cluster.run("scancel", "--user=root")
    wait_for(lambda: logs(results).count("SIGTERM: stops as soon as all is saved") == 2)
    release(results)
    wait_for(lambda: [record(results, f"long_{i}")["status"] for i in range(2)] == ["stopped"] * 2)
    out = ended(sweep, 60, code=1)  # the queue tells it: there is no accounting here
    assert len(re.findall(r"member \d: job \d+_\d left the queue with no result", out)) == 2
    assert "2 of 2 members of the sweep failed: 0, 1" in out
    (told,) = re.findall("how it is doing: (.*)", out)
    assert "2 stopped" in paste(cluster, told)
    (again,) = re.findall("(python .*) submits again what has not finished", out)
    out = paste(cluster, again)
    assert "2 finished" in paste(cluster, told)
    assert sorted(path.parent.name for path in results.rglob("sweep.json")) == ["my sweep", "my sweep_2"]
    assert contents(results / "long_0").keys() == unbroken.keys()
    for name, data in unbroken.items():  # whose attributes say that it was told no results_dir
        (tmp_path / "whole.h5").write_bytes(data)
        found, wanted = (
            storage.read_hdf5(path, "file")[0] for path in (results / "long_0" / name, tmp_path / "whole.h5")
        )
        trees.assert_same(found, wanted)


def test_a_job_whose_node_fails_goes_on_elsewhere(cluster: Cluster, unbroken: dict[str, bytes], tmp_path: Path) -> None:
    sweep = submit_held(cluster, tmp_path, "random_seed=1")
    cluster.fail_node()
    release(tmp_path)
    wait_for(lambda: "down" in cluster.run("sinfo", "--noheader", "--format=%T"))
    cluster.start("slurmd")
    cluster.wait_until_idle()
    ended(sweep, 400)
    assert re.search(r"goes on from step [1-9]", logs(tmp_path))
    assert contents(tmp_path / "long_0") == unbroken
