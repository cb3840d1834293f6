"""`python -m benchmarks [NAME ...]`: runs benchmarks, stores what they find, and renews the tables and pictures.

Knows the command line; what is measured stands in `benchmarks.suites`.
"""

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, report, store, suites
from benchmarks.harness import Skipped, WorkerError
from benchmarks.plan import PEER_PYTHON, Plan, compiler_flags
from benchmarks.suites import learning
from benchmarks.timing import Record
from landscapes import console
from landscapes.errors import UserError
from landscapes.machine.streams import as_command

REPEATS = 3


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; raises UserError for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    names = ", ".join(suites.NAMES)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{names} (default: all but {', '.join(suites.ONLY_WHEN_ASKED)}), or report",
    )
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help=f"repetitions of each workload (default: {REPEATS})"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs; not for the docs")
    parser.add_argument("--into", type=Path, help="folder of the JSON files (default: benchmarks/results)")
    parser.add_argument("--page", type=Path, help="page to renew, with its notes (default: docs/performance.md)")
    parser.add_argument("--peer", type=Path, default=PEER_PYTHON, help="Python that has rejax (default: .venv-peer's)")
    parser.add_argument("--sizes", nargs="+", default=[], metavar="KEY=VALUE", help="of learning, which says its keys")
    chosen = parser.parse_args(words)
    allowed = (*suites.NAMES, "report")
    for name in chosen.names:
        if name not in allowed:
            raise UserError("benchmark", name, f"must be one of {', '.join(allowed)}")
    if "report" in chosen.names and len(chosen.names) > 1:
        raise UserError("benchmark", "report", "stands alone: benchmarks renew the report by themselves")
    if chosen.sizes and chosen.names != ["learning"]:
        raise UserError("--sizes", " ".join(chosen.sizes), "go with learning alone: python -m benchmarks learning ...")
    chosen.sizes = learning.sizes(chosen.sizes)
    if chosen.repeats < 1:
        raise UserError("--repeats", chosen.repeats, "must be at least 1")
    return chosen


def say(line: str) -> None:
    """Progress, at once."""
    print(line, flush=True)


def show(record: Record) -> None:
    """A benchmark's short table and notes."""
    if record.comparisons:
        rows = [report.comparison_cells(line) for line in record.comparisons]
        console.print_table(record.benchmark, report.COMPARISON_COLUMNS, rows)
    else:
        rows = [report.measurement_cells(measured) for measured in record.measurements]
        console.print_table(record.benchmark, report.MEASUREMENT_COLUMNS, rows)
    for note in record.notes:
        say(note)


def run(names: Sequence[str], plan: Plan, folder: Path) -> tuple[list[Path], int]:
    """Runs and stores each benchmark; the files, and how many failed."""
    environment = machine.environment(plan.peer_python, compiler_flags())
    files, failed = [], 0
    for name in names:
        began = time.monotonic()
        say(f"\n{name}")
        try:
            record = suites.suite(name)(plan)
        except Skipped as reason:
            say(f"{name}: left out, {reason}")
            continue
        except WorkerError as error:
            console.one_line_error(error)
            failed += 1
            continue
        record = dataclasses.replace(record, quick=plan.quick, environment=environment, sizes=dict(plan.sizes))
        show(record)
        files.append(store.write(record, folder))
        say(f"{name} took {console.human_duration(time.monotonic() - began)}")
    return files, failed


def renew(folder: Path, page: Path) -> list[Path]:
    """The page, its notes and pictures, from the stored records; those of quick runs are never shown."""
    records = store.read_all(folder)
    shown = {name: records[name] for name in suites.NAMES if name in records and not records[name].quick}
    return report.write(shown, page)


def peer(python: Path) -> Path | None:
    """The interpreter as an absolute path, or None where there is none that has the peer."""
    if "rejax" not in machine.peer_versions(python):
        return None
    # Not resolved: a virtual environment's python is a link, and the link is what makes it one.
    return Path(os.path.abspath(python))


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 2 for a mistake on the command line, 1 if a benchmark failed."""
    try:
        chosen = arguments_of(words)
    except UserError as error:
        console.one_line_error(error)
        return 2
    page = chosen.page or report.PAGE
    if chosen.names == ["report"]:
        console.print_files(renew(chosen.into or store.FOLDER, page))
        return 0
    folder = chosen.into or (Path(tempfile.mkdtemp(prefix="benchmarks-")) if chosen.quick else store.FOLDER)
    plan = Plan(1 if chosen.quick else chosen.repeats, chosen.quick, say, peer(chosen.peer), chosen.sizes)
    if plan.peer_python is None:
        say(f"No peer: {chosen.peer} has no rejax (make bench installs it); ours is measured alone.")
    default = [name for name in suites.NAMES if name not in suites.ONLY_WHEN_ASKED]
    files, failed = run(chosen.names or default, plan, folder)
    if files and not chosen.quick:
        files += renew(folder, page)
    console.print_files(files)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(as_command(main))
