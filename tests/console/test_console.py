"""What a terminal shows, on a stream and a clock of the test's own.

Knows `landscapes.console` only.
"""

import io
import re
import subprocess
import time
from pathlib import Path

import pytest

from landscapes import console
from landscapes.errors import UserError


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Flushed(io.StringIO):
    """A pipe that remembers whether everything written was flushed."""

    pending = False

    def write(self, text):
        self.pending = True
        return super().write(text)

    def flush(self):
        self.pending = False


@pytest.fixture
def clock():
    return Clock()


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


# --- numbers for people


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (512, "512 B"),
        (1_500, "1.5 kB"),
        (9_960, "10 kB"),
        (999_600, "1.0 MB"),
        (5.12e9, "5.1 GB"),
        (31e9, "31 GB"),
        (4e15, "4000 TB"),
    ],
)
def test_human_bytes(count, text):
    assert console.human_bytes(count) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-1.0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (41.2, "41 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (4080, "1 h 08 min"),
        (183_600, "2 d 03 h"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_human_duration(seconds, text):
    assert console.human_duration(seconds) == text


def test_human_count():
    assert console.human_count(1e6) == "1,000,000"
    assert console.human_count(12) == "12"


# --- plans, tables, files, errors


def test_a_plan_shows_every_row_whole():
    stream = io.StringIO()
    folder = "results/[bold]name[/bold]/" + "x" * 300
    console.print_plan("Training td3 on hopper", {"seeds": "20", "folder": folder}, stream)
    assert lines(stream) == ["Training td3 on hopper", "  seeds   20", f"  folder  {folder}"]


def test_a_table_in_a_pipe_cuts_nothing():
    stream = io.StringIO()
    long_path = "/scratch/" + "a" * 400
    console.print_table("Checkpoints", ["step", "file [h5]"], [[50_000, long_path], [1_050_000, "b"]], stream)
    text = stream.getvalue()
    assert long_path in text
    assert "file [h5]" in text
    assert "…" not in text
    assert not any(line.endswith(" ") for line in lines(stream))
    assert "\n  50000   /scratch" in text, "numbers stand to the right"


def test_a_table_without_rows_shows_its_columns():
    stream = io.StringIO()
    console.print_table("Nothing", ["step", "file"], [], stream)
    assert "step" in stream.getvalue()


def test_a_few_files_are_listed_one_a_line():
    stream = io.StringIO()
    console.print_files([Path("run/curves.h5"), Path("run/run.json"), Path("run/curves.h5")], stream)
    assert lines(stream) == ["Wrote 2 files", "  run/curves.h5", "  run/run.json"]


def test_no_files_are_not_mentioned():
    stream = io.StringIO()
    console.print_files([], stream)
    assert stream.getvalue() == ""


def test_many_files_are_grouped_into_patterns_that_a_shell_expands_to_each():
    paths = [Path(f"my run/seed{seed}/ckpt_{step}.h5") for seed in range(3) for step in (50_000, 150_000, 1_000_000)]
    paths += [Path(f"my run/seed0/replay_{first}_{first + 10}.h5") for first in (0, 10, 20)]
    paths += [Path("my run") / name for name in ("seed0/s0_returns_50000.h5", "seed0/s0_returns_150000.h5", "run.json")]
    stream = io.StringIO()
    console.print_files(paths, stream)
    head, *groups = lines(stream)
    assert head == "Wrote 15 files"
    assert groups[0] == "  3 x 'my run/seed0/ckpt_'{50000,150000,1000000}.h5"
    assert len(groups) == 6
    patterns = " ".join(group.split(" x ")[1] for group in groups)
    expanded = subprocess.run(["bash", "-c", f"printf '%s\\n' {patterns}"], capture_output=True, text=True, check=True)
    assert sorted(expanded.stdout.splitlines()) == sorted(map(str, paths))


def test_an_error_is_one_line_on_stderr(capsys):
    console.one_line_error(UserError("experiment.algo", "td4", "must be one of\n  td3, sac"))
    console.one_line_error(KeyboardInterrupt())
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: experiment.algo=td4: must be one of td3, sac\nerror: KeyboardInterrupt\n"


def test_everything_else_goes_to_stdout(capsys):
    console.print_plan("Plan", {"seeds": "1"})
    with console.Progress("training", 10) as progress:
        progress.advance_to(10)
    out, err = capsys.readouterr()
    assert out.startswith("Plan\n  seeds  1\ntraining: 10/10 steps")
    assert err == ""


# --- progress off a terminal


def test_progress_in_a_pipe_is_a_line_every_half_minute_the_first_and_the_last(clock):
    stream = Flushed()
    with console.Progress("training", 1000, stream=stream, clock=clock) as progress:
        for done in range(100, 1000, 100):
            clock.now += 10.0
            progress.advance_to(done, f"return {done}")
            assert not stream.pending
    found = [re.match(r"training: (\d+)/1,000 steps", line)[1] for line in lines(stream)]
    assert found == ["100", "400", "700", "900"]
    assert lines(stream)[-1].endswith("return 900")


def test_the_end_is_shown_once(clock):
    stream = io.StringIO()
    with console.Progress("training", 20, stream=stream, clock=clock) as progress:
        for done in (10, 20):
            clock.now += 1.0
            progress.advance_to(done)
    assert len(lines(stream)) == 2
    assert lines(stream)[-1] == "training: 20/20 steps (100.0 %), 10 steps/s, elapsed 2.0 s"


def test_compiling_is_said_and_counts_in_no_rate(clock):
    stream = io.StringIO()
    with console.Progress("training", 1000, stream=stream, clock=clock) as progress:
        clock.now += 5.0  # the state is loaded
        with progress.meanwhile("compiling"):
            assert lines(stream) == ["training: compiling"]
            clock.now += 50.0
        for done in (100, 400, 700):  # 10 steps a second
            clock.now += 30.0 if done > 100 else 10.0
            progress.advance_to(done)
        with progress.meanwhile("compiling"):  # another program
            clock.now += 300.0
        clock.now += 20.0
        progress.advance_to(900)
    first, second, third, again, last = lines(stream)[1:]
    assert first.endswith(
        "10 steps/s, elapsed 1 min 05 s, left 1 min 30 s, in total about 2 min 35 s (first guess, with compiling)"
    )
    assert second.endswith("10 steps/s, elapsed 1 min 35 s, left 1 min 00 s")
    assert third.endswith("10 steps/s, elapsed 2 min 05 s, left 30 s")
    assert again == "training: compiling"
    assert last.endswith("10 steps/s, elapsed 7 min 25 s, left 10 s")


def test_nothing_is_guessed_from_the_first_roll_out(clock):
    """One of a thousand was done when 29 s of compiling ended: 8 hours, of a job of 40 s, were guessed from that."""
    stream = io.StringIO()
    with console.Progress("PURD", 1000, unit="samples", stream=stream, clock=clock) as progress:
        progress.advance_to(0)
        with progress.meanwhile("compiling"):
            clock.now += 29.0
        # 100 samples a second. Sixteen are rolled out side by side, and a look is a tenth of the longest.
        for look in range(1, 701):
            clock.now += 0.016
            progress.advance_to(1 if look < 10 else min(int(look * 1.6), 1000))
    guesses = [line for line in lines(stream) if "left" in line or "samples/s" in line]
    assert len(lines(stream)) > 1 and guesses
    for line in guesses:
        rate, left = re.search(r"([\d.]+) samples/s", line), re.search(r"left ([\d.]+) s", line)
        assert 95.0 < float(rate[1]) < 105.0 and (left is None or float(left[1]) < 11.0), line


def test_a_slow_job_says_what_is_done_before_it_knows_how_long_the_rest_takes(clock):
    stream = io.StringIO()
    with console.Progress("PURD", 1000, unit="samples", stream=stream, clock=clock) as progress:
        for done in (0, 1, 1, 2):
            clock.now += 20.0
            progress.advance_to(done)
    assert lines(stream) == [
        "PURD: 1/1,000 samples (0.1 %), elapsed 40 s",
        "PURD: 2/1,000 samples (0.2 %), elapsed 1 min 20 s",
    ]


def test_what_an_earlier_job_did_is_no_work(clock):
    """It is told before anything is compiled, and all at once."""
    stream = io.StringIO()
    with console.Progress("PURD", 1000, unit="samples", stream=stream, clock=clock) as progress:
        clock.now += 0.1
        progress.advance_to(50)
        with progress.meanwhile("compiling"):
            clock.now += 10.0
        for done in range(60, 200, 10):
            clock.now += 1.0
            progress.advance_to(done)
    assert "10 samples/s, elapsed 20 s, left 1 min 25 s" in stream.getvalue().splitlines()[1]


def test_a_job_that_says_where_its_rate_begins_never_counts_what_was_before(clock):
    stream = io.StringIO()
    with console.Progress("training", 100, stream=stream, clock=clock) as progress:
        clock.now += 20.0
        progress.begin_at(1)
        assert stream.getvalue() == ""
        clock.now += 1.0
        progress.advance_to(11)
    assert "10 steps/s" in stream.getvalue()
    assert "left 8.9 s" in stream.getvalue()


def test_the_rate_is_a_recent_one(clock):
    stream = io.StringIO()
    with console.Progress("training", 10_000, stream=stream, clock=clock) as progress:
        done = 0
        for per_second in (10, 1):
            for _ in range(40):
                clock.now += 30.0
                done += 30 * per_second
                progress.advance_to(done)
    assert "1 steps/s" in lines(stream)[-1]


def test_a_resumed_job_does_not_count_what_was_done_before(clock):
    stream = io.StringIO()
    with console.Progress("training", 1000, start=900, unit="updates", stream=stream, clock=clock) as progress:
        clock.now += 10.0
        progress.advance_to(950)
    assert lines(stream)[0].startswith("training: 950/1,000 updates (95.0 %), 5 updates/s, elapsed 10 s, left 10 s")


def test_a_job_that_stops_early_says_how_far_it_came(clock):
    stream = io.StringIO()

    def job():
        with console.Progress("training", 10, stream=stream, clock=clock) as progress:
            for done in (1, 2):
                clock.now += 1.0
                progress.advance_to(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job()
    assert lines(stream)[-1].startswith("training: 2/10 steps")


def test_progress_that_is_off_prints_nothing(clock):
    for stream in (io.StringIO(), Terminal()):
        with console.Progress("training", 10, enabled=False, stream=stream, clock=clock) as progress:
            progress.advance_to(5, "return 3")
        assert stream.getvalue() == ""


def test_nothing_to_do_is_done():
    stream = io.StringIO()
    with console.Progress("training", 0, stream=stream) as progress:
        progress.advance_to(0)
    assert lines(stream)[0].startswith("training: 0/0 steps (100.0 %)")


# --- progress on a terminal


def test_progress_on_a_terminal_is_a_live_bar_that_stays_at_its_end(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with console.Progress("training", 100, stream=stream, clock=clock) as progress:
        with progress.meanwhile("compiling"):
            clock.now += 90.0
            time.sleep(0.5)  # the bar is drawn four times a second
        for done in (50, 100):
            clock.now += 5.0
            progress.advance_to(done, f"return {done}.5")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "━" in plain
    assert "100/100 steps (100.0 %)" in plain
    assert "0/100 steps (0.0 %)" in plain and "compiling, elapsed 1 min 30 s" in plain
    assert "10 steps/s, elapsed 1 min 40 s, return 100.5" in plain
    assert "…" not in plain
