"""Text that the encoding of an output lacks: an accent in a path must not end a command."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landscapes import storage
from landscapes.machine.output import print_any_text
from landscapes.report.__main__ import write_report

ROOT = Path(__file__).resolve().parents[2]
ASCII = [
    pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    pytest.param({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, id="C"),
]


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_whatever_is_printed_comes_out(errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii", errors))
    print_any_text()
    print_any_text()
    print("r\u00e9sultats \u2588 \udcc3\udca9", flush=True)
    assert raw.getvalue() == b"r\\xe9sultats \\u2588 \xc3\xa9\n"


@pytest.mark.parametrize("variables", ASCII)
def test_a_path_with_an_accent_is_printed_to_an_ascii_log(variables: dict[str, str], tmp_path: Path) -> None:
    results = tmp_path / "r\u00e9sultats"
    results.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
    for command in (
        ["run_algorithm", "--cfg", "job", f"results_dir='{results}'"],
        ["landscapes.sweeps", "--results-dir", str(results)],
    ):
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**environment, **variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=120,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert b"sultats" in ended.stdout


def test_a_report_is_written_where_a_folder_has_a_name_that_is_no_text(tmp_path: Path) -> None:
    results = tmp_path / "r\udce9sultats"
    record = {
        "num_seeds": 1,
        "experiment": "train_td3",
        "environment": {"name": "hopper", "backend": "spring", "episode_length": 5},
        "algorithm": {"name": "td3", "config": {}},
    }
    run = storage.create_run(results, "calm", record, overwrite=False)
    run.seed_directory(0).mkdir()
    run.checkpoint_path(0, 10).touch()
    assert b"r\xe9sultats" in write_report(["calm"], str(results)).path.read_bytes()
