"""Printing that nobody takes: a job does not mind, and a small command ends as others do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from landscapes import storage
from landscapes.machine.streams import as_command, lasting
from tests.jobs.test_resume import ROOT, TD3, stop_early, train

pytestmark = pytest.mark.usefixtures("shared_programs")

COMMANDS = ("runs", "figures", "report", "sweeps", "doctor", "quickstart")


def nobody() -> int:
    """A pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@contextmanager
def printing_to(target: str | int) -> Iterator[None]:
    """Not a fixture: pytest's capturing would come after it."""
    with open(target, "w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        yield


def test_a_job_goes_on_with_a_full_disk_behind_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with printing_to("/dev/full"):
        assert train(tmp_path, monkeypatch, TD3) == 0
    assert storage.open_run(tmp_path, "one").record["status"] == "finished"
    error = capsys.readouterr().err
    assert error == "warning: standard output is not written (No space left on device); the job goes on\n"


def test_a_job_goes_on_or_stops_saved_when_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with printing_to(nobody()):
        stop_early(tmp_path, monkeypatch, TD3, 4)
        assert storage.open_run(tmp_path, "one").record["status"] == "stopped"
        capsys.readouterr()
        assert train(tmp_path, monkeypatch, TD3) == 0
    assert capsys.readouterr().err == ""


def test_text_that_a_stream_cannot_encode_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "log", "w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with lasting():
            print("cr\u00e8me \udcff")
    assert (tmp_path / "log").read_text(encoding="ascii") == "cr\\xe8me \\udcff\n"


CLOSED = """
import os, sys, types

def run(job):
    with open("result", "w") as file:
        print("out")
        print("error", file=sys.stderr)
        os.write(1, b"from a library")
        file.write(str(file.fileno() > 2))

module = types.ModuleType("run_algorithm.experiments.train")
module.run = run
sys.modules[module.__name__] = module
"""


def test_a_job_without_any_streams_writes_into_no_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOSED, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = f"exec {sys.executable} -m run_algorithm <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False).returncode == 0
    assert (tmp_path / "result").read_text() == "True"


def test_a_terminal_that_disappears_is_a_request_to_stop(tmp_path: Path) -> None:
    """SIGHUP comes, and whatever is printed from then on is refused."""
    arguments = [x for x in TD3 if not x.startswith("experiment.env_name")]
    master, slave = os.openpty()
    hold = tmp_path / "hold"
    hold.touch()
    variables = {"LANDSCAPES_RESULTS": str(tmp_path), "PYTHONPATH": str(ROOT), "LANDSCAPES_TEST_HOLD": str(hold)}
    command = [sys.executable, "-m", "run_algorithm", *arguments, "experiment.env_name=tests.support.held.line"]
    job = subprocess.Popen(
        ["setsid", "--ctty", *command],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    while not (tmp_path / "one" / "resume" / "state.h5").exists():
        assert job.poll() is None, os.read(master, 10_000)
        time.sleep(0.05)
    os.close(master)
    time.sleep(0.5)
    hold.unlink()
    assert job.wait(timeout=120) == 128 + signal.SIGHUP
    assert storage.open_run(tmp_path, "one").record["status"] == "stopped"


def test_a_signal_that_was_ignored_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        stop_early(tmp_path, monkeypatch, TD3, 4, signal.SIGHUP, 0)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_small_commands_end_as_others_do_when_nobody_reads() -> None:
    writer = nobody()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"landscapes.{name}", "--help"],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in COMMANDS
    ]
    ends = [(each.communicate(timeout=120)[1], each.returncode) for each in started]
    os.close(writer)
    assert ends == [("", -signal.SIGPIPE)] * len(COMMANDS)


def test_a_small_command_whose_output_is_not_written_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        print("a table")
        return 0

    with printing_to("/dev/full"):
        assert as_command(main) == 1
    assert capsys.readouterr().err == "standard output: cannot be written: No space left on device\n"


def test_a_small_command_that_is_stopped_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise KeyboardInterrupt

    assert as_command(main) == 130
    assert capsys.readouterr().err == "stopped\n"
