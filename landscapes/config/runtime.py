"""What must be in the environment before JAX starts: its cache, its precision, its compiler's options, its silence.

Knows environment variables and JAX's names for them; imports JAX never, and what the user has set stays as it is.
"""

import hashlib
import logging
import os
import platform
import sys
from pathlib import Path
from typing import Any

# On two x86 cores these emitters double compile times and slow the simulators by 1.4; programs that gain from them ask
# for them by themselves.
_EMITTERS = "--xla_cpu_use_fusion_emitters"

# Every core a device of its own: see `landscapes.devices`.
_HOST_DEVICES = "--xla_force_host_platform_device_count"


def set_up_runtime() -> None:
    """Sets up JAX for every process of ours: an entry point's, a sweep member's, a notebook's. May be called again.

    Call it before JAX is imported; called later it still reaches all but the compiler's options of a backend in use.
    """
    settings: dict[str, Any] = {
        # Programs are compiled for the very processor: a cache in a shared home is split by its model.
        "jax_compilation_cache_dir": str(compilation_cache()),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
        # Faster products on recent GPUs round so much more coarsely that measured landscapes change.
        "jax_default_matmul_precision": "highest",
    }
    given = {name for name in settings if name.upper() in os.environ}
    for name, value in settings.items():
        os.environ.setdefault(name.upper(), str(value))
    for flag, value in {_EMITTERS: "false", _HOST_DEVICES: str(_num_cores())}.items():
        flags = os.environ.get("XLA_FLAGS", "")
        if flag not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} {flag}={value}".strip()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("absl").setLevel(logging.ERROR)
    if "jax" in sys.modules:
        _tell_imported_jax({name: value for name, value in settings.items() if name not in given})


def _num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compilation_cache() -> Path:
    """The folder of compiled programs, one per processor below `$LANDSCAPES_CACHE`, else `~/.cache/landscapes`."""
    chosen = os.environ.get("LANDSCAPES_CACHE")
    folder = Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "landscapes"
    return folder / f"xla-{hashlib.sha256(_processor().encode()).hexdigest()[:12]}"


def _processor() -> str:
    """The processor's model and instruction sets, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join([platform.machine(), platform.processor(), *told])


def _tell_imported_jax(settings: dict[str, Any]) -> None:
    jax = sys.modules["jax"]
    for name, value in settings.items():
        if name == "jax_compilation_cache_dir" and getattr(jax.config, name):
            continue
        jax.config.update(name, value)
