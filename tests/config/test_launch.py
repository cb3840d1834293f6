"""How jobs and sweeps end: exit codes, what is printed, and what the members of a sweep are told."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from landscapes.config.job import Job
from landscapes.config.launch import run_entry_point
from landscapes.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "run_algorithm"

JaxRuntimeError = type("JaxRuntimeError", (RuntimeError,), {})


def fails_with(error: BaseException) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        raise error

    return run


def stand_in(monkeypatch: pytest.MonkeyPatch, run: Callable[[Job], None]) -> None:
    monkeypatch.setattr(sys.modules[f"{TRAIN}.experiments.train"], "run", run)


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    "error, code, said",
    [
        (UserError("gamma", 3, "must lie in [0, 1]"), 2, "experiment.gamma=3: must lie in [0, 1]\n"),
        (UserError("learning_starts", 0, "no"), 2, "experiment.learning_starts=0: no\n"),
        (UserError("run_name", "a\nb", "taken"), 2, "run_name=a b: taken\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (MemoryError(), 1, "out of memory: "),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes\nmore"), 1, "out of memory: "),
        (OSError(errno.ENOSPC, "No space left on device", "x.h5"), 1, "no space left for x.h5: "),
    ],
)
def test_known_ends_are_one_line(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, fails_with(error))
    assert run_entry_point(TRAIN, []) == code
    shown = capsys.readouterr().err
    assert shown.startswith(said)
    assert shown.count("\n") == 1


@pytest.mark.usefixtures("jobs")
def test_user_error_under_another_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outer = RuntimeError("while tracing")
    outer.__cause__ = UserError("backend", "x", "must be y")
    stand_in(monkeypatch, fails_with(outer))
    assert run_entry_point(TRAIN, []) == 2
    assert capsys.readouterr().err == "backend=x: must be y\n"


@pytest.mark.usefixtures("jobs")
def test_fault_of_ours_shows_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(monkeypatch, fails_with(ValueError("shapes")))
    assert run_entry_point(TRAIN, []) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("unexpected ValueError (shapes): please report it\n")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="shapes"):
        run_entry_point(TRAIN, [])


def test_a_failing_member_stops_no_other(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(job: Job) -> None:
        jobs.append(job)
        if job.sweep_index in (0, 2):
            raise UserError("gamma", job.settings.seed, "not today")

    stand_in(monkeypatch, run)
    assert run_entry_point(TRAIN, ["-m", "experiment.seed=5,6,7,8", "experiment.algo=sac"]) == 2
    assert [job.settings.seed for job in jobs] == [5, 6, 7, 8]
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "member 0: experiment=train_sac experiment.seed=5"
    assert err.splitlines() == [
        "member 0: experiment.gamma=5: not today",
        "member 2: experiment.gamma=7: not today",
        "2 of 4 members of the sweep failed: 0, 2",
    ]
    stand_in(monkeypatch, fails_with(ValueError("shapes")))
    assert run_entry_point(TRAIN, ["-m", "experiment.seed=5,6"]) == 1


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    "arguments, error, said",
    [
        (["ddpg_config.discount=0.9"], UserError("gamma", 0.9, "no"), "ddpg_config.discount=0.9: no"),
        (["gamma=0.9"], UserError("gamma", 0.9, "no"), "gamma=0.9: no"),
        (["experiment.gamma=0.9"], UserError("experiment.gamma", 0.9, "no"), "experiment.gamma=0.9: no"),
        (
            ["experiment.algo=sac", "experiment.sac_config.temp_lr=1"],
            UserError("temperature_lr", 1, "above experiment.algorithm"),
            "experiment.sac_config.temp_lr=1: above experiment.algo",
        ),
        (["env_name=ant"], UserError("experiment.env", "ant", "no"), "env_name=ant: no"),
        (
            ["agent_log_starts=[5,6]", "max_steps=20000"],
            UserError("experiment.checkpoints[1]", 6, "below experiment.steps=20000 and experiment.steps_so_far"),
            "agent_log_starts[1]=6: below max_steps=20000 and experiment.steps_so_far",
        ),
        (
            ["experiment=train_ppo", "experiment.num_steps=8", "experiment.env_id=ant"],
            UserError("unroll_length", 8, "not on experiment.env=ant"),
            "experiment.num_steps=8: not on experiment.env_id=ant",
        ),
        (
            ["algo=my.own.make", "+algo_config.width=3"],
            UserError("width", 3, "no"),
            "algo_config.width=3: no",
        ),
    ],
)
@pytest.mark.parametrize("sweep", [False, True])
def test_a_running_job_tells_keys_as_they_were_typed(
    arguments: list[str],
    error: UserError,
    said: str,
    sweep: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("run_algorithm.checks._check_own_code", lambda *_: None)
    stand_in(monkeypatch, fails_with(error))
    assert run_entry_point(TRAIN, [*arguments, *(["-m", "random_seed=1,2"] if sweep else [])]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines()[0] == f"{'member 0: ' if sweep else ''}{said}"
    if sweep:
        words = [
            word for word in arguments if not word.removeprefix("experiment.").startswith(("algo=", "experiment="))
        ]
        assert all(word in out for word in words)


@pytest.mark.usefixtures("jobs")
def test_stopping_a_sweep_stops_it_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(monkeypatch, fails_with(KeyboardInterrupt()))
    assert run_entry_point(TRAIN, ["-m", "experiment.seed=5,6"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def fails_while_cleaning_up(job: Job) -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise AttributeError("half set up")


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("arguments", [[], ["-m", "experiment.seed=5,6"]])
def test_an_interrupt_that_a_clean_up_hides_is_one(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, fails_while_cleaning_up)
    assert run_entry_point(TRAIN, arguments) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_an_interrupt_waits_for_imports(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imported: list[str] = []

    def interrupted(name: str, package: str | None = None) -> object:
        if name.startswith(TRAIN):
            signal.raise_signal(signal.SIGINT)
            imported.append(name)
        return import_module(name, package)

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert run_entry_point(TRAIN, []) == 130
    assert imported == [f"{TRAIN}.experiments.train"]
    assert jobs == []
    assert capsys.readouterr().err.endswith("stopped by SIGINT; the same command goes on from here\n")


@pytest.mark.parametrize("command", [["-m", TRAIN], [f"{TRAIN}/main.py"]])
def test_an_interrupt_while_libraries_are_imported_is_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "hydra.py").write_text("raise KeyboardInterrupt")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped\n")


STAND_IN = """
import os, sys, types
from landscapes.errors import UserError

