"""Every command of the README, and the quickstart, with point masses standing in for the simulators.

The commands are read from the README itself; only numbers above 9999 are made smaller. `make quickstart` and
`make test` on a fresh machine are what continuous integration runs.
"""

import importlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from landscapes import quickstart
from landscapes.config.launch import run_entry_point
from landscapes.envs import brax
from landscapes.types import Environment
from tests.support import shown

ROOT = Path(__file__).resolve().parents[2]
MAKE = {"make quickstart", "make test", "make install GPU=1", "source .venv/bin/activate"}


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(name: str, backend: str, episode_length: int) -> Environment:
        return shown.make(episode_length)._replace(name=name, backend=backend)

    monkeypatch.setattr(brax, "make", stand_in)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def smaller(argument: str) -> str:
    """50000 -> 15 and 200000 -> 60, so that everything keeps its order."""
    return re.sub(r"\d{5,}", lambda m: str(int(m[0]) * 3 // 10_000), argument)


SMALLEST = {
    "run_algorithm": [
        "max_steps=60",
        "start_training=10",
        "num_seeds=4",
        "eval_episodes=2",
        "eval_episode_length=10",
        "ddpg_config.hidden_dims=[8,8]",
    ],
    "eval_policy": ["eval_episodes=4", "episode_length=10"],
    "landscape_slice": ["num_x=3", "num_y=3", "num_samples=2", "episode_length=10"],
    "policy_interpolation_seed": ["num_points=3", "num_purd_samples=2", "episode_length=10"],
    "train_bc": ["max_steps=20", "num_seeds=2", "eval_episodes=2", "eval_episode_length=10", "ckpt_steps=[20]"],
    "improve_ltp": ["eval_episodes=4", "episode_length=10", "max_steps=2"],
}
"""By experiment, or by entry point for the one that it has without being asked."""


def smallest(entry_point: str, arguments: Sequence[str]) -> list[str]:
    """What makes a command small enough to be run here."""
    asked = (a.removeprefix("experiment=") for a in arguments if a.startswith("experiment="))
    return [f"experiment.{change}" for change in SMALLEST[next(asked, entry_point)]] + ["use_wandb=false"]


def run(module: str, arguments: Sequence[str]) -> int:
    if module.startswith("landscapes."):
        return int(importlib.import_module(f"{module}.__main__").main(arguments))
    return run_entry_point(module, [*arguments, *smallest(module, arguments)])


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
        assert run(entry_point, arguments) == 0, capsys.readouterr().err
        ran.append(entry_point)
    assert {"run_algorithm", "eval_policy", "improve_ltp", "landscapes.report"} <= set(ran)


def test_the_quickstart_shows_tables_a_picture_and_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quickstart, "CHECKPOINTS", (30, 60))

    def run_small(command: Sequence[str]) -> int:
        module, *arguments = command
        if module.startswith("landscapes."):
            return run(module, arguments)
        own = ("max_steps", "num_seeds", "eval_episodes=4", "num_x", "num_y")
        small = [change for change in smallest(module, arguments) if not any(name in change for name in own)]
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
