"""The machine's limits as others compare with them: products, and the bare simulator.

Knows which workers measure them and which of their numbers is the limit.
"""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.harness import Job
from benchmarks.plan import Plan, compiler_flags, flags_for_others, with_devices
from benchmarks.timing import Measurement
from landscapes.machine.runtime import num_cores

WAYS = ("one device", "a device per core")
BRAX = "simulator"
"""Many environments as `jax.vmap` of Brax's own step has them."""
OURS = "lanes last"
"""As the suite has them."""


FEW_A_CORE = 4
"""Environments of the smallest batch, for each core. Brax's own step is fast with so few, as their products are then no
calls of a library."""


def _variables(way: str, flags: str) -> dict[str, str]:
    return {"XLA_FLAGS": with_devices(flags, 1 if way == "one device" else num_cores())}


def variables(way: str) -> dict[str, str]:
    """Of a worker that is not the suite's, in one of the `WAYS`."""
    return _variables(way, flags_for_others())


def smallest_batch() -> int:
    """A few environments for each core."""
    return FEW_A_CORE * num_cores()


def simulator_jobs(
    plan: Plan, environment: str, backend: str, batches: Sequence[int], ways: Sequence[str] = WAYS, which: str = BRAX
) -> list[Job]:
    """Workers that step the simulator at each batch: on one device, and divided among the cores."""
    return [
        plan.ours(
            f"{which} {environment} ({backend}), {way}",
            "limits.simulator",
            {
                "environment": environment,
                "backend": backend,
                "batches": sorted(set(batches)),
                "devices": "one" if way == "one device" else "all",
                "lanes_last": which == OURS,
            },
            _variables(way, compiler_flags() if which == OURS else flags_for_others()),
            seconds=1.5,
        )
        for way in ways
    ]


def simulators(plan: Plan, environment: str, backend: str, batches: Sequence[int]) -> list[Job]:
    """Brax's own step in both ways, and the suite's with a device per core."""
    own = simulator_jobs(plan, environment, backend, batches, [WAYS[1]], OURS)
    return [*simulator_jobs(plan, environment, backend, batches), *own]


def product_jobs(plan: Plan, ways: Sequence[str] = WAYS, sizes: Sequence[int] = (1024, 2048)) -> list[Job]:
    """Workers that multiply square matrices."""
    return [
        plan.ours(
            f"products, {way}",
            "limits.products",
            {"sizes": plan.size(list(sizes), [128]), "devices": "one" if way == "one device" else "all"},
            _variables(way, compiler_flags()),
            seconds=1.5,
        )
        for way in ways
    ]


def fastest(measurements: Iterable[Measurement]) -> Measurement:
    """The one with the highest median rate."""
    return max(measurements, key=lambda measurement: measurement.rate.median)


def simulator(
    measurements: Mapping[str, Measurement],
    environment: str,
    batch: int | None = None,
    way: str = "",
    which: str = BRAX,
) -> Measurement:
    """The fastest way to step this task, at this batch or at any, in this of the `WAYS` or in any."""
    suffix = "" if batch is None else f"batch {batch}"
    found = [m for name, m in measurements.items() if name.startswith(f"{which} {environment} ") and way in name]
    return fastest(m for m in found if m.name.endswith(suffix))


def batch_of(measurement: Measurement) -> str:
    """The batch that a simulator was measured at, in words."""
    return measurement.name.rpartition(", ")[2]


def products(measurements: Mapping[str, Measurement]) -> Measurement:
    """The fastest way to multiply."""
    return fastest(m for name, m in measurements.items() if name.startswith("products"))
