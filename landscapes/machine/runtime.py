"""What must be in the environment before JAX starts: its cache, precision, memory, compiler's options, its silence.

Knows environment variables and JAX's names for them; imports JAX never, and what the user has set stays as it is.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from landscapes.machine.folders import compilation_cache, results_directory
from landscapes.machine.xla_flags import compiler_flags

# The second is the first one's former name; JAX refuses both together.
_GPU_MEMORY = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")


def set_up_runtime(results: Path | None = None, gpu_memory_fraction: float | None = None) -> None:
    """Sets up JAX for every process of ours: an entry point's, a sweep member's, a notebook's. May be called again.

    Compiled programs are kept beside `results` (default: the results directory that the environment names);
    `gpu_memory_fraction` is how much of a GPU's memory this process takes, None leaves it to JAX. Call it before JAX is
    imported; called later it still reaches all but the memory and the compiler's options of a backend in use.
    """
    settings: dict[str, Any] = {
        "jax_compilation_cache_dir": str(compilation_cache(results or results_directory(None))),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
        # Faster products on recent GPUs round so much more coarsely that measured landscapes change.
        "jax_default_matmul_precision": "highest",
    }
    given = {name for name in settings if name.upper() in os.environ}
    for name, value in settings.items():
        os.environ.setdefault(name.upper(), str(value))
    os.environ["XLA_FLAGS"] = compiler_flags(os.environ.get("XLA_FLAGS", "").strip(), num_cores())
    if gpu_memory_fraction is not None and not any(name in os.environ for name in _GPU_MEMORY):
        os.environ[_GPU_MEMORY[0]] = str(gpu_memory_fraction)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("absl").setLevel(logging.ERROR)
    if "jax" in sys.modules:
        _tell_imported_jax({name: value for name, value in settings.items() if name not in given})


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell_imported_jax(settings: dict[str, Any]) -> None:
    jax = sys.modules["jax"]
    for name, value in settings.items():
        if name == "jax_compilation_cache_dir" and getattr(jax.config, name):
            continue
        jax.config.update(name, value)
