"""Two pictures of the records: how far targets are reached, and how training scales with seeds.

Knows the records and the suite's style of figures; knows no page.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.timing import Comparison, Record
from landscapes.figures import style

_TRAINED = re.compile(r"(?P<who>ours|rejax) (?P<what>\S+ \S+), (?P<seeds>\d+) seeds?$")


def margins(records: Mapping[str, Record], path: Path) -> bool:
    """Of each comparison with a target, how many times better than it; whether there was anything to draw."""
    lines: list[tuple[Comparison, float]] = []
    for record in records.values():
        lines += [(line, margin) for line in record.comparisons if (margin := line.margin) is not None]
    if not lines:
        return False
    with style.figure(path, style.TEXT_WIDTH, 0.8 + 0.17 * len(lines)) as figure:
        axes = figure.subplots()
        places = range(len(lines))
        colours = [style.BLUE if line.reached else style.ORANGE for line, _ in lines]
        axes.barh(places, [margin - 1.0 for _, margin in lines], left=1.0, color=colours, height=0.7)
        axes.axvline(1.0, color=style.BLACK, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks(places, [f"{line.what} ÷ {line.beside}" for line, _ in lines])
        axes.invert_yaxis()
        ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if _within(t, [margin for _, margin in lines])]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("times better than the target (no unit; blue: reached, orange: not)", loc="right")
    return True


def _within(tick: float, values: list[float]) -> bool:
    return min([1.0, *values]) / 2 <= tick <= 2 * max([1.0, *values])


def seeds(record: Record, path: Path) -> bool:
    """Seed-steps a second against the number of seeds, ours and the peer's; whether there was anything to draw."""
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for measurement in record.measurements:
        if match := _TRAINED.match(measurement.name):
            curves.setdefault((match["what"], match["who"]), []).append((int(match["seeds"]), measurement.rate.median))
    tasks = list(dict.fromkeys(what for what, _ in curves))
    if not tasks:
        return False
    with style.figure(path, style.TEXT_WIDTH, 2.2) as figure:
        panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
        for axes, task in zip(panels, tasks, strict=True):
            for who, colour, marker in (("ours", style.BLUE, "o"), ("rejax", style.ORANGE, "s")):
                if points := sorted(curves.get((task, who), [])):
                    x, y = zip(*points, strict=True)
                    axes.plot(x, y, color=colour, marker=marker, markersize=4, label=who)
            axes.set_title(task)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0.0)
            numbers = sorted({x for points in curves.values() for x, _ in points})
            axes.set_xticks(numbers, list(map(str, numbers)))
            axes.minorticks_off()
            axes.set_xlabel("seeds in one program")
        panels[0].set_ylabel("seed-steps a second (1/s)")
        panels[0].legend(loc="lower right")
    return True
