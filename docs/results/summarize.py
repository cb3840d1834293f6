"""Tables and figures of docs/results from the run folders that reproduce.sh makes.

    python docs/results/summarize.py [RESULTS]        (default: $LANDSCAPES_RESULTS or results/evidence)

Knows run folders and the library's statistics and figures; writes tables.md and the pictures beside this file.
"""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscapes import statistics, storage
from landscapes.figures import learning_curves, purd_histograms, rejection_figure
from landscapes.statistics import tables

HERE = Path(__file__).resolve().parent
ALPHA = 0.1
CURVES = {
    "hopper": ("td3_hopper", "sac_hopper"),
    "hopper_ppo": ("ppo_hopper",),
    "pendulum": ("td3_pendulum", "sac_pendulum"),
    "pendulum_ppo": ("ppo_pendulum",),
}
PURDS = {"td3_hopper": "td3_optimization", "sac_hopper": "sac_optimization", "ppo_hopper": "ppo_optimization"}
JUDGED = {
    "LTP": statistics.left_tail_probability,
    "CVaR": partial(statistics.cvar, alpha=ALPHA),
    "mean": statistics.mean,
    "std": statistics.std,
}
LIKE_MEANS = 0.05
"""Two means are alike if they differ by at most this share of the larger one."""


class Measured(NamedTuple):
    """One stored PURD."""

    run: str
    seed: int
    step: int
    path: Path
    dataset: str
    returns: np.ndarray

    @property
    def label(self) -> str:
        return f"{self.run}, seed {self.seed}, {self.step}"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def present(results: Path, names: Sequence[str]) -> list[storage.Run]:
    """Those of the runs that there are."""
    found = set(storage.run_names(results))
    return [storage.open_run(results, name) for name in names if name in found]


def curve_table(results: Path) -> str:
    """What each run reached, and the curves as pictures."""
    rows = []
    for task, names in CURVES.items():
        runs = [run for run in present(results, names) if run.curves_path.is_file()]
        if runs:
            learning_curves([r.curves_path for r in runs], [r.name for r in runs], HERE / f"curves_{task}.png")
        for run in runs:
            datasets, _ = storage.read_hdf5(run.curves_path, "run")
            final = datasets["returns"][-1]
            best = datasets["returns"].max(axis=0)
            rows.append(
                [
                    run.name,
                    int(datasets["steps"][-1]),
                    ", ".join(f"{x:.0f}" for x in final),
                    f"{final.mean():.0f}",
                    ", ".join(f"{x:.0f}" for x in best),
                    (run.record["git"] or {}).get("commit", "?")[:9],
                ]
            )
    return markdown(["run", "steps per seed", "last return of each seed", "mean", "best of each seed", "commit"], rows)


def measured(results: Path) -> Iterator[Measured]:
    """Every stored PURD of one update of the run's own algorithm."""
    for run in present(results, list(PURDS)):
        for seed in range(run.num_seeds):
            for step in run.checkpoint_steps(seed):
                path = run.returns_path(seed, step)
                if not path.is_file():
                    continue
                datasets, _ = storage.read_hdf5(path, "run")
                prefix = f"und_returns/{PURDS[run.name]}/"
                for name in sorted(n for n in datasets if n.startswith(prefix)):
                    yield Measured(run.name, seed, step, path, name, datasets[name])


def purd_table(purds: Sequence[Measured]) -> str:
    """The statistics of each with intervals."""
    rows = []
    for purd in purds:
        summary = statistics.summarize(purd.returns, alpha=ALPHA)
        mode = f"{summary['mode']:.0f}"
        rows.append([purd.run, purd.seed, purd.step, len(purd.returns), mode, *tables.purd_cells(summary)])
    return markdown(["run", "seed", "checkpoint", "samples", "mode", *tables.purd_columns(ALPHA)], rows)


def pair_text(purds: Sequence[Measured]) -> str:
    """The pair of policies of one algorithm with like means and the most unlike spreads."""

    def contrast(pair: tuple[Measured, Measured]) -> float:
        small, large = sorted(float(np.std(p.returns)) for p in pair)
        return large / max(small, 1e-6)

    pairs = [
        (a, b)
        for a, b in itertools.combinations(purds, 2)
        if a.run == b.run
        and abs(a.returns.mean() - b.returns.mean()) <= LIKE_MEANS * max(a.returns.mean(), b.returns.mean())
    ]
    if not pairs:
        return "No two policies have means within 5 % of each other.\n"
    best = sorted(max(pairs, key=contrast), key=lambda p: float(np.std(p.returns)))
    purd_histograms([(p.label, p.path, p.dataset) for p in best], HERE / "pair.png", alpha=ALPHA)
    rows = [[p.label, *tables.purd_cells(statistics.summarize(p.returns, alpha=ALPHA))] for p in best]
    table = markdown(["policy", *tables.purd_columns(ALPHA)], rows)
    return f"Of {len(pairs)} pairs of policies with means within 5 %, the one with the most unlike spreads:\n\n{table}"


