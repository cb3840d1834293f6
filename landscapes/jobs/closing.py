"""What every job says at its end: the files it wrote, what it compiled, where its metrics are.

Knows the console and trackers; knows no result.
"""

from collections.abc import Iterable
from pathlib import Path

import jax

from landscapes import console
from landscapes.machine import compilation
from landscapes.tracking import Tracker


def print_end(files: Iterable[Path], tracker: Tracker) -> None:
    """Prints it."""
    console.print_files(files)
    programs = compilation.take_counts()
    cache = jax.config.values["jax_compilation_cache_dir"]
    print(f"programs: {programs.compiled} compiled, {programs.found} found in {cache}")
    for name, where in tracker.where.items():
        print(f"{name}: {where}")
