"""Which runs, checkpoints and sweeps there are, for a shell that completes their names: in a moment, by names alone.

Knows the names of folders and files; opens none of them. `landscapes.storage` is the one to ask for everything else,
but takes longer to import than a key may take.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from landscapes.errors import UserError
from landscapes.machine.folders import results_directory

_CHECKPOINT = re.compile(r"ckpt_(\d+)\.h5")


def results(words: Sequence[str]) -> Path | None:
    """The results folder that these words choose; None for one that cannot be."""
    chosen = None
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith(("results_dir=", "--results-dir=")):
            chosen = word.partition("=")[2].strip("'\"")
        elif before == "--results-dir":
            chosen = word
    try:
        return results_directory(None if chosen == "null" else chosen)
    except UserError:
        return None


def runs(folder: Path | None) -> list[str]:
    """Their names, sorted."""
    return _holding(folder, "run.json")


def sweeps(folder: Path | None) -> list[str]:
    """Their names, sorted."""
    return _holding(None if folder is None else folder / "sweeps", "sweep.json")


def policies(folder: Path | None, typed: str) -> list[str]:
    """What may stand for RUN/SEED/STEP where `typed` stands: the next part only, as RUN/, RUN/SEED/, RUN/SEED/STEP."""
    run, *rest = typed.split("/")
    if folder is None or not rest:
        return [f"{name}/" for name in runs(folder)]
    found = dict(_steps(folder / run))
    if len(rest) == 1:
        return [f"{run}/{seed}/" for seed in sorted(found)]
    return [f"{run}/{rest[0]}/{step}" for step in found.get(int(rest[0]) if rest[0].isdecimal() else -1, [])]


def _steps(run: Path) -> Iterator[tuple[int, list[int]]]:
    """Each seed that has checkpoints, with their steps."""
    for seed in run.glob("seed*"):
        matches = map(_CHECKPOINT.fullmatch, (path.name for path in seed.glob("ckpt_*.h5")))
        steps = sorted(int(match[1]) for match in matches if match)
        if steps and seed.name.removeprefix("seed").isdecimal():
            yield int(seed.name.removeprefix("seed")), steps


def _holding(folder: Path | None, record: str) -> list[str]:
    return [] if folder is None else sorted(path.parent.name for path in folder.glob(f"*/{record}"))
