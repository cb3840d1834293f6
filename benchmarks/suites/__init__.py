"""The benchmarks by name, in the order in which they run.

Knows their names; each module below knows what it measures, beside what, and what it should come to.
"""

import importlib
from collections.abc import Callable

from benchmarks.plan import Plan
from benchmarks.timing import Record

NAMES = (
    "limits",
    "training",
    "ppo",
    "purd",
    "classic",
    "rejection",
    "jobs",
    "growth",
    "accelerator",
    "hosts",
    "policy_gradients",
    "learning",
)
ONLY_WHEN_ASKED = ("hosts", "policy_gradients", "learning")
"""Those that take hours, or packages that nothing else needs."""


def suite(name: str) -> Callable[[Plan], Record]:
    """The function that runs the benchmark `name`."""
    run: Callable[[Plan], Record] = importlib.import_module(f"benchmarks.suites.{name}").run
    return run
