"""The blocks of code of the documentation: where they stand, what a shell makes of them, and how one is run here.

Knows Markdown, bash and our entry points; what a block must come to is for the tests.
"""

import importlib
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from landscapes.cli import table
from landscapes.config.compose import member_spelling
from landscapes.config.launch import run_entry_point
from landscapes.types import Environment
from tests.support import shown

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ENTRY_POINTS = ("run_algorithm", "eval_policy", "improve_ltp")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def all_blocks(page: Path) -> list[tuple[str, str]]:
    """Of each block of a page its language, and what stands between ```language and ```."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of a page in any of the languages."""
    return [text for language, text in all_blocks(page) if language in languages]


class Command(NamedTuple):
    """One command of a block, with its quotes and variables read: the program, its arguments, and the folder."""

    program: str
    arguments: list[str]
    folder: str
    """Below the root; empty for the root itself."""

    @property
    def module(self) -> str | None:
        """What Python runs: that of `landscapes COMMAND`, `-m MODULE`, a published script or the `main.py`;
        None for another program."""
        if self.program == "landscapes":
            return self._ours.module
        if self.program != "python":
            return None
        if self.script is not None:
            return f"{self.folder}.experiments.{self.script}"
        return self.arguments[1] if self.arguments[0] == "-m" else self.folder

    @property
    def script(self) -> str | None:
        """The name of the published script in `experiments/`, where it is one."""
        found = re.fullmatch(r"experiments/(\w+)\.py", self.arguments[0]) if self.program == "python" else None
        return found and found[1]

    @property
    def settings(self) -> list[str]:
        """What Python hands to it."""
        if self.program == "landscapes":
            return self._ours.arguments(self.arguments[1:])
        return self.arguments[2 if self.arguments[0] == "-m" else 1 :]

    @property
    def _ours(self) -> table.Command:
        found = table.find(self.arguments[0])
        assert found is not None, f"no such command: {self}"
        return found

    def __str__(self) -> str:
        return shlex.join([self.program, *self.arguments])


_STAND_INS = "\n".join(
    [
        "here=",
        "cd() { here=$1; }",
        *(
            f"{name}() {{ printf '%s\\0' \"$here\" {name} \"$@\" '--end--'; }}"
            for name in ("python", "pip", "landscapes", "make", "source", "wandb", "tensorboard", "scancel")
        ),
        "",
    ]
)
"""Shell functions in place of the commands, so that a block's own quotes and variables are read by a shell."""


def commands(block: str) -> list[Command]:
    """Every command of a block of shell; one that has no stand-in fails."""
    shell = {"PATH": os.defpath}
    done = subprocess.run(["bash", "-ec", _STAND_INS + block], capture_output=True, text=True, check=True, env=shell)
    rows = [words.split("\0")[:-1] for words in done.stdout.split("--end--\0")[:-1]]
    return [Command(program, arguments, folder) for folder, program, *arguments in rows]


def page_commands(page: Path) -> list[Command]:
    """Every command of a page."""
    return [command for block in blocks(page, "bash", "sh") for command in commands(block)]


# Running them


def stand_in(name: str, backend: str, episode_length: int) -> Environment:
    """A point mass that can be shown, in the place of a task of Brax."""
    return shown.make(episode_length)._replace(name=name, backend=backend)


def smaller(text: str) -> str:
    """Numbers above 9999, which are steps: 50000 -> 15 and 200000 -> 60, so that everything keeps its order.

    And of a range of seeds two.
    """
    text = re.sub(r"range\(\d+\)", "range(2)", text)
    return re.sub(r"(?<![\d.])\d{5,}", lambda m: str(int(m[0]) * 3 // 10_000), text)


_TRAINING = ["steps=60", "num_seeds=4", "eval_episodes=2", "eval_episode_length=10"]
_OFF_POLICY = [*_TRAINING, "learning_starts=10", "hidden_dims=[8,8]"]
SMALLEST = {
    "run_algorithm": _OFF_POLICY,
    "train_td3": _OFF_POLICY,
    "train_sac": _OFF_POLICY,
    "train_ppo": [*_TRAINING, "num_envs=4", "unroll_length=4", "num_minibatches=2", "hidden_dims=[8,8]"],
    "train": _TRAINING,
    "eval_policy": ["eval_episodes=4", "episode_length=10"],
    "policy_variance_mujoco": ["eval_episodes=4", "episode_length=10"],
    "neighborhood": ["num_samples=4", "episode_length=10"],
    "test": ["episodes=4", "episode_length=10"],
    "train_vpg": [*_TRAINING, "unroll_length=10", "hidden_dims=[8]", "value_iterations=2"],
    "paths": ["num_points=3", "num_purd_samples=2", "episode_length=10"],
    "landscape_slice": ["num_x=3", "num_samples=2", "episode_length=10"],
    "policy_interpolation_seed": ["num_points=3", "num_purd_samples=2", "episode_length=10"],
    "policy_interpolation": ["num_points=3", "num_purd_samples=2", "episode_length=10"],
    "train_bc": [
        "max_steps=1000",
        "num_seeds=2",
        "ckpt_steps=[6,100,1000]",
        "eval_interval=1000",
        "eval_episodes=2",
        "eval_episode_length=10",
    ],
    "improve_ltp": ["eval_episodes=4", "episode_length=10", "max_steps=2"],
    "reject_ltp": ["eval_episodes=4", "episode_length=10", "max_steps=2"],
}
"""All else that is changed in a command, by experiment, or by entry point for the one that it has without being asked.
`test_doc_costs.py` looks at the sizes that are written."""


def small_settings(entry_point: str, settings: Sequence[str]) -> list[str]:
    """What makes a command small enough to be run here, in the spelling of the command."""
    given = dict(setting.partition("=")[::2] for setting in settings)
    algorithm = next((given[key] for key in given if key.rpartition(".")[2] in ("algo", "algorithm")), None)
    asked = given.get("experiment", entry_point)
    if algorithm is not None:
        asked = "train" if "." in algorithm else f"train_{algorithm.partition(',')[0].replace('ddpg', 'td3')}"
    typed = member_spelling(entry_point, None if asked == entry_point else asked, list(given)).typed
    changes = (change.partition("=")[::2] for change in SMALLEST[asked])
    return [f"{typed.get(f'experiment.{key}', f'experiment.{key}')}={value}" for key, value in changes] + [
        "use_wandb=false"
    ]


def run(module: str, settings: Sequence[str]) -> int:
    """The exit code of a command of ours, in this process; jobs with what makes them small."""
    if module in ENTRY_POINTS:
        return run_entry_point(module, [*settings, *small_settings(module, settings)])
    return int(importlib.import_module(f"{module}.__main__" if is_package(module) else module).main(settings))


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()
