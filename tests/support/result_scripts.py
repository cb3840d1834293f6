"""The scripts of docs/results: which commands they would run, asked of the scripts themselves.

Knows bash and our entry points; runs none of them.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"

_RECORDER = """#!/usr/bin/env bash
printf '%s\\0' "$@" --end-- >> "$(dirname "$0")/asked"
"""


class Asked(NamedTuple):
    """A command `python -m MODULE ARGUMENTS`."""

    module: str
    arguments: list[str]

    @property
    def settings(self) -> dict[str, str]:
        """By key, what is set last."""
        return dict(word.split("=", 1) for word in self.arguments if "=" in word)


def asked_by(script: str, folder: Path, arguments: Sequence[str] = ()) -> list[Asked]:
    """The commands of a script, in their order, none of which is run; `folder` is for what it takes to ask."""
    recorder = folder / "python"
    recorder.write_text(_RECORDER)
    recorder.chmod(0o755)
    variables = {"PATH": os.defpath, "PY": str(recorder), "LANDSCAPES_RESULTS": str(folder / "results")}
    subprocess.run(["bash", FOLDER / script, *arguments], check=True, env=variables)
    commands = (folder / "asked").read_text().split("--end--\0")[:-1]
    return [Asked(words[1], words[2:]) for words in (text.split("\0")[:-1] for text in commands)]
