"""Tables and figures of docs/results/discrete.md from the run folders that discrete.sh makes.

    python docs/results/discrete_tables.py [RESULTS]        (default: $LANDSCAPES_RESULTS or results/discrete)

Knows run folders and the library's statistics and figures; writes discrete_tables.md and the pictures beside this file.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from summarize import markdown, present

from landscapes import storage
from landscapes.figures import gallery
from landscapes.runs.numbers import Numbers, read_numbers
from landscapes.statistics import tables
from landscapes.statistics.corrected import mean_of_groups

HERE = Path(__file__).resolve().parent
ALPHA = 0.1
LEARNED = ("ppo_cartpole", "ppo_cartpole_10", "ppo_acrobot", "ppo_pendulum", "td3_pendulum", "ppo_breakout")
MEASURED = ("ppo_cartpole", "ppo_breakout")
DRAWN = {"learning_curves": "learning", "purds": "purds", "paths": "paths", "slices": "plane", "rejections": "walk"}
"""Kinds of figures, and what their files are called here."""
SEVERAL = ("purds", "rejections")
"""Those of which all are shown."""


def learning(results: Path) -> str:
    """The last evaluation of each seed, and Student's interval of their mean."""
    rows = []
    for run in (run for run in present(results, LEARNED) if run.curves_path.is_file()):
        datasets, _ = storage.read_hdf5(run.curves_path, "run")
        returns = datasets["returns"][-1]
        found = mean_of_groups([float(x) for x in returns], range(len(returns)))
        rows.append(
            [
                f"`{run.name}`",
                f"{int(datasets['steps'][-1]):,}",
                ", ".join(f"{x:.1f}" for x in returns),
                f"{found.value:.1f} ({found.low:.1f} .. {found.high:.1f})",
            ]
        )
    return markdown(["run", "steps of a seed", "return of each seed", "mean (95 % interval)"], rows)


def purds(told: Sequence[Numbers]) -> str:
    """Returns of neighbours, over training."""
    rows = [
        [f"`{p.run}`", p.seed, f"{p.step:,}", x.record.kind, x.record.num_samples, *tables.purd_cells(x.summary)]
        for each in told
        for x in each.purds
        if (p := x.record.policy)
    ]
    return markdown(["run", "seed", "checkpoint", "kind", "samples", *tables.purd_columns(ALPHA)], rows)


def paths(told: Sequence[Numbers]) -> str:
    """Of each path the mean return at both ends and at its lowest point."""
    rows = []
    seen = set()
    for each in told:
        for path in each.found.paths:
            ends = frozenset((path.one, path.two))
            if path.kind == "init_parameter" and len(ends) == 2 and ends not in seen:
                seen.add(ends)
                datasets, _ = storage.read_hdf5(path.path, "file")
                means = datasets[path.dataset].mean(axis=0)
                names = [f"{end.seed}, {end.step:,}" for end in (path.one, path.two)]
                numbers = [f"{means[-1]:.1f}", f"{means[0]:.1f}", f"{means.min():.1f}"]
                rows.append([f"`{path.one.run}`", *names, *numbers])
    columns = ["run", "one (seed, checkpoint)", "two", "return of one", "of two", "lowest on the way"]
    return markdown(columns, rows)


def planes(told: Sequence[Numbers]) -> str:
    """Of each plane the return in the middle, and on how much of it at least half of that is kept."""
    rows = []
    for each in told:
        for one in each.found.slices:
            datasets, _ = storage.read_hdf5(one.path, "file")
            means = datasets[f"{one.group}/returns"].mean(axis=-1)
            middle = float(means[one.num_x // 2, one.num_y // 2])
            near = datasets[f"{one.group}/x"]
            share = float(np.mean(means >= middle / 2))
            centre = f"{one.centre.seed}, {one.centre.step:,}"
            size = f"{one.num_x} x {one.num_y}, ±{float(near.max()):g}"
            rows.append([f"`{one.centre.run}`", centre, size, f"{middle:.1f}", f"{100 * share:.0f} %"])
    columns = ["run", "seed, checkpoint", "points", "return in the middle", "points with half of it or more"]
    return markdown(columns, rows)


def walks(told: Sequence[Numbers]) -> str:
    """Fresh samples of root, improved policy and control."""
    rows = [
        [
            f"`{root.run}`",
            f"{root.seed}, {root.step:,}",
            name,
            f"{walk.num_accepted} of {walk.num_proposals}",
            *tables.purd_cells(summary),
        ]
        for each in told
        for walk in each.walks
        if (root := walk.record.root).run == each.run.name
        for name, summary in walk.fresh.items()
    ]
    return markdown(["run", "root (seed, checkpoint)", "policy", "accepted", *tables.purd_columns(ALPHA)], rows)


def figures(results: Path) -> Iterator[Path]:
    """One small picture of each kind for each task."""
    for run in present(results, MEASURED):
        source = gallery.Source(run, storage.find_measurements(run))
        for kind, name in DRAWN.items():
            drawings, _ = gallery.plan([source], [kind])
            for number, drawing in enumerate(drawings if kind in SEVERAL else drawings[-1:]):
                end = f"_{number + 1}" if number else ""
                path = HERE / f"discrete_{run.name.partition('_')[2]}_{name}{end}.png"
                drawing.draw([path])
                yield path


def main(arguments: Sequence[str]) -> None:
    """Writes everything."""
    results = Path(arguments[0] if arguments else os.environ.get("LANDSCAPES_RESULTS", "results/discrete"))
    told = [read_numbers(run, storage.find_measurements(run)) for run in present(results, MEASURED)]
    parts = {
        "Learning": learning(results),
        "Neighbours": purds(told),
        "Paths": paths(told),
        "Planes": planes(told),
        "Rejection": walks(told),
    }
    text = "".join(f"\n## {title}\n\n{table}" for title, table in parts.items())
    (HERE / "discrete_tables.md").write_text(f"# Numbers of the page about discrete actions\n{text}", encoding="utf-8")
    for path in figures(results):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