def rejection_table(results: Path) -> str:
    """Every walk on fresh measurements, beside its root and its control."""
    rows: list[list[object]] = []
    counts = {(name, other): [0, 0] for name in JUDGED for other in ("root", "control")}
    gains: list[tuple[float, Path, str]] = []
    children = [storage.open_run(results, name) for name in storage.run_names(results)]
    for child in children:
        if "rejection" not in child.record and not child.record.get("parent"):
            continue
        parent = child.record["parent"]
        source = storage.open_run(results, parent["run"])
        path = source.rejection_path(parent["seed"], parent["step"])
        datasets, _ = storage.read_hdf5(path, "run")
        group = child.record.get("rejection", {}).get("group") or next(
            name.removesuffix("/means") for name in datasets if name.endswith("/means")
        )
        if f"{group}/fresh/control" not in datasets:
            continue
        fresh = {name: datasets[f"{group}/fresh/{name}"] for name in ("root", "improved", "control")}
        ltps = {name: statistics.left_tail_probability(x) for name, x in fresh.items()}
        cvars = {name: statistics.cvar(x, ALPHA) for name, x in fresh.items()}
        against_root = tables.difference_cells(fresh["root"], fresh["improved"], ALPHA)
        against_control = tables.difference_cells(fresh["control"], fresh["improved"], ALPHA)
        for (name, other), (lower, higher) in counts.items():
            low, high = statistics.paired_bootstrap_interval(fresh[other], fresh["improved"], JUDGED[name])
            counts[name, other] = [lower + (high < 0), higher + (low > 0)]
        gains.append((cvars["improved"] - cvars["root"], path, group))
        accepted = datasets[f"{group}/accepted"][1:]
        rows.append(
            [
                f"{parent['run']}, seed {parent['seed']}, {parent['step']}",
                f"{int(accepted.sum())} / {len(accepted)}",
                " / ".join(f"{ltps[n]:.3f}" for n in fresh),
                against_root[2],
                against_control[2],
                " / ".join(f"{cvars[n]:.0f}" for n in fresh),
                against_root[3],
            ]
        )
    columns = [
        "root",
        "accepted",
        "LTP root / improved / control",
        "LTP improved - root",
        "LTP improved - control",
        "CVaR root / improved / control",
        "CVaR improved - root",
    ]
    if gains:
        _, path, group = max(gains)
        rejection_figure(path, group, HERE / "rejection.png", alpha=ALPHA)
    verdict = markdown(
        ["improved beside", "lower", "higher", "neither"],
        [
            [f"{name}, {other}", lower, higher, len(rows) - lower - higher]
            for (name, other), (lower, higher) in counts.items()
        ],
    )
    counted = f"Counts of the {len(rows)} roots; lower or higher: the paired 95 % interval is clear of zero.\n"
    return markdown(columns, rows) + "\n" + counted + "\n" + verdict


def main(arguments: Sequence[str]) -> None:
    """Writes tables.md and the pictures."""
    default = os.environ.get("LANDSCAPES_RESULTS", "results/evidence")
    results = Path(arguments[0] if arguments else default).absolute()
    purds = list(measured(results))
    if purds:
        shown = [p for p in purds if p.run == "td3_hopper"]
        entries = [(f"{p.run}, seed {p.seed}", p.path, p.dataset) for p in shown]
        purd_histograms(entries, HERE / "hopper.png", alpha=ALPHA)
    parts = {
        "Learning curves": curve_table(results),
        "Returns after one update": purd_table(purds),
        "Like means, unlike spreads": pair_text(purds),
        "Rejection": rejection_table(results),
    }
    text = "\n".join(f"## {title}\n\n{body}" for title, body in parts.items())
    (HERE / "tables.md").write_text(f"# Tables\n\nWritten by `summarize.py`.\n\n{text}", encoding="utf-8")
    print(f"wrote {HERE / 'tables.md'} and the pictures beside it")


if __name__ == "__main__":
    main(sys.argv[1:])
