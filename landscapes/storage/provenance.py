"""What a result was made with: package versions, the state of the source tree, the machine.

Knows metadata only; imports none of the packages whose versions it names, and reads no clock.
"""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from landscapes.machine.folders import REPOSITORY

_PACKAGES = ("jax", "jaxlib", "brax", "mujoco", "flax", "optax", "numpy", "h5py", "hydra-core", "wandb")
_GIT_SECONDS = 30.0


def environment_record() -> dict[str, object]:
    """`versions` by package, `git` (`commit`, `dirty`; None outside a checkout) and `machine`, ready for JSON."""
    return {"versions": package_versions(), "git": _git_state(REPOSITORY), "machine": _machine()}


def package_versions() -> dict[str, str | None]:
    """Python's version and those of the packages that numbers depend on; None for one that is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _git_state(root: Path) -> dict[str, object] | None:
    """The commit and whether tracked files differ from it; None where `root` is not the top of a checkout."""
    top = _git(root, "rev-parse", "--show-toplevel")
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    # A package installed below somebody else's checkout must not report that one's commit.
    if not top or not commit or Path(top).resolve() != root:
        return None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    # Without optional locks, hundreds of jobs starting at once do not fight over the index.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _machine() -> dict[str, object]:
    return {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
