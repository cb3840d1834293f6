"""Where results, compiled programs and conf/ lie, as the environment says or by default, in a clone and in a wheel.

Knows names of folders and their variables; makes none, and knows nothing of what is in them.
"""

import hashlib
import os
import platform
from pathlib import Path

from landscapes.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
"""The folder that holds the `landscapes` package: the root of a clone, or where a wheel was installed."""

IN_CLONE = (REPOSITORY / "pyproject.toml").is_file()
"""Whether it is a clone; what is installed from a wheel has no such file beside it."""

CONF = REPOSITORY / "conf" if IN_CLONE else REPOSITORY / "landscapes" / "conf"
"""The YAML of all entry points. setup.py puts a clone's conf/ inside the package, where a wheel is built."""


def results_directory(setting: str | None) -> Path:
    """The folder of all runs: the setting, else `$LANDSCAPES_RESULTS`, else `results/` in the root of the clone.

    What is installed from a wheel has no clone: there it is `results/` where the process stands.
    """
    chosen = setting or os.environ.get("LANDSCAPES_RESULTS")
    key = "results_dir" if setting else "LANDSCAPES_RESULTS"
    return typed_path(chosen, key) if chosen else (REPOSITORY if IN_CLONE else Path.cwd()) / "results"


def process_environment() -> dict[str, str]:
    """The variables of a process that runs a command of ours: this one's, and in a clone Python finds our packages from
    anywhere, installed or not."""
    search = [str(REPOSITORY) if IN_CLONE else None, os.environ.get("PYTHONPATH")]
    found = os.pathsep.join(filter(None, search))
    return {**os.environ, "PYTHONPATH": found} if found else dict(os.environ)


def typed_path(text: str, key: str) -> Path:
    """The absolute path that a user has typed, with `~` for a home; raises UserError under `key` for one that is not
    there."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        home = text.partition("/")[0]
        raise UserError(key, text, f"no home folder is known for {home}; a folder of that name is ./{home}") from error


def compilation_cache(results: Path) -> Path:
    """The folder of compiled programs: one per processor below `$LANDSCAPES_CACHE`, else below the results.

    Beside the results, where all jobs that share them find it. A program is compiled for the very processor, so that
    machines of other models have folders of their own.
    """
    chosen = os.environ.get("LANDSCAPES_CACHE")
    folder = typed_path(chosen, "LANDSCAPES_CACHE") if chosen else results / ".cache"
    return folder / f"xla-{hashlib.sha256(_processor().encode()).hexdigest()[:12]}"


def _processor() -> str:
    """The processor's model and instruction sets, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join([platform.machine(), platform.processor(), *told])
