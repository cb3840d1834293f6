"""The child's side of the harness: sets up one workload, compiles it, and repeats it as often as it is told to.

Knows the protocol, clocks and this process's memory; knows no workload. Where the suite is not installed only
the `PEERS` among the workloads may be asked for.
"""

import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workload import Case, Workload

_COMPILING = "/jax/core/compile/"
PEERS = ("peer", "host_peers")
"""Workloads that live where the suite is not installed."""


class CompileClock:
    """Seconds in which JAX traced, lowered or compiled: the union of the intervals that it reports, which nest."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._intervals: list[tuple[float, float]] = []

    def listen(self) -> None:
        """From now on, to everything JAX compiles in this process."""
        import jax

        jax.monitoring.register_event_duration_secs_listener(self.hear)

    def hear(self, event: str, duration_secs: float, **_: Any) -> None:
        """An interval of this length that ends now."""
        if event.startswith(_COMPILING):
            now = self._clock()
            self._intervals.append((now - duration_secs, now))

    def seconds(self) -> float:
        """Since the start."""
        total, reached = 0.0, float("-inf")
        for begin, end in sorted(self._intervals):
            total += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return total


def peak_bytes() -> int:
    """The most memory this process has held, since `forget_peak` if that works here."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Gives memory that compiling left behind back and starts the peak anew, on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def calibrated(case: Case, target_seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """The amount of which one repetition takes about `target_seconds`."""
    if case.amount is not None:
        return case.amount
    amount = 1
    while True:
        began = clock()
        case.run(amount)
        seconds = clock() - began
        if seconds >= target_seconds / 4 or amount >= 1 << 30:
            return max(1, round(amount * target_seconds / max(seconds, 1e-9)))
        amount *= 4


def _device() -> dict[str, str]:
    """What JAX computes on, and which JAX it is; nothing where there is none."""
    if not importlib.util.find_spec("jax"):
        return {}
    import jax

    return {"platform": jax.default_backend(), "device": jax.devices()[0].device_kind, "jax": jax.__version__}


def main(arguments: Sequence[str]) -> None:
    """`WORKLOAD SETTINGS`: MODULE.FUNCTION below `benchmarks.workloads`, and its settings as JSON."""
    began = time.perf_counter()
    # The answers have a channel of their own: whatever else is printed goes to stderr.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        warnings.simplefilter("ignore")

        def answer(message: dict[str, Any]) -> None:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

        module, _, function = arguments[0].partition(".")
        settings = json.loads(arguments[1])
        target_seconds = settings.pop("target_seconds", 3.0)
        if module not in PEERS:
            from landscapes.machine.runtime import set_up_runtime

            set_up_runtime()
        compiling = CompileClock()
        if importlib.util.find_spec("jax"):
            compiling.listen()
        workload: Workload = getattr(importlib.import_module(f"benchmarks.workloads.{module}"), function)(**settings)
        details = workload.details | {"setup_compile_seconds": compiling.seconds(), **_device()}
        answer({"unit": workload.unit, "details": details, "setup_seconds": time.perf_counter() - began})
        compile_seconds, amounts = {}, {}
        for name, case in workload.cases.items():
            before = compiling.seconds()
            case.warm()
            amounts[name] = calibrated(case, target_seconds)
            compile_seconds[name] = compiling.seconds() - before
        setup_peak = peak_bytes()
        forget_peak()
        answer({"cases": compile_seconds})
        for line in sys.stdin:
            name = line.strip()
            began = time.perf_counter()
            work = workload.cases[name].run(amounts[name])
            answer({"work": work, "seconds": time.perf_counter() - began})
        answer({"peak_bytes": peak_bytes(), "setup_peak_bytes": setup_peak, "findings": workload.findings()})


if __name__ == "__main__":
    main(sys.argv[1:])
