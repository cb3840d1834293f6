"""What the page could show and does not, and which command makes it.

Knows what was measured of runs and the command line that records roll-outs; knows nothing of HTML.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from landscapes import commands, statistics, storage
from landscapes.runs import numbers


class Gap(NamedTuple):
    """Something that is missing, and the command that makes it (empty where there is none)."""

    what: str
    command: str = ""


def unrecorded(told: numbers.Numbers, results_dir: str | None) -> list[Gap]:
    """One gap where no roll-outs of neighbours of a run are recorded: how to record those of its widest distribution.

    `results_dir` is written into the command.
    """
    run, purds = told.run, told.purds
    if any(one.kind not in storage.TEST_KINDS for one in told.found.trajectories):
        return []
    if not purds:
        return [Gap(f"Roll-outs: {run.name} has none; they are recorded with the distributions that it lacks too.")]
    stds = np.array([purd.summary["std"] for purd in purds])
    widest = purds[int(np.nanargmax(stds))].record if np.isfinite(stds).any() else purds[-1].record
    return [Gap(f"Roll-outs: {run.name} has none.", _record_command(run, widest, results_dir))]


def unrecorded_pairs(
    told: Sequence[numbers.Numbers], recorded: Collection[storage.PurdRecord], results_dir: str | None
) -> list[Gap]:
    """A gap for each kind and amount whose widest pair of equal means is not recorded whole: how to record it."""
    groups: dict[tuple[str, str, str], list[tuple[storage.Run, storage.PurdRecord]]] = {}
    for each in told:
        environment = str(each.run.record.get("environment"))
        for purd in each.purds:
            key = (environment, purd.record.kind, purd.record.amount)
            groups.setdefault(key, []).append((each.run, purd.record))
    gaps: list[Gap] = []
    for group in groups.values():
        returns = [storage.read_hdf5(purd.path, "file")[0][purd.dataset] for _, purd in group]
        for pair in statistics.same_mean_pairs(returns, most=1):
            lacking = [group[index] for index in pair if group[index][1] not in recorded]
            if lacking:
                commands = "\n".join(_record_command(run, purd, results_dir) for run, purd in lacking)
                gaps.append(Gap("Roll-outs: the pair of equal means that is furthest apart lacks them.", commands))
    return gaps


def _record_command(run: storage.Run, purd: storage.PurdRecord, results_dir: str | None) -> str:
    words = [
        commands.setting("experiment.run_name", run.name),
        f"experiment.seed={purd.policy.seed}",
        f"experiment.ckpt_indexes=[{purd.policy.step}]",
        f"experiment.noise_type={purd.kind}",
        f"experiment.noise_amounts=[{storage.typed_amount(purd.amount)}]",
        f"experiment.eval_episodes={purd.num_samples}",
        "experiment.record_trajectories=2",
        *([] if results_dir is None else [commands.setting("results_dir", results_dir)]),
    ]
    return commands.python("eval_policy", *words)
