"""Every command of the README, and the quickstart, with point masses standing in for the simulators.

The commands are read from the README itself; what makes them smaller is in `doc_blocks`. `make quickstart` and
`make test` on a fresh machine are what continuous integration runs.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import doc_blocks
import pytest

from landscapes import quickstart
from landscapes.config.launch import run_entry_point
from landscapes.envs import brax

pytestmark = pytest.mark.usefixtures("shared_programs")

MAKE = {"make quickstart", "make test", "make install GPU=1", "source .venv/bin/activate"}


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brax, "make", doc_blocks.stand_in)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))


def test_every_command_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    ran = []
    for command in doc_blocks.page_commands(doc_blocks.ROOT / "README.md"):
        if str(command) in MAKE:
            continue
        assert command.module is not None, f"a kind of command that this test does not know: {command}"
        settings = [doc_blocks.smaller(word) for word in command.settings]
        assert doc_blocks.run(command.module, settings) == 0, capsys.readouterr().err
        told = capsys.readouterr().out
        if command.module in doc_blocks.ENTRY_POINTS:
            # Each job says that it compiles before it says how far it is.
            assert told.index(": compiling") < told.index(" %)"), told
        ran.append(command.module)
    assert {*doc_blocks.ENTRY_POINTS, "landscapes.report"} <= set(ran)


def test_the_quickstart_shows_tables_a_picture_and_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quickstart, "CHECKPOINTS", (30, 60))

    def run_small(command: Sequence[str]) -> int:
        module, *arguments = command
        if module.startswith("landscapes."):
            return doc_blocks.run(module, arguments)
        own = ("max_steps", "num_seeds", "eval_episodes=4", "num_x", "num_y")
        small = [
            change for change in doc_blocks.small_settings(module, arguments) if not any(name in change for name in own)
        ]
        return run_entry_point(module, [*arguments, *small])

    assert quickstart.main(["--samples", "5", "--proposals", "2", "--points", "3"], run_small) == 0, (
        capsys.readouterr().err
    )
    out = capsys.readouterr().out
    tail = out[out.index("Returns after one TD3 update") :]
    assert len(re.findall(r"^\s+[012]\s+(?:30|60)\s", tail, re.MULTILINE)) == 6
    for policy in ("root", "improved", "control"):
        assert re.search(rf"^{policy}\s+-?[\d.]+ \(", tail, re.MULTILINE)
    for name in ("purd.png", "rejection.png", "curves.h5", "run.json"):
        assert name in tail
    assert (tmp_path / "quickstart" / "purd.png").stat().st_size > 10_000
    page = tmp_path / "quickstart" / "report.html"
    assert str(page) in tail
    assert page.stat().st_size > 100_000
