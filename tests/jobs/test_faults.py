"""What machines do to a job: damaged files, stale locks, no locks, clocks that jump, two jobs at once.

After each there is the whole result, equal to that of a job to which nothing happened, or one line that says what is
wrong; and then the same command, or overwrite=true where that line asks for it, brings the whole result.
"""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trees

from landscapes import storage
from landscapes.config.launch import run_entry_point
from tests.jobs.test_resume import ROOT, TD3, contents, end_at, train

pytestmark = pytest.mark.usefixtures("shared_programs")

OVERWRITE = "overwrite=true"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a job to which nothing happened."""
    results = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert train(results, monkeypatch, TD3) == 0
    return results / "one"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with a run that was stopped after its first checkpoint, with rows of its log in segments and in saves."""
    results = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_at(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGTERM))
        assert train(results, monkeypatch, TD3) == 143
    return results


def assert_same_numbers(run: Path, whole: Path) -> None:
    """Of a run that was started over, whose files say so in their attributes."""
    for name in contents(whole):
        found, wanted = (storage.read_hdf5(folder / name, "file")[0] for folder in (run, whole))
        trees.assert_same(found, wanted)


# Damaged files


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off])
@pytest.mark.parametrize("pattern", ["resume/state.h5", "curves.h5"])
def test_what_is_stored_twice_is_not_missed(
    pattern: str,
    damage: Callable[[Path], None],
    stopped: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = Path(shutil.copytree(stopped, tmp_path / "results"))
    damage(results / "one" / pattern)
    assert train(results, monkeypatch, TD3) == 0
    assert contents(results / "one") == contents(whole)


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off])
@pytest.mark.parametrize("pattern", ["resume/state*.h5", "resume/rows_*.h5", "seed1/replay_*.h5"])
def test_what_is_needed_and_damaged_is_one_line(
    pattern: str,
    damage: Callable[[Path], None],
    stopped: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = Path(shutil.copytree(stopped, tmp_path / "results"))
    damaged = sorted((results / "one").glob(pattern))
    assert damaged
    for path in damaged:
        damage(path)
    before = contents(results / "one")
    capsys.readouterr()
    assert train(results, monkeypatch, TD3) == 2
    error = capsys.readouterr().err
    assert any(str(path) in error for path in damaged)
    assert OVERWRITE in error
    assert error.splitlines()[-1].startswith("run_name=one: ")
    assert contents(results / "one") == before
    assert train(results, monkeypatch, [*TD3, OVERWRITE]) == 0
    assert_same_numbers(results / "one", whole)


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off])
def test_a_damaged_checkpoint_spoils_no_other_file_and_is_never_measured(
    damage: Callable[[Path], None],
    stopped: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = Path(shutil.copytree(stopped, tmp_path / "results"))
    name = "seed1/ckpt_50.h5"
    damage(results / "one" / name)
    assert train(results, monkeypatch, TD3) == 0
    found = contents(results / "one")
    assert {each for each, wanted in contents(whole).items() if found[each] != wanted} == {name}
    measure = ["experiment.run_name=one", "experiment.seed=1", "experiment.ckpt_indexes=[50]", "use_wandb=false"]
    capsys.readouterr()
    assert run_entry_point("eval_policy", measure) == 2
    error = capsys.readouterr().err
    assert str(results / "one" / name) in error and error.count("\n") == 1
    assert train(results, monkeypatch, [*TD3, OVERWRITE]) == 0
    assert_same_numbers(results / "one", whole)


# Moved folders


def test_a_run_that_was_moved_and_linked_back_goes_on(
    stopped: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run to another place and name, and one of its seeds to a third."""
    results, scratch = Path(shutil.copytree(stopped, tmp_path / "results")), tmp_path / "scratch" / "moved"
    scratch.parent.mkdir()
    for folder, place in [(results / "one", scratch), (scratch / "seed1", tmp_path / "seed")]:
        folder.rename(place)
        folder.symlink_to(place)
    assert train(results, monkeypatch, TD3) == 0
    assert (results / "one").is_symlink() and contents(results / "one").keys() <= contents(whole).keys()
    found = {**contents(scratch), **{f"seed1/{name}": data for name, data in contents(tmp_path / "seed").items()}}
    assert found == contents(whole)
    capsys.readouterr()
    assert train(results, monkeypatch, [*TD3, OVERWRITE]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"run_name=one: {results / 'one'} is a link to {scratch}") and error.count("\n") == 1
    assert contents(scratch)


# Other processes

JOB = """
import sys
{fault}
from landscapes.config.launch import run_entry_point
sys.exit(run_entry_point("run_algorithm"))
"""

NO_LOCKS = """
import errno, fcntl, os
def flock(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""

JUMPING_CLOCK = """
import itertools, time
year, clock, clock_ns = 365 * 86400, time.time, time.time_ns
jumps = itertools.cycle([0, year, -20 * year, 3600, -1])
time.time = lambda: clock() + next(jumps)
time.time_ns = lambda: clock_ns() + 10**9 * next(jumps)
"""


def start(results: Path, fault: str = "", **variables: str) -> subprocess.Popen[str]:
    """A job in a process of its own, to which that happens."""
    environment = {**os.environ, "LANDSCAPES_RESULTS": str(results), "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", JOB.format(fault=fault), *TD3]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_a_file_system_without_locks_gives_the_same_results(whole: Path, tmp_path: Path) -> None:
    job = start(tmp_path, NO_LOCKS)
    _, error = job.communicate(timeout=300)
    assert job.returncode == 0, error
    assert "this file system has no locks" in error
    assert contents(tmp_path / "one") == contents(whole)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_so_does_one_that_says_so_otherwise(
    number: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert train(tmp_path, monkeypatch, TD3) == 0
    assert "this file system has no locks" in caplog.text
    assert contents(tmp_path / "one") == contents(whole)


def test_a_clock_that_jumps_gives_the_same_results(whole: Path, tmp_path: Path) -> None:
    """Back and forth by years, at every question; saves are made all the same."""
    job = start(tmp_path, JUMPING_CLOCK)
    _, error = job.communicate(timeout=300)
    assert job.returncode == 0, error
    assert contents(tmp_path / "one") == contents(whole)


def test_two_jobs_that_begin_one_run_at_once(whole: Path, tmp_path: Path) -> None:
    jobs = [start(tmp_path) for _ in range(2)]
    ended = [(job.communicate(timeout=300)[1], job.returncode) for job in jobs]
    assert 0 in [code for _, code in ended]
    for error, code in ended:
        assert code == 0 or (code == 2 and "another process" in error and error.count("\n") == 1), error
    assert contents(tmp_path / "one") == contents(whole)


def test_a_lock_of_a_process_that_is_gone_stops_nobody(
    stopped: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Path(shutil.copytree(stopped, tmp_path / "results"))
    for path in [results / "one" / "run.json", *(results / "one").rglob("*.h5")]:
        path.with_name(f"{path.name}.lock").write_text("4194303\nanother-node\n")
    assert train(results, monkeypatch, TD3) == 0
    assert contents(results / "one") == contents(whole)


@pytest.mark.slow
def test_damaged_programs_are_compiled_again(whole: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("first", "second"):
        for program in cache.glob("*-cache"):
            cut_off(program)
        job = start(tmp_path / name, JAX_COMPILATION_CACHE_DIR=str(cache))
        _, error = job.communicate(timeout=300)
        assert job.returncode == 0, error
        assert contents(tmp_path / name / "one") == contents(whole)
        assert any(cache.glob("*-cache"))
