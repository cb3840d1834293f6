"""Where and with what a benchmark ran.

Knows the operating system, the source tree and the versions of packages; imports no JAX.
"""

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

from landscapes.storage.provenance import environment_record

_PEER_PACKAGES = ("rejax", "jax", "jaxlib", "brax", "gymnax", "flax", "optax")


def environment(peer_python: Path | None, flags: str) -> dict[str, Any]:
    """Machine, versions (`peer_versions`: in the peer's environment), commit, compiler flags and date, for JSON."""
    record = environment_record()
    machine = {**_mapping(record["machine"]), "memory_bytes": memory_bytes(), "accelerator": accelerator()}
    return {
        **record,
        "machine": machine,
        "peer_versions": peer_versions(peer_python) if peer_python else None,
        "xla_flags": flags,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def memory_bytes() -> int:
    """Of the whole machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def accelerator() -> str | None:
    """The name of the first NVIDIA GPU, if there is one."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return names[0].strip() if names else None


def peer_versions(python: Path) -> dict[str, str]:
    """Of the peer and what it shares with the suite."""
    program = f"from importlib.metadata import version\nfor name in {_PEER_PACKAGES}: print(name, version(name))"
    try:
        done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = (line.split() for line in done.stdout.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}
