"""`python -m landscapes.sweeps [NAME] [--resubmit]`: how the sweeps that were submitted to SLURM are doing.

Knows sweeps, runs, SLURM's queue and the command line that submitted them; knows nothing of what a job computes.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from landscapes import console, storage
from landscapes.errors import UserError

_QUEUE_SECONDS = 60.0
_AT_REST = ("finished", "failed", "stopped", "lost", "not started")
"""What members that are not in the queue can be: stopped ones have a run that goes on, lost ones left nothing."""
_SHOWN = 60
"""Characters of a failed job's line in the table."""


class Member(NamedTuple):
    """One member as it stands: `state` is one of `_AT_REST`, or what SLURM's queue says."""

    number: int
    arguments: str
    run: str
    state: str
    told: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; 0, or what the submitted command returns; 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m landscapes.sweeps", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", metavar="NAME", help="a sweep; without it all of them are listed")
    parser.add_argument("--resubmit", action="store_true", help="submit again what has not finished and is not queued")
    parser.add_argument("--results-dir", help="as the key results_dir")
    chosen = parser.parse_args(arguments)
    results = storage.results_directory(chosen.results_dir)
    try:
        if chosen.name is None:
            _list(results)
            return 0
        sweep = storage.open_sweep(results, chosen.name)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    members = _members(sweep, results)
    _show(sweep, members)
    return _resubmit(sweep, members) if chosen.resubmit else 0


def _list(results: Path) -> None:
    rows = []
    for name in storage.sweep_names(results):
        sweep = storage.open_sweep(results, name)
        states = [member.state for member in _members(sweep, results)]
        rows.append([name, sweep.entry_point, len(states), _counted(states)])
    console.print_table(f"Sweeps in {storage.sweeps_folder(results)}", ["sweep", "", "members", "state"], rows)


def _show(sweep: storage.Sweep, members: Sequence[Member]) -> None:
    rows = [[m.number, m.arguments, m.run, m.state, m.told] for m in members]
    console.print_table(f"{sweep.name} ({sweep.entry_point})", ["", "arguments", "run", "state", ""], rows)
    print(_counted([member.state for member in members]))


def _resubmit(sweep: storage.Sweep, members: Sequence[Member]) -> int:
    """Runs the command that submitted the sweep once more: finished members end at once, the others go on."""
    if all(member.state == "finished" for member in members):
        print("all have finished: nothing to submit")
        return 0
    queued = [member.number for member in members if member.state not in _AT_REST]
    if queued:
        print(f"members {', '.join(map(str, queued))} are still in the queue: wait, or scancel them", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", sweep.entry_point, *sweep.arguments]
    return subprocess.run(command, check=False).returncode


def _members(sweep: storage.Sweep, results: Path) -> list[Member]:
    queue = _queue()
    common = set.intersection(*map(set, sweep.members)) if len(sweep.members) > 1 else set()
    found = []
    for index, arguments in enumerate(sweep.members):
        job = sweep.job(index)
        name = sweep.runs[index] or (job if sweep.entry_point == "run_algorithm" else None)
        run = _run(results, name)
        state, told = _state(sweep, index, job, queue, run)
        shown = " ".join(argument for argument in arguments if argument not in common)
        found.append(Member(index, shown, name or "", state, told))
    return found


def _state(
    sweep: storage.Sweep, index: int, job: str | None, queue: dict[str, str], run: storage.Run | None
) -> tuple[str, str]:
    if run is not None and run.record.get("status") == "finished":
        return "finished", ""
    if job in queue:
        return queue[job], ""
    if job is None or not sweep.has_begun(job):
        return "not started", ""
    failure = next((line for line in sweep.log(job).splitlines() if line.startswith(f"member {index}: ")), None)
    if failure is not None:
        return "failed", failure.removeprefix(f"member {index}: ")[:_SHOWN]
    if run is not None:
        return "stopped", ""
    return ("finished", "") if sweep.has_ended(job) else ("lost", "ended without handing anything back")


def _queue() -> dict[str, str]:
    """The state of each job in SLURM's queue, by `{array job}_{task}`; nothing where there is no SLURM."""
    command = ["squeue", "--noheader", "--array", f"--user={os.environ.get('USER') or os.getuid()}", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_QUEUE_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {job: state.lower() for job, state in (line.split() for line in done.stdout.splitlines())}


def _run(results: Path, name: str | None) -> storage.Run | None:
    try:
        return None if name is None else storage.find_run(results, name)
    except UserError:
        return None


def _counted(states: Sequence[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))


if __name__ == "__main__":
    sys.exit(main())
