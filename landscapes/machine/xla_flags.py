"""XLA's options that every process of ours is given, as far as the installed jaxlib takes them.

Knows their names, versions of jaxlib, and how to ask one: XLA ends a process that gives it an unknown flag, before
Python hears of it. Imports no JAX.
"""

import functools
import importlib.metadata
import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence

_log = logging.getLogger(__name__)

# On two x86 cores these emitters double compile times and slow the simulators by 1.4; programs that gain from them ask
# for them by themselves. From jaxlib 0.11 on there is nothing else, and it is as fast (docs/internals/performance.md).
EMITTERS = "--xla_cpu_use_fusion_emitters"

# Every core a device of its own: see `landscapes.machine.devices`.
HOST_DEVICES = "--xla_force_host_platform_device_count"

# The first: loops that touch fewer bytes than this in an iteration become one function each, instead of hundreds of
# small ones that XLA's runtime calls one by one: a simulator's loop over its physics steps, even with a hundred lanes.
# The second: loops over a few lanes are not unrolled, whose code would fill the cache that the policies' weights want.
# TD3 trains neither faster nor slower with them on two x86 cores; docs/internals/performance.md has the figures.
EXTRA_OPTIONS = "--xla_backend_extra_options"
LOOPS = "xla_cpu_small_while_loop_byte_threshold=16777216,xla_cpu_disable_loop_unrolling=true"

# Who names it has chosen between compiling fast and running fast: programs get no options of their own then.
LEVEL = "--xla_backend_optimization_level"

REMOVED = {EMITTERS: (0, 11)}
"""Flags of ours that are gone, with the first jaxlib that refuses them."""

KNOWN = ((0, 10, 2), (0, 12, 0, 1))
"""The oldest and the newest jaxlib for which `REMOVED` is known to be all; any other is asked."""

# What makes XLA read its flags, in a sixth of a second. An abort leaves no core file behind.
_READS_FLAGS = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from jaxlib import xla_client
xla_client.CompileOptions()
"""


def compiler_flags(flags: str, num_devices: int) -> str:
    """`flags`, the user's, and those of ours which they do not name and this jaxlib takes; `num_devices` of a CPU."""
    ours = {EMITTERS: "false", EXTRA_OPTIONS: LOOPS, HOST_DEVICES: str(num_devices)}
    wanted = tuple(f"{name}={value}" for name, value in ours.items() if name not in flags)
    return " ".join([*([flags] if flags else []), *taken(wanted)])


@functools.cache
def taken(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the flags, a tuple of `--name=value`, that the installed jaxlib takes. One line says which of them a
    jaxlib that is not known here refuses."""
    version = _version("jaxlib")
    numbers = tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)*", version) else None
    if numbers is not None and KNOWN[0] <= numbers <= KNOWN[1]:
        gone = [name for name, first in REMOVED.items() if numbers >= first]
        return tuple(flag for flag in flags if flag.partition("=")[0] not in gone)
    if not flags or accepts(flags):
        return flags
    found = tuple(flag for flag in flags if accepts([flag]))
    refused = " ".join(flag for flag in flags if flag not in found)
    _log.warning(
        "jaxlib %s does not take %s: left out, so that programs may compile or run more slowly", version, refused
    )
    return found


def accepts(flags: Sequence[str]) -> bool:
    """Whether the installed jaxlib, asked in a process of its own, starts with these flags."""
    environment = {**os.environ, "XLA_FLAGS": " ".join(flags)}
    asked = subprocess.run([sys.executable, "-c", _READS_FLAGS], env=environment, capture_output=True)
    return asked.returncode == 0


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
