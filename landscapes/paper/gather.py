"""What the claims are computed from, read from the folders of the trained runs.

Knows result files and which of them belong together; knows no claim.
"""

from collections.abc import Sequence

import numpy as np

from landscapes import storage
from landscapes.paper.claims import Path
from landscapes.paper.cloning import Clones
from landscapes.paper.rejection import Walk
from landscapes.paper.roots import Measured, choose_pairs
from landscapes.paper.study import clones_of, measured
from landscapes.storage import PolicyName, Run

_WHO = ("root", "improved", "control")
_PATH_KIND = "init_parameter"


def paths_of(run: Run) -> list[Path]:
    """The paths of a run under weight noise, each once, with the means over the samples at each point."""
    found: dict[frozenset[PolicyName], Path] = {}
    read = storage.reader("run")
    for record in storage.find_measurements(run).paths:
        ends = frozenset((record.one, record.two))
        if record.kind != _PATH_KIND or len(ends) < 2 or {record.one.run, record.two.run} != {run.name}:
            continue
        returns = read(record.path)[record.dataset].astype(np.float64)
        # A path across is told by the seed of its first end, the one whose folder it lies in.
        found.setdefault(ends, Path(run.name, record.one.seed, record.same_seed, returns.mean(axis=0)))
    return list(found.values())


def walks_of(run: Run) -> list[Walk]:
    """The rejections by CVaR from a run's checkpoints that have fresh measurements of all three."""
    known = {one.policy: one.returns for one in measured(run)}
    walks = []
    read = storage.reader("run")
    for record in storage.find_measurements(run).walks:
        datasets = read(record.path)
        names = [f"{record.group}/fresh/{who}" for who in _WHO]
        if "cvar" not in record.heuristic or not all(name in datasets for name in names) or record.root.run != run.name:
            continue
        accepted = datasets[f"{record.group}/accepted"][1:]
        walks.append(
            Walk(
                run.record["algorithm"]["name"],
                f"{run.name}, seed {record.root.seed}, {record.root.step}",
                (run.name, record.root.seed),
                int(accepted.sum()),
                len(accepted),
                known.get(record.root),
                {who: datasets[name] for who, name in zip(_WHO, names, strict=True)},
            )
        )
    return walks


def clones_of_pairs(runs: Sequence[Run], most: int = 20) -> list[Clones]:
    """The pairs of like mean in each run whose policies both have measured clones."""
    names = [run.name for run in runs]
    by_root: dict[PolicyName, list[np.ndarray]] = {}
    for run in clones_of(runs[0].path.parent, names) if runs else ():
        parent = run.record["parent"]
        root = PolicyName(parent["run"], int(parent["seed"]), int(parent["step"]))
        own = measured(run)
        last = max((one.policy.step for one in own), default=0)
        by_root.setdefault(root, []).extend(one.returns for one in own if one.policy.step == last)
    pairs = []
    for run in runs:
        for calm, noisy in choose_pairs(measured(run), most):
            if calm.policy in by_root and noisy.policy in by_root:
                ends = " and ".join(f"seed {one.policy.seed}, {one.policy.step}" for one in (calm, noisy))
                label = f"{run.name}: {ends}"
                clones = by_root[calm.policy], by_root[noisy.policy]
                pairs.append(Clones(label, calm.returns, noisy.returns, *clones))
    return pairs


def groups_of(runs: Sequence[Run]) -> dict[str, list[Measured]]:
    """What was measured of each run, by its name; runs without anything are left out."""
    groups = {run.name: measured(run) for run in runs}
    return {name: group for name, group in groups.items() if group}
