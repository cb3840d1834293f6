"""The published measurements on Atari: their flags become jobs of `eval_policy`, and their files lie beside ours.

Knows run folders and names of data sets; the flags are in landscapes.config.published_atari, and nothing is measured
here. Checkpoint i of a script is the i-th that the run has stored, counted from 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscapes import storage
from landscapes.config import published_atari
from landscapes.config.atari_flags import INTERPOLATE, PURD, Flags, read
from landscapes.config.compose import compose_job
from landscapes.config.launch import reported, run_entry_point
from landscapes.errors import UserError
from landscapes.machine.folders import typed_path

ENTRY_POINT = "eval_policy"


class _Policy(NamedTuple):
    """A stored policy by its published number."""

    run: storage.Run
    number: int
    step: int


def main(script: str, arguments: Sequence[str]) -> int:
    """Measures as `python experiments/SCRIPT.py ARGUMENTS` did and returns the exit code."""
    measure = {PURD: _policy_variance, INTERPOLATE: _interpolate}[script]
    return reported(lambda: measure(read(script, arguments)))


def _policy_variance(flags: Flags) -> int:
    folder = typed_path(flags.needed("ckpt-path"), "--ckpt-path").resolve()
    run = _run(flags, folder.parent, "ckpt-path")
    policies = [_policy(run, index, "ckpt-idxs") for index in flags["ckpt-idxs"]]
    steps = [policy.step for policy in policies]
    code = _measured(flags, published_atari.policy_variance(flags, str(run.path.parent), run.name, steps))
    if code:
        return code
    for policy in policies:
        name = f"und_returns/{published_atari.KIND}/{storage.OWN_RATE}/{flags['purd-samples']}"
        returns = storage.read_hdf5(run.returns_path(0, policy.step), "file")[0][name]
        path = folder / f"ckpt_{policy.number}_purd.h5"
        folder.mkdir(exist_ok=True)
        storage.write_hdf5(path, {"purd": returns.astype(np.float64)}, {"step": policy.step, **run.provenance()})
        print(f"  {path}")
    return 0


def _interpolate(flags: Flags) -> int:
    root = typed_path(flags.needed("root-dir"), "--root-dir").resolve()
    ends = []
    for end in ("a", "b"):
        run = _run(flags, root / flags.needed(f"run-{end}"), f"run-{end}")
        ends.append(_policy(run, flags.needed(f"ckpt-{end}"), f"ckpt-{end}"))
    a, b = ends
    code = _measured(flags, published_atari.interpolation(flags, str(root), [(end.run.name, end.step) for end in ends]))
    if code:
        return code
    points, samples = flags["num-interpolation-points"], flags["purd-samples"]
    group = f"{b.run.name}/0/{b.step}/{a.run.name}/0/{a.step}/{points}"
    name = f"{group}/returns/{storage.amount_name(published_atari.NOISE)}/{samples}"
    returns = storage.read_hdf5(b.run.interpolation_purd_path(0), "file")[0][name]
    path = root / "pairwise_interpolation.h5"
    dataset = f"{a.run.name}_ckpt_{a.number}_to_{b.run.name}_ckpt_{b.number}/results"
    storage.merge_hdf5(path, {dataset: returns.T.astype(np.float64)}, {})
    print(f"  {path}")
    return 0


def _measured(flags: Flags, settings: Sequence[str]) -> int:
    """The exit code of that job."""
    with flags.errors_as_typed():
        compose_job(ENTRY_POINT, settings)
    return run_entry_point(ENTRY_POINT, settings)


def _run(flags: Flags, folder: Path, flag: str) -> storage.Run:
    """The run in that folder; raises UserError where there is none, or where a flag says otherwise than it."""
    if not (folder / "run.json").is_file():
        raise UserError(f"--{flag}", flags[flag], f"leads to no run: there is no run.json in {folder}")
    run = storage.open_run(folder.parent, folder.name, f"--{flag}")
    published_atari.check_run(flags, run.record["config"]["experiment"])
    return run


def _policy(run: storage.Run, index: int, flag: str) -> _Policy:
    steps = run.checkpoint_steps(0)
    if not 1 <= index <= len(steps):
        raise UserError(f"--{flag}", index, f"run {run.name} has checkpoints 1 to {len(steps)}")
    return _Policy(run, index, steps[index - 1])
