"""The list of all runs: one line each, from `run.json` and the names of files.

Knows what a record says; opens one HDF5 file of a run at most, and that one for its names only, so that hundreds of
runs are listed at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from landscapes import storage
from landscapes.console import human_count
from landscapes.errors import UserError
from landscapes.run_names import RESERVED

COLUMNS = ("run", "algorithm", "environment", "seeds", "steps", "checkpoints", "status", "measured")
CSV_COLUMNS = (
    "run",
    "experiment",
    "algorithm",
    "environment",
    "backend",
    "num_seeds",
    "steps",
    "status",
    "diverged",
    "dead",
    "parent",
    "num_checkpoints",
    "first_checkpoint",
    "last_checkpoint",
    "purds",
    "purd_files",
    "walk_files",
    "path_files",
    "slice_files",
    "trajectory_files",
)

_LENGTH_SETTINGS = ("steps", "max_steps", "total_timesteps")
"""What the environment steps of one seed are called; the latter two in records of earlier versions."""


class Listed(NamedTuple):
    """One run as the list has it."""

    run: storage.Run
    files: storage.ResultFiles
    purds: str
    """Kinds, amounts and numbers of samples in the largest file of returns; the other files are not opened."""


def list_runs(results: Path) -> tuple[list[Listed], list[str]]:
    """All runs in the results directory in the order of their names, and one line for each folder that is none."""
    found: list[Listed] = []
    problems = [f"{name}: is not a run (no run.json)" for name in _other_folders(results)]
    for name in storage.run_names(results):
        try:
            found.append(_listed(storage.open_run(results, name, "run"), problems))
        except UserError as error:
            problems.append(f"{name}: {error.allowed}")
    return found, problems


def row(listed: Listed) -> list[str]:
    """A run as cells under `COLUMNS`."""
    record, steps = listed.run.record, listed.files.checkpoints
    return [*identity(listed.run, steps), _range(steps), _status(record), _measured(listed)]


def csv_row(listed: Listed) -> list[object]:
    """A run as entries under `CSV_COLUMNS`."""
    record, files, steps = listed.run.record, listed.files, listed.files.checkpoints
    environment = _part(record, "environment")
    return [
        listed.run.name,
        record.get("experiment", ""),
        _part(record, "algorithm").get("name", ""),
        environment.get("name", ""),
        environment.get("backend", ""),
        listed.run.num_seeds,
        length(record) or "",
        record.get("status", ""),
        " ".join(_part(record, "diverged")),
        " ".join(_part(record, "dead")),
        parent(record),
        len(steps),
        steps[0] if steps else "",
        steps[-1] if steps else "",
        listed.purds,
        len(files.purds),
        len(files.walks),
        len(files.paths),
        len(files.slices),
        len(files.trajectories),
    ]


def identity(run: storage.Run, steps: Sequence[int]) -> list[str]:
    """What a run is, as cells under the first five of `COLUMNS`; `steps` are those of its checkpoints."""
    environment = _part(run.record, "environment")
    backend = environment.get("backend")
    return [
        run.name,
        str(_part(run.record, "algorithm").get("name", "")),
        str(environment.get("name", "")) + (f" ({backend})" if backend else ""),
        str(run.num_seeds),
        _trained(run.record, steps),
    ]


def length(record: Mapping[str, Any]) -> int | None:
    """The environment steps of one seed that the run was told to train for; None of a run that has a parent."""
    if record.get("parent"):
        return None
    told = settings(record)
    return next((int(told[name]) for name in _LENGTH_SETTINGS if name in told), None)


def settings(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the experiment that made the run was told, as on its command line; groups stay mappings."""
    return _part(_part(record, "config"), "experiment")


def parent(record: Mapping[str, Any]) -> str:
    """The checkpoint that the run began at, as `run/seed/step`; empty where it began from nothing."""
    found = _part(record, "parent")
    return "/".join(str(found.get(name)) for name in ("run", "seed", "step")) if found else ""


def _listed(run: storage.Run, problems: list[str]) -> Listed:
    files = storage.find_result_files(run)
    purds = ""
    try:
        if files.purds:
            # What is added to a file makes it longer, so the largest has the most in it.
            purds = _kinds(storage.find_purds(run, max(files.purds, key=lambda file: file.size)))
    except (UserError, OSError) as error:  # damaged, or removed just now
        problems.append(f"{run.name}: {error}")
    return Listed(run, files, purds)


def _other_folders(results: Path) -> list[str]:
    if not results.is_dir():
        return []
    known = {*storage.run_names(results), *RESERVED}
    return sorted(
        path.name
        for path in results.iterdir()
        if path.name not in known and not path.name.startswith(".") and path.is_dir()
    )


def _kinds(purds: Iterable[storage.PurdRecord]) -> str:
    """`action 0.1, 0.2 x1000; td3_optimization 0.0003 x150; test mode x100`."""
    amounts: dict[tuple[str, int], list[str]] = {}
    for purd in purds:
        kind = f"test {storage.TEST_KINDS[purd.kind]}" if purd.is_test else purd.kind
        amounts.setdefault((kind, purd.num_samples), []).append(purd.amount)
    return "; ".join(f"{kind} {', '.join(sizes)} x{count}" for (kind, count), sizes in amounts.items())


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping inside a record; empty where the record has none."""
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _trained(record: Mapping[str, Any], steps: Sequence[int]) -> str:
    """How far it has been trained; of a run that is not finished its last checkpoint is all that is known."""
    last = steps[-1] if steps else 0
    if parent(record):
        return f"{human_count(last)} updates"
    planned = length(record)
    if planned is None or record.get("status") == "finished":
        return human_count(last if planned is None else planned)
    return f"{human_count(last)}+ of {human_count(planned)}"


def _range(steps: Sequence[int]) -> str:
    if len(steps) < 2:
        return f"1 ({steps[0]})" if steps else "none"
    return f"{len(steps)} ({steps[0]} .. {steps[-1]})"


def _status(record: Mapping[str, Any]) -> str:
    lost = {kind: len(_part(record, kind)) for kind in ("diverged", "dead")}
    return str(record.get("status", "")) + "".join(f", {count} {kind}" for kind, count in lost.items() if count)


def _measured(listed: Listed) -> str:
    files = listed.files
    counted = {"walks from": files.walks, "roll-outs of": files.trajectories}
    parts = [f"{listed.purds} at {_policies(files.purds)}"] if files.purds else []
    parts += [f"{what} {_policies(of_kind)}" for what, of_kind in counted.items() if of_kind]
    parts += [what for what, of_kind in {"paths": files.paths, "slices": files.slices}.items() if of_kind]
    return ", ".join(parts)


def _policies(files: Sequence[storage.ResultFile]) -> str:
    return "1 policy" if len(files) == 1 else f"{len(files)} policies"
