"""What a worker runs: named cases, each with a piece of work of any size.

Knows no workload, no process and no JAX, so that a peer's virtual environment can import it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Case(NamedTuple):
    """`run(amount)` works, waits for the results and returns how much of the workload's unit it did."""

    run: Callable[[int], float]
    amount: int | None = None
    """None: as much as takes the time that repetitions should take."""
    smallest: Callable[[], object] | None = None
    """A piece of work that compiles everything; None: `run(1)`."""

    def warm(self) -> None:
        """Compiles all that a repetition needs."""
        if self.smallest is None:
            self.run(1)
        else:
            self.smallest()


class Workload(NamedTuple):
    """Cases by name (`benchmarks.harness.ALONE` where there is one), and what a reader should know about them before
    and after they have run."""

    unit: str
    cases: dict[str, Case]
    details: dict[str, Any]
    findings: Callable[[], dict[str, Any]] = dict
