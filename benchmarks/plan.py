"""What every benchmark is given: how often, how large, where the peer is, where progress goes.

Knows no benchmark.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Job, Say
from benchmarks.timing import Measurement

PEER_PYTHON = harness.ROOT / ".venv-peer" / "bin" / "python"
HOST_PEER_PYTHON = harness.ROOT / ".venv-host-peers" / "bin" / "python"
"""Of the peers of simulators that Python steps, which know no JAX."""


@dataclass(frozen=True)
class Plan:
    """`quick` asks for tiny sizes; `peer_python` is None where there is no peer."""

    repeats: int
    quick: bool
    say: Say
    peer_python: Path | None = None
    sizes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What `--sizes` set; only the benchmark of learning takes any."""

    def size(self, full: Any, quick: Any) -> Any:
        """The one that this run asks for."""
        return quick if self.quick else full

    @property
    def seconds(self) -> float:
        """How long a repetition should take."""
        return 0.1 if self.quick else 3.0

    def ours(
        self,
        name: str,
        workload: str,
        settings: Mapping[str, Any],
        variables: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Job:
        """A worker of ours."""
        target = self.seconds if seconds is None else min(seconds, self.seconds)
        return harness.job(name, workload, {**settings, "target_seconds": target}, variables=variables)

    def peers(self, name: str, workload: str, settings: Mapping[str, Any]) -> list[Job]:
        """Workers in the peer's environment, one with each set of compiler options; `with_best_peer` chooses."""
        settings = {**settings, "target_seconds": self.seconds}
        flags = {"JAX's own flags": "", "the suite's flags": without_devices(flags_for_others())}
        return [
            harness.job(f"{name}, {which}", workload, settings, self.peer_python, {"XLA_FLAGS": given})
            for which, given in flags.items()
        ]

    def host_peer(self, name: str, workload: str, settings: Mapping[str, Any]) -> list[Job]:
        """A worker in the environment of the peers of host simulators; none where that is not installed."""
        if not HOST_PEER_PYTHON.is_file():
            return []
        return [harness.job(name, workload, {**settings, "target_seconds": self.seconds}, HOST_PEER_PYTHON)]

    def take_turns(self, jobs: Sequence[Job]) -> dict[str, Measurement]:
        """Their measurements, by name."""
        return harness.take_turns(jobs, self.repeats, self.say)


_DEVICE_COUNT = "--xla_force_host_platform_device_count"


def compiler_flags() -> str:
    """XLA's flags as the suite sets them, without changing them here."""
    from landscapes.machine.runtime import set_up_runtime

    before = dict(os.environ)
    try:
        set_up_runtime()
        return os.environ.get("XLA_FLAGS", "")
    finally:
        os.environ.clear()
        os.environ.update(before)


def flags_for_others() -> str:
    """The suite's flags for what is not the suite's, but for the one that makes Brax's own step slower."""
    return compiler_flags().replace(",xla_cpu_disable_loop_unrolling=true", "")


def without_devices(flags: str) -> str:
    """The flags without several devices made of one processor."""
    return " ".join(flag for flag in flags.split() if not flag.startswith(_DEVICE_COUNT))


def with_devices(flags: str, count: int) -> str:
    """The flags with so many devices made of the processor."""
    return f"{without_devices(flags)} {_DEVICE_COUNT}={count}".strip()


def with_best_peer(found: Mapping[str, Measurement], name: str) -> dict[str, Measurement]:
    """The same measurements, the fastest of the peer's under its plain `name`: which options it is given, is the
    fastest's choice."""
    best = max((m for m in found.values() if m.name.startswith(f"{name}, ")), key=lambda m: m.rate.median)
    renamed = dataclasses.replace(best, name=name, details={**best.details, "flags": best.name[len(name) + 2 :]})
    return {m.name: m for m in (renamed if m is best else m for m in found.values())}
