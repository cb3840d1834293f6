"""The published training on Atari: its flags become a job of `run_algorithm`, in `runs/` where one stands.

Knows names of runs and their folders; the flags are in landscapes.config.published_atari, and nothing is trained here.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from time import time

from landscapes import storage
from landscapes.config import published_atari
from landscapes.config.atari_flags import Flags, read
from landscapes.config.compose import compose_job
from landscapes.config.launch import reported, run_entry_point
from landscapes.errors import UserError
from landscapes.jobs.run_folder import check_may_go_on

ENTRY_POINT = "run_algorithm"
CHECKPOINTS = "checkpoints"
"""The folder of a run that the published measurements are told, and write to."""


def main(script: str, arguments: Sequence[str]) -> int:
    """Trains as `python experiments/SCRIPT.py ARGUMENTS` did and returns the exit code."""
    return reported(lambda: _train(script, arguments))


def _train(script: str, arguments: Sequence[str]) -> int:
    flags = read(script, arguments)
    runs = Path(published_atari.RUNS).absolute()
    name = _begun(flags, runs) or f"{published_atari.stem(flags)}{int(time())}"
    settings = published_atari.training(flags, name)
    with flags.errors_as_typed():
        compose_job(ENTRY_POINT, settings)
    code = run_entry_point(ENTRY_POINT, settings)
    if code == 0:
        folder = runs / name / CHECKPOINTS
        folder.mkdir(exist_ok=True)
        print(f"--ckpt-path: {folder}")
    return code


def _begun(flags: Flags, runs: Path) -> str | None:
    """The latest run that the same command has begun and not ended, which goes on; None where there is none."""
    stem = re.escape(published_atari.stem(flags))
    for name in reversed([name for name in storage.run_names(runs) if re.fullmatch(rf"{stem}\d+", name)]):
        run = storage.find_run(runs, name)
        if run is None or run.record.get("status") == "finished":
            continue
        try:
            with flags.errors_as_typed():
                job = compose_job(ENTRY_POINT, published_atari.training(flags, name))
            check_may_go_on(job, run, (), None)
        except UserError:
            continue
        return name
    return None