MEMORY = "XLA_CLIENT_MEM_FRACTION"

def run(job):
    told = ["ran", job.member_name, job.settings.algorithm, str("jax" in sys.modules), os.environ[MEMORY]]
    sys.stdout.write(" ".join(told) + "\\n")  # at once: another member may write too
    sys.stdout.flush()
    if job.settings.algorithm == "sac":
        raise UserError("tau", 2, "no")

module = types.ModuleType("run_algorithm.experiments.train")
module.run = run
sys.modules[module.__name__] = module
"""


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("arguments", [[], ["-m", "experiment.seed=1,2"], ["job_config=local_multiprocessing"]])
def test_what_slurm_does_not_run_is_waited_for(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_entry_point(TRAIN, [*arguments, "wait=false"]) == 2
    assert capsys.readouterr().err.startswith("wait=false: only SLURM works on")


@pytest.mark.parametrize("launcher", ["job_config=local_multiprocessing", "hydra/launcher=submitit_local"])
def test_members_in_processes_of_their_own(launcher: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(STAND_IN, encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANDSCAPES_RESULTS": str(tmp_path / "results"),
    }
    ended = subprocess.run(
        [
            sys.executable,
            "main.py",
            "-m",
            "run_name=calm",
            "experiment.algo=ddpg,sac",
            "experiment.sac_config.tau=0.5",
            "gpu_memory_fraction=0.3",
            launcher,
        ],
        cwd=ROOT / TRAIN,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines() == [
        "member 1: experiment.sac_config.tau=2: no",
        "1 of 2 members of the sweep failed: 1",
    ]
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*_log.out")]
    printed = "".join([ended.stdout, *logs])
    assert "ran calm_0 td3 False 0.3" in printed
    assert "ran calm_1 sac False 0.3" in printed
    if "submitit" in launcher:
        # Jobs compose the YAML as it was when they were submitted.
        (sweep,) = (tmp_path / "results" / "sweeps").iterdir()
        assert (sweep / "conf" / "experiment" / "train_td3.yaml").is_file()
    else:
        assert not (tmp_path / "results").exists()
