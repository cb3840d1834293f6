"""What was timed, and what follows from it: rates, ratios pair by pair, targets.

Knows numbers only; starts no process and reads no clock.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """Median, least and greatest of several repetitions."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measurement:
    """The repetitions of one workload: repetition i did `work[i]` of `unit` in `seconds[i]`.

    `compile_seconds` were spent in tracing and compiling before the first repetition; `peak_bytes` is the most memory
    that the process held while repeating, `setup_peak_bytes` before.
    """

    name: str
    unit: str
    work: tuple[float, ...]
    seconds: tuple[float, ...]
    compile_seconds: float
    setup_seconds: float = 0.0
    peak_bytes: int = 0
    setup_peak_bytes: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def rates(self) -> tuple[float, ...]:
        """Units of work a second, one for each repetition."""
        return tuple(work / seconds for work, seconds in zip(self.work, self.seconds, strict=True))

    @property
    def rate(self) -> Spread:
        """Units of work a second."""
        return spread(self.rates)

    @property
    def seconds_per_unit(self) -> Spread:
        """Seconds for one unit of work."""
        return spread([seconds / work for work, seconds in zip(self.work, self.seconds, strict=True)])


def ratio(one: Sequence[float], other: Sequence[float]) -> Spread:
    """`one / other`, repetition by repetition: what slows the machine down for a while slows both of a pair."""
    return spread([x / y for x, y in zip(one, other, strict=True)])


@dataclass(frozen=True)
class Comparison:
    """One line of a table: ours, what stands beside it, their ratio, and what the ratio should be."""

    what: str
    ours: float
    unit: str
    beside: str
    beside_value: float
    ratio: Spread
    target: float | None = None
    at_most: bool = False
    """Whether the ratio is to stay below the target instead of reaching it."""

    @property
    def reached(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        return self.ratio.median <= self.target if self.at_most else self.ratio.median >= self.target

    @property
    def margin(self) -> float | None:
        """How many times better than the target the ratio is; from 1 on it is reached."""
        if self.target is None:
            return None
        return self.target / self.ratio.median if self.at_most else self.ratio.median / self.target


def compare_rates(
    what: str, ours: Measurement, beside: Measurement, label: str, target: float | None = None
) -> Comparison:
    """Ours over the other's rate, which should be at least `target`."""
    pairs = ratio(ours.rates, beside.rates)
    return Comparison(what, ours.rate.median, f"{ours.unit}/s", label, beside.rate.median, pairs, target)


def compare_times(what: str, ours: Measurement, beside: Measurement, label: str, target: float) -> Comparison:
    """Our time for one unit of work over the other's, which should be at most `target`."""
    one, other = ours.seconds_per_unit.median * 1e6, beside.seconds_per_unit.median * 1e6
    pairs = ratio(beside.rates, ours.rates)
    return Comparison(what, one, f"µs a {ours.unit}", label, other, pairs, target, at_most=True)


def compare_with_number(
    what: str, ours: Measurement, value: float, label: str, target: float | None = None
) -> Comparison:
    """Ours over a rate that was computed or measured elsewhere, which should be at least `target`."""
    pairs = ratio(ours.rates, [value] * len(ours.rates))
    return Comparison(what, ours.rate.median, f"{ours.unit}/s", label, value, pairs, target)


@dataclass(frozen=True)
class Record:
    """All that one benchmark found. `notes` are whole sentences that belong below its table; `sizes` those that were
    asked for, by their keys."""

    benchmark: str
    comparisons: list[Comparison]
    measurements: list[Measurement]
    notes: list[str] = field(default_factory=list)
    quick: bool = False
    environment: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)


def to_json(record: Record) -> dict[str, Any]:
    """Plain values, for a JSON file."""
    plain = asdict(record)
    for line, comparison in zip(plain["comparisons"], record.comparisons, strict=True):
        line["ratio"] = comparison.ratio._asdict()
    return plain


def from_json(plain: dict[str, Any]) -> Record:
    """The record that `to_json` made plain."""
    comparisons = [Comparison(**{**line, "ratio": Spread(**line["ratio"])}) for line in plain["comparisons"]]
    measurements = [
        Measurement(**{**line, "work": tuple(line["work"]), "seconds": tuple(line["seconds"])})
        for line in plain["measurements"]
    ]
    return Record(**{**plain, "comparisons": comparisons, "measurements": measurements})
