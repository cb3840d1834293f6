"""Every command of the README, and the quickstart, with point masses standing in for the simulators.

The commands are read from the README itself; only numbers above 9999 are made smaller. `make quickstart` and
`make test` on a fresh machine are what continuous integration runs.
"""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from landscapes import quickstart
from landscapes.config.launch import run_entry_point
from landscapes.envs import brax
from landscapes.types import Environment
from tests import probes

ROOT = Path(__file__).resolve().parents[1]
MAKE = {"make quickstart", "make test", "make install GPU=1", "source .venv/bin/activate"}


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(name: str, backend: str, episode_length: int) -> Environment:
        return probes.line(episode_length)._replace(name=name, backend=backend)

    monkeypatch.setattr(brax, "make", stand_in)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def smaller(argument: str) -> str:
    """50000 -> 15 and 200000 -> 60, so that everything keeps its order."""
    return re.sub(r"\d{5,}", lambda m: str(int(m[0]) * 3 // 10_000), argument)


def smallest(entry_point: str) -> list[str]:
    if entry_point == "run_algorithm":
        changed = ["max_steps=60", "start_training=10", "num_seeds=4", "eval_episodes=2", "eval_episode_length=10"]
        changed += ["ddpg_config.hidden_dims=[8,8]"]
    else:
        changed = ["eval_episodes=4", "episode_length=10"]
        changed += ["max_steps=2"] if entry_point == "improve_ltp" else []
    return [f"experiment.{change}" for change in changed] + ["use_wandb=false"]


def test_every_command_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    folder, ran = "", []
    for line in readme_commands():
        if line in MAKE:
            continue
        if line.startswith("cd "):
            folder = line.removeprefix("cd ")
            continue
        words = shlex.split(line)
        assert words[0] == "python", f"a kind of command that this test does not know: {line}"
        entry_point, rest = (words[2], words[3:]) if words[1] == "-m" else (folder, words[2:])
        assert words[1] in ("-m", "main.py")
        arguments = [smaller(word) for word in rest]
        assert run_entry_point(entry_point, [*arguments, *smallest(entry_point)]) == 0, capsys.readouterr().err
        ran.append(entry_point)
    assert {"run_algorithm", "eval_policy", "improve_ltp"} <= set(ran)


def test_the_quickstart_shows_tables_a_picture_and_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quickstart, "CHECKPOINTS", (30, 60))

    def run(command: Sequence[str]) -> int:
        small = [c for c in smallest(command[0]) if "max_steps" not in c and "num_seeds" not in c]
        small = [c for c in small if "eval_episodes=4" not in c and "use_wandb" not in c]
        return run_entry_point(command[0], [*command[1:], *small, "use_wandb=false"])

    assert quickstart.main(["--samples", "5", "--proposals", "2"], run) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    tail = out[out.index("Returns after one TD3 update") :]
    assert len(re.findall(r"^\s+[012]\s+(?:30|60)\s", tail, re.MULTILINE)) == 6
    for policy in ("root", "improved", "control"):
        assert re.search(rf"^{policy}\s+-?[\d.]+ \(", tail, re.MULTILINE)
    for name in ("purd.png", "rejection.png", "curves.h5", "run.json"):
        assert name in tail
    assert (tmp_path / "quickstart" / "purd.png").stat().st_size > 10_000
