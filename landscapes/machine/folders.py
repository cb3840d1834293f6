"""Where results and compiled programs lie, as the environment says or by default.

Knows names of folders and their variables; makes none, and knows nothing of what is in them.
"""

import hashlib
import os
import platform
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The folder that holds the `landscapes` package."""


def results_directory(setting: str | None) -> Path:
    """The folder of all runs: the setting, else `$LANDSCAPES_RESULTS`, else `results/` in the repository's root."""
    chosen = setting or os.environ.get("LANDSCAPES_RESULTS")
    return Path(chosen).expanduser().absolute() if chosen else REPOSITORY / "results"


def compilation_cache(results: Path) -> Path:
    """The folder of compiled programs: one per processor below `$LANDSCAPES_CACHE`, else below the results.

    Beside the results, where all jobs that share them find it. A program is compiled for the very processor, so that
    machines of other models have folders of their own.
    """
    chosen = os.environ.get("LANDSCAPES_CACHE")
    folder = Path(chosen).expanduser().absolute() if chosen else results / ".cache"
    return folder / f"xla-{hashlib.sha256(_processor().encode()).hexdigest()[:12]}"


def _processor() -> str:
    """The processor's model and instruction sets, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join([platform.machine(), platform.processor(), *told])
