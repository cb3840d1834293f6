"""What a result was made with: package versions, the state of the source tree, the machine.

Knows metadata only; imports none of the packages whose versions it names, and reads no clock.
"""

import functools
import logging
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from landscapes.machine.folders import REPOSITORY

_PACKAGES = ("jax", "jaxlib", "brax", "mujoco", "flax", "optax", "numpy", "h5py", "hydra-core", "wandb")
_GIT_SECONDS = 30.0
_log = logging.getLogger(__name__)


def environment_record() -> dict[str, object]:
    """`versions` by package, `git` (`commit`, `dirty`; None outside a checkout) and `machine`, ready for JSON.

    Where git cannot tell the commit of a checkout, `git` is None too, and one line says why, once.
    """
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
    # A package installed below somebody else's checkout must not report that one's commit.
    if not os.path.lexists(root / ".git"):
        return None
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD")
    except _GitError as error:
        _say_once(f"{root}: its commit is not recorded ({error})")
        return None
    try:
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}
    except _GitError as error:
        _say_once(f"{root}: whether its files differ from the commit is not recorded ({error})")
        return {"commit": commit, "dirty": None}


class _GitError(Exception):
    """Why git does not answer, in its own words."""


def _git(root: Path, *arguments: str) -> str:
    # Its owner may be another one, as in a container or of a group's clone: whoever runs its code trusts it already.
    # Without optional locks, hundreds of jobs starting at once do not fight over the index.
    command = ["git", "-c", f"safe.directory={root}", "--no-optional-locks", "-C", str(root), *arguments]
    # Variables of a hook or an alias that we were started from name another repository, and so may a parent folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(root.parent)
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise _GitError("git is not installed") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise _GitError(str(error)) from error
    if done.returncode:
        raise _GitError(" ".join(done.stderr.split()) or f"git ends with {done.returncode}")
    return done.stdout.strip()


@functools.cache
def _say_once(line: str) -> None:
    _log.warning("%s", line)


def _machine() -> dict[str, object]:
    return {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
