"""`python -m landscapes.sweeps [NAME] [--wait] [--resubmit]`: how the sweeps that were submitted to SLURM are doing.

Knows sweeps, runs, SLURM's queue and the command line that submitted them; knows nothing of what a job computes.
"""

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from landscapes import commands, console, options, storage
from landscapes.cluster import squeue, sweep_folder
from landscapes.errors import UserError
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command

_AT_REST = ("finished", "failed", "stopped", "lost", "not started")
"""What members that are not in the queue can be: stopped ones have a run that goes on, lost ones left nothing."""
_UNKNOWN = "unknown"
_DIED = "Submitted job triggered an exception"
"""What submitit writes to the log of a job that ended by one that is not of a member's own."""
_FOLDER_KEY = "hydra.sweep.dir"
_SHOWN = 60
"""Characters of a log's line in the table."""


class Member(NamedTuple):
    """One member as it stands: `state` is one of `_AT_REST`, or what SLURM's queue says, if it says anything."""

    number: int
    arguments: str
    run: str
    state: str
    told: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; 0, or what the submitted command returns; 2 for a mistake.

    With `--wait` 1, where a member has not finished.
    """
    print_any_text()
    parser = argparse.ArgumentParser(prog="python -m landscapes.sweeps", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", metavar="NAME", help="a sweep, or its folder; without it all are listed")
    parser.add_argument("--wait", action="store_true", help="until no member is in the queue any more")
    parser.add_argument("--resubmit", action="store_true", help="submit again what has not finished and is not queued")
    parser.add_argument("--results-dir", help="as the key results_dir")
    chosen = options.parse(parser, arguments)
    try:
        results = storage.results_directory(chosen.results_dir)
        if chosen.name is None:
            _list(results)
            return 0
        sweep = sweep_folder.open_sweep(results, chosen.name)
        seconds = squeue.seconds_between_questions()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    members = _members_at_rest(sweep, results, seconds) if chosen.wait else _members(sweep, results, squeue.queue())
    _show(sweep, members)
    if chosen.resubmit:
        return _resubmit(sweep, members, results)
    return int(chosen.wait and any(member.state != "finished" for member in members))


def _list(results: Path) -> None:
    rows, queue = [], squeue.queue()
    for name in sweep_folder.sweep_names(results):
        try:
            sweep = sweep_folder.open_sweep(results, name)
        except UserError as error:
            rows.append([name, "", "", error.allowed])
            continue
        states = [member.state for member in _members(sweep, results, queue)]
        rows.append([name, sweep.entry_point, str(len(states)), _counted(states)])
    console.print_table(f"Sweeps in {sweep_folder.sweeps_folder(results)}", ["sweep", "", "members", "state"], rows)


def _show(sweep: sweep_folder.Sweep, members: Sequence[Member]) -> None:
    rows = [[m.number, m.arguments, m.run, m.state, m.told] for m in members]
    console.print_table(f"{sweep.name} ({sweep.entry_point})", ["", "arguments", "run", "state", ""], rows)
    print(_counted([member.state for member in members]))


def _resubmit(sweep: sweep_folder.Sweep, members: Sequence[Member], results: Path) -> int:
    """Runs the command that submitted the sweep once more, where it was given and on the same results: finished members
    end at once, the others go on."""
    if all(member.state == "finished" for member in members):
        print("all have finished: nothing to submit")
        return 0
    if any(member.state == _UNKNOWN for member in members):
        print("squeue does not answer, and members may still be in the queue: try again later", file=sys.stderr)
        return 2
    queued = [member.number for member in members if member.state not in _AT_REST]
    if queued:
        print(f"members {', '.join(map(str, queued))} are still in the queue: wait, or scancel them", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", sweep.entry_point, *_arguments(sweep)]
    environment = {**os.environ, "LANDSCAPES_RESULTS": str(results)}
    sys.stdout.flush()
    try:
        return subprocess.run(command, cwd=sweep.directory, env=environment, check=False).returncode
    except OSError as error:
        told = f"was submitted from {sweep.directory}, where no command can be run now: {error.strerror or error}"
        print(UserError("sweep", sweep.name, told), file=sys.stderr)
        return 2


def _arguments(sweep: sweep_folder.Sweep) -> list[str]:
    """What the command was told, with another folder for the sweep where one was given: each submission has its own."""
    given = f"{_FOLDER_KEY}="
    if not any(argument.startswith(given) for argument in sweep.arguments):
        return sweep.arguments
    others = (sweep.path.with_name(f"{sweep.name}_{number}") for number in itertools.count(2))
    free = next(path for path in others if not os.path.lexists(path))
    kept = [argument for argument in sweep.arguments if not argument.startswith(given)]
    return [*kept, commands.setting(_FOLDER_KEY, str(free))]


def _members_at_rest(sweep: sweep_folder.Sweep, results: Path, seconds: float) -> list[Member]:
    """The members, once none is in the queue any more; asks it every so many seconds."""
    while True:
        members = _members(sweep, results, squeue.queue())
        if all(member.state in _AT_REST for member in members):
            return members
        time.sleep(seconds)


def _members(sweep: sweep_folder.Sweep, results: Path, queue: Mapping[str, str] | None) -> list[Member]:
    common = set.intersection(*map(set, sweep.members)) if len(sweep.members) > 1 else set()
    jobs = sweep.jobs()
    found = []
    for index, arguments in enumerate(sweep.members):
        job = None if jobs is None else jobs[index]
        name = sweep.runs[index] or (job if sweep.entry_point == "run_algorithm" else None)
        run = _run(results, name)
        state, told = _state(sweep, index, job, queue, run)
        shown = " ".join(argument for argument in arguments if argument not in common)
        found.append(Member(index, shown, name or "", state, told))
    return found


def _state(
    sweep: sweep_folder.Sweep, index: int, job: str | None, queue: Mapping[str, str] | None, run: storage.Run | None
) -> tuple[str, str]:
    if run is not None and run.record.get("status") == "finished":
        return "finished", ""
    if job is None:
        return "not started", ""
    if queue is None:
        return _UNKNOWN, "squeue does not answer"
    if job in queue:
        return queue[job], ""
    if not sweep.has_begun(job):
        return "not started", ""
    lines = sweep.log(job).splitlines()
    failure = next((line for line in lines if line.startswith(f"member {index}: ")), None)
    if failure is not None:
        return "failed", failure.removeprefix(f"member {index}: ")[:_SHOWN]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")[:_SHOWN]
    if run is not None:
        return "stopped", last
    if not sweep.has_ended(job):
        return "lost", last or "ended without handing anything back"
    return ("failed", last) if any(_DIED in line for line in lines) else ("finished", "")


def _run(results: Path, name: str | None) -> storage.Run | None:
    try:
        return None if name is None else storage.find_run(results, name)
    except UserError:
        return None


def _counted(states: Sequence[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))


if __name__ == "__main__":
    sys.exit(as_command(main))
