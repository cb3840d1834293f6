"""A job that was ended in any way goes on, under the same command, to the very bytes of an unbroken one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import trees
from tiny_runs import TINY_TD3, changed

from landscapes import storage, training
from landscapes.config.launch import run_entry_point
from landscapes.machine.stopping import Stopped, stop_requests

pytestmark = pytest.mark.usefixtures("shared_programs")

ROOT = Path(__file__).resolve().parents[2]

SHORT = [
    "experiment.eval_episodes=2",
    "experiment.eval_episode_length=5",
    "experiment.reset_interval=5",
    "experiment.num_seeds=3",
    "use_wandb=false",
    "run_name=one",
    "save_interval=1e-3",
]
TD3 = [
    *SHORT,
    "experiment.env_name=tests.support.probes.line",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.log_interval=25",
    "experiment.eval_interval=30",
    "experiment.start_training=10",
    "experiment.agent_log_starts=[50]",
    "experiment.replay_buffer_size=35",
    "experiment.max_steps=120",
]
SAC = ["experiment.algo=sac", *(x.replace("ddpg", "sac") for x in TD3)]
PPO = [
    *SHORT,
    "experiment=train_ppo",
    "experiment.env_id=tests.support.probes.line",
    "experiment.hidden_dims=[8]",
    "experiment.num_envs=4",
    "experiment.num_steps=8",
    "experiment.total_timesteps=320",
    "experiment.eval_interval=64",
    "experiment.agent_num_logs=3",
]
ALGORITHMS = {"td3": TD3, "sac": SAC, "ppo": PPO}


class Killed(BaseException):
    """Stands for a process that is gone: nothing of ours may clean up after it."""


def train(results: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(results))
    return run_entry_point("run_algorithm", arguments)


def end_at(monkeypatch: pytest.MonkeyPatch, call: int, how: Any) -> None:
    """The `call`-th call of the compiled loop does `how` instead."""
    make, calls = training.make_trainer, iter(range(10**9))

    def ended(algorithm: Any) -> training.Trainer:
        trainer = make(algorithm)

        def advance(*arguments: Any) -> Any:
            if next(calls) == call:
                how()
            return trainer.advance(*arguments)

        return trainer._replace(advance=advance)

    monkeypatch.setattr(training, "make_trainer", ended)


def kill() -> None:
    raise Killed


def stop_early(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    call: int,
    number: signal.Signals = signal.SIGTERM,
    code: int = 143,
) -> None:
    """Trains until a signal comes in the `call`-th call of the compiled loop."""
    with pytest.MonkeyPatch.context() as once:
        end_at(once, call, lambda: signal.raise_signal(number))
        assert train(results, monkeypatch, arguments) == code


def contents(run: Path) -> dict[str, bytes]:
    """Every result of a run: all of its files but the record, what it kept for going on, locks and cut-off writes."""
    paths = [p for p in run.rglob("*.h5") if "resume" not in p.parts and not p.name.startswith(".")]
    return {str(p.relative_to(run)): p.read_bytes() for p in paths}


@pytest.fixture(scope="module", params=["ppo", pytest.param("sac", marks=pytest.mark.slow), "td3"])
def unbroken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    results = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert train(results, monkeypatch, ALGORITHMS[request.param]) == 0
    return ALGORITHMS[request.param], results / "one"


def test_a_job_ended_again_and_again_has_the_results_of_an_unbroken_one(
    unbroken: tuple[list[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, whole = unbroken
    monkeypatch.setattr("run_algorithm.train._TrainingLoop.finish", lambda *_: [])
    ends = 0
    for _ in range(100):
        with pytest.MonkeyPatch.context() as once:
            end_at(once, 4, kill)
            try:
                assert train(tmp_path, monkeypatch, arguments) == 0
            except Killed:
                ends += 1
                continue
        break
    assert ends >= 2
    assert contents(tmp_path / "one") == contents(whole)


def test_a_finished_run_is_left_alone(
    unbroken: tuple[list[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, whole = unbroken
    before = contents(whole)
    end_at(monkeypatch, 0, kill)
    assert train(whole.parent, monkeypatch, arguments) == 0
    assert "run one is finished" in capsys.readouterr().out
    assert contents(whole) == before


@pytest.mark.parametrize(
    "number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR2, 140), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_stops(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [x for x in TD3 if not x.startswith("save_interval")]  # a minute: only the signal saves
    stop_early(tmp_path, monkeypatch, arguments, 2, number, code)
    error = capsys.readouterr().err
    assert number.name in error
    assert "goes on from here" in error
    run = storage.open_run(tmp_path, "one")
    assert run.record["status"] == "stopped"
    save = storage.read_save(run)
    assert save is not None and save.attributes["iteration"] == 25
    if number == signal.SIGTERM:
        assert train(tmp_path, monkeypatch, arguments) == 0
        assert "goes on from step 25" in capsys.readouterr().out


def test_other_settings_are_refused_by_name_and_those_of_logging_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_early(tmp_path, monkeypatch, TD3, 2)
    before = contents(tmp_path / "one")
    capsys.readouterr()
    for other, key in [
        ("random_seed=7", "random_seed"),
        ("experiment.ddpg_config.tau=0.5", "experiment.ddpg_config.tau"),
        ("experiment.max_steps=80", "experiment.max_steps"),
    ]:
        assert train(tmp_path, monkeypatch, [*TD3, other]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and key in error
    assert contents(tmp_path / "one") == before
    changed = ["experiment.eval_episodes=4", "experiment.eval_interval=40", "experiment.log_interval=10"]
    assert train(tmp_path, monkeypatch, [*TD3, *changed]) == 0
    curves, _ = storage.read_hdf5(tmp_path / "one" / "curves.h5", "curves")
    assert curves["num_episodes"][0] == 2 and curves["num_episodes"][-1] == 4
    assert np.isnan(curves["episode_returns"][0, :, 2:]).all()
    assert np.isfinite(curves["returns"]).all()


def test_a_finished_run_trains_on_under_a_larger_max_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its checkpoints are those of a run that was as long from the start."""
    short = changed(TINY_TD3, "experiment.agent_log_starts=[50,150]", "run_name=one", "use_wandb=false")
    longer = changed(short, "experiment.max_steps=200")
    assert train(tmp_path / "a", monkeypatch, short) == 0
    assert train(tmp_path / "a", monkeypatch, longer) == 0
    assert train(tmp_path / "b", monkeypatch, longer) == 0
    for step in (50, 150):
        one, other = (
            storage.read_hdf5(tmp_path / folder / "one" / "seed1" / f"ckpt_{step}.h5", "ckpt")[0] for folder in "ab"
        )
        trees.assert_same(one, other)


