"""`landscapes COMMAND`: which program it is, what it is told, and how it says that there is none.

Processes of their own where the program itself runs: only there is seen what is imported first.
"""

import argparse
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from landscapes import __main__ as landscapes_main
from landscapes import __version__, options
from landscapes.cli import table
from landscapes.config.compose import hydra_loader
from landscapes.config.experiments import experiments_of

ROOT = Path(__file__).resolve().parents[2]
TELLING = [command for command in table.present() if command.options]


def landscapes(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "landscapes", *words]
    return subprocess.run(command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)


def test_help_has_one_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert landscapes_main.main(words) == 0
        out = capsys.readouterr().out
        assert [line.split()[0] for line in out.splitlines()[2:]] == [command.name for command in table.present()]
        assert max(map(len, out.splitlines())) < 100
    assert {"train", "measure", "improve", "runs", "figures", "report", "doctor"} <= set(out.split())


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert landscapes_main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"landscapes {__version__}\n"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


@pytest.mark.parametrize(
    "word, hint",
    [
        ("trainn", "did you mean train?"),
        ("figure", "did you mean figures?"),
        ("run_algorithm", "it is called train or clone here"),
        ("landscapes.runs", "it is called runs here"),
        ("zzz", "there are train, measure, improve, "),
    ],
)
def test_another_word_is_one_line(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert landscapes_main.main([word, "env=hopper"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"command={word}: no such command; {hint}")
    assert err.count("\n") == 1


def test_a_command_whose_module_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    there = table.Command("runs", "landscapes.runs", "")
    monkeypatch.setattr(table, "COMMANDS", (there, table.Command("later", "landscapes.later", "")))
    assert table.present() == [there]
    assert table.find("later") is None
    assert "later" not in table.help_text()


@pytest.mark.parametrize(
    "typed, told",
    [
        ("train env=hopper algo=td3", "env=hopper algo=td3"),
        ("measure run=hopper", "experiment=neighborhood run=hopper"),
        ("measure", "experiment=neighborhood"),
        ("measure experiment=policy_variance run=a", "experiment=policy_variance run=a"),
        ("measure -m +experiment=mine", "-m +experiment=mine"),
        ("measure experiment.seed=1", "experiment=neighborhood experiment.seed=1"),
        ("improve root=hopper/0/5", "experiment=reject_ltp root=hopper/0/5"),
        ("paths run=a", "experiment=paths run=a"),
        ("slice --help", "experiment=landscape_slice --help"),
        ("clone root=a/0/5", "experiment=train_bc root=a/0/5"),
        ("runs show a", "show a"),
        ("doctor", ""),
        ("doctor results_dir=x", "results_dir=x"),
        ("doctor improve root=a/0/5", "improve_ltp experiment=reject_ltp root=a/0/5"),
        ("doctor run_algorithm seed=1", "run_algorithm seed=1"),
    ],
)
def test_what_the_program_is_told(typed: str, told: str) -> None:
    name, *words = typed.split()
    command = table.find(name)
    assert command is not None
    assert command.arguments(words) == told.split()


@pytest.mark.parametrize("entry_point", ["run_algorithm", "eval_policy", "improve_ltp"])
def test_the_experiments_are_those_of_the_entry_points(entry_point: str) -> None:
    with hydra_loader(entry_point) as loader:
        known = experiments_of(loader, entry_point)
    chosen = [command.experiment for command in table.COMMANDS if command.module == entry_point and command.experiment]
    assert set(chosen) <= set(known)


@pytest.mark.parametrize("command", TELLING, ids=lambda command: command.name)
def test_the_options_are_those_of_the_program(command: table.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class SeenError(Exception):
        pass

    def seen(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        names = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
        raise SeenError(names - {"--help"})

    monkeypatch.setattr(options, "parse", seen)
    path = ROOT / command.module.replace(".", "/")
    module = importlib.import_module(f"{command.module}.__main__" if path.is_dir() else command.module)
    with pytest.raises(SeenError) as found:
        module.main([])
    assert found.value.args[0] == set(command.options)


def modules_after(*words: str) -> set[str]:
    program = (
        "import sys; from landscapes.__main__ import main\n"
        f"try: main({list(words)!r})\nexcept SystemExit: pass\n"
        "print('\\n', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_what_only_tells_of_commands_is_light() -> None:
    """Importing argparse alone takes longer than all that is asked for here."""
    loaded = modules_after("--help")
    assert not {"argparse", "jax", "hydra", "omegaconf", "numpy", "h5py", "rich", "dataclasses"} & loaded
    assert {name for name in loaded if name.startswith("landscapes")} <= {
        "landscapes",
        "landscapes.__main__",
        "landscapes.cli",
        "landscapes.cli.table",
    }


def test_the_programs_run(tmp_path: Path) -> None:
    done = landscapes("runs", "results_dir=here", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"no runs in {tmp_path / 'here'}\n", "")
    done = landscapes("measure", "run=nobody", "checkpoints=fst", f"results_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("checkpoints=fst: must be ")
    assert done.stderr.count("\n") == 1
    done = landscapes("help", "improve", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "experiment=reject_ltp\n" in done.stdout


def test_code_of_ones_own_is_found_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m` finds it: the command's own script has another folder in that place."""
    ran: list[Sequence[str]] = []
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: ran.append(list(sys.path)))
    monkeypatch.setattr(sys, "argv", ["landscapes"])
    monkeypatch.setattr(sys, "path", ["/venv/bin", *sys.path])
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert landscapes_main.main(["train"]) == 0
    assert [path[:2] for path in ran] == [[str(tmp_path), "/venv/bin"]] * 2
    assert sys.argv == ["landscapes"]
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert landscapes_main.main(["runs"]) == 0


def test_the_documentation_has_them_all() -> None:
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    section = page.partition("## The landscapes command\n")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([^`]+)`", line) for line in section.splitlines() if line.startswith("| `")][1:]
    chosen = {row[0]: tuple(row[1:]) for row in rows if row[1].startswith("python -m ") and "landscapes" not in row[1]}
    assert chosen == {
        command.name: (
            f"python -m {command.module}",
            *([f"experiment={command.experiment}"] * bool(command.experiment)),
        )
        for command in table.COMMANDS
        if command.takes_settings
    }
    others = {command.name for command in table.present() if not command.takes_settings}
    assert others == {*rows[-1][:-1], "completion"}