def test_a_run_whose_new_checkpoints_would_miss_rows_is_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    early = [*TD3, "experiment.agent_log_starts=[50,150]"]
    assert train(tmp_path, monkeypatch, early) == 0
    before = contents(tmp_path / "one")
    assert train(tmp_path, monkeypatch, [*early, "experiment.max_steps=200"]) == 2
    assert "rows 50..84 of the replay log" in capsys.readouterr().err
    assert contents(tmp_path / "one") == before


def test_a_damaged_save_falls_back_to_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_early(tmp_path / "cut", monkeypatch, TD3, 5)
    latest = tmp_path / "cut" / "one" / "resume" / "state.h5"
    data = bytearray(latest.read_bytes())
    data[len(data) // 2] ^= 1
    latest.write_bytes(data)
    assert train(tmp_path / "cut", monkeypatch, TD3) == 0
    assert train(tmp_path / "whole", monkeypatch, TD3) == 0
    assert contents(tmp_path / "cut" / "one") == contents(tmp_path / "whole" / "one")


def test_without_any_whole_save_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_early(tmp_path, monkeypatch, TD3, 5)
    for path in (tmp_path / "one" / "resume").glob("state*.h5"):
        path.write_bytes(path.read_bytes()[:-50])
    before = contents(tmp_path / "one")
    capsys.readouterr()
    assert train(tmp_path, monkeypatch, TD3) == 2
    assert "overwrite=true" in capsys.readouterr().err
    assert contents(tmp_path / "one") == before
    assert train(tmp_path, monkeypatch, [*TD3, "overwrite=true"]) == 0


def test_a_requeued_job_goes_on_even_if_it_was_told_to_start_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_early(tmp_path, monkeypatch, [*TD3, "overwrite=true"], 5)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert train(tmp_path, monkeypatch, [*TD3, "overwrite=true"]) == 0
    assert "goes on from step" in capsys.readouterr().out


def test_two_processes_do_not_work_on_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_early(tmp_path, monkeypatch, TD3, 5)
    lock = tmp_path / "one" / "run.json"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=pipe, stdin=pipe, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        capsys.readouterr()
        for arguments in (TD3, [*TD3, "overwrite=true"]):
            assert train(tmp_path, monkeypatch, arguments) == 2
            assert "another process" in capsys.readouterr().err
        holder.kill()
    assert train(tmp_path, monkeypatch, TD3) == 0


HOLD = """
import sys
from pathlib import Path
from landscapes.storage.files import held
with held(Path(sys.argv[1]), "one"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_scheduler_hears_the_signal_after_the_job_was_left() -> None:
    heard: list[str] = []

    def job() -> None:
        with stop_requests() as stop:
            signal.raise_signal(signal.SIGUSR2)
            heard.append("left")
            stop.leave()

    before = signal.signal(signal.SIGUSR2, lambda *_: heard.append("scheduler"))
    try:
        with pytest.raises(Stopped, match="SIGUSR2"):
            job()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == ["left", "scheduler"]


def test_a_second_interrupt_does_not_wait() -> None:
    def job() -> None:
        with stop_requests():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as raised:
        job()
    assert not isinstance(raised.value, Stopped)


def test_tallies_do_not_depend_on_where_calls_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from landscapes.loading import make_agent
    from tests.support.probes import line

    algorithm = make_agent("td3", {"hidden_dims": [8], "learning_starts": 5, "replay_capacity": 50}, line())
    keys, trainer = training.member_keys(0, 3), training.make_trainer(algorithm)

    def after(stops: list[int]) -> Any:
        members, tallies, start = trainer.init(keys.init), trainer.blank(3), 0
        for stop in stops:
            members, tallies = trainer.advance(keys.train, members, tallies, start, stop)
            start = stop
        return members.arrays(), tallies.arrays()

    whole = after([40])
    trees.assert_same(after([1, 2, 17, 40]), whole)
    assert len(jax.tree.leaves(whole[1])) > 4


# Real processes


def run_process(results: Path, steps: int = 3000) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LANDSCAPES_RESULTS": str(results), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "run_algorithm", *TD3, f"experiment.max_steps={steps}"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)


def killed_again_and_again(results: Path, kills: int, least: float, most: float, seed: int = 0) -> int:
    """kill -9 at random moments, `kills` times or until the run is finished, then to the end; how often it was."""
    generator = random.Random(seed)
    for done in range(kills):
        process = run_process(results)
        time.sleep(generator.uniform(least, most))
        if process.poll() is not None:
            assert process.returncode == 0
            return done
        process.kill()
        process.wait()
    assert run_process(results).wait() == 0
    return kills


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", folder], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_one_line_and_room_lets_it_go_on(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [*(x for x in TD3 if "log_starts" not in x), "experiment.agent_log_starts=[20,40,60,80,100]"]
    assert train(tmp_path / "whole", monkeypatch, many) == 0
    capsys.readouterr()
    code = train(small_disk, monkeypatch, many)
    error = capsys.readouterr().err
    assert code == 2
    assert "No space left on device" in error
    assert error.count("\n") == 1
    assert list((small_disk / "one").rglob("*.tmp")) == []
    assert train(small_disk, monkeypatch, many) == 2  # still no room, and nothing worse for it
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    assert train(small_disk, monkeypatch, many) == 0
    assert contents(small_disk / "one") == contents(tmp_path / "whole" / "one")


def test_kill_9_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at a random moment soon after its first save."""
    steps = 600
    assert train(tmp_path / "whole", monkeypatch, [*TD3, f"experiment.max_steps={steps}"]) == 0
    cut = tmp_path / "cut" / "one"
    process = run_process(tmp_path / "cut", steps)
    while not (cut / "resume" / "state.h5").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.3))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert run_process(tmp_path / "cut", steps).wait() == 0
    assert contents(cut) == contents(tmp_path / "whole" / "one")
    assert json.loads((cut / "run.json").read_text())["status"] == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_forty_kills_lose_nothing(tmp_path: Path, part: int) -> None:
    """Twice twenty: runs are begun anew until they have been killed so often, from the start of the process on."""
    began = time.monotonic()
    assert run_process(tmp_path / "whole").wait() == 0
    usual = time.monotonic() - began
    kills, runs = 0, 0
    while kills < 20:
        seed = 100 * part + runs
        kills += killed_again_and_again(tmp_path / str(runs), 20 - kills, 0.1 * usual, 0.9 * usual, seed)
        assert contents(tmp_path / str(runs) / "one") == contents(tmp_path / "whole" / "one")
        runs += 1
    print(f"{kills} kills of {runs} runs")
