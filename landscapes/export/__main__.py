"""`python -m landscapes.export RUN... [--out FOLDER] [--only KIND...]`: what was measured of these runs, as CSV.

Knows the command line; which tables there are and how they are written is said elsewhere.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from landscapes import console, storage
from landscapes.errors import UserError
from landscapes.export.writing import write_tables
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command
from landscapes.storage.tables import KINDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files and prints their paths; 0, or 2 for a mistake."""
    print_any_text()
    chosen = _parser().parse_args(arguments)
    try:
        kinds = _kinds(chosen.only)
        results = storage.results_directory(chosen.results_dir)
        runs = [storage.open_run(results, name, "run") for name in dict.fromkeys(chosen.runs)]
        folder = runs[0].path / "export" if chosen.out is None else Path(chosen.out).expanduser()
        found = [storage.find_measurements(run) for run in runs]
        written, problems = write_tables(found, folder, kinds, "--out")
        names = ", ".join(run.name for run in runs)
        for line in problems:
            print(line, file=sys.stderr)
        if not written:
            raise UserError("run", names, f"there is nothing to export{_asked(chosen.only, kinds)}")
        console.print_files(written)
        absent = [kind for kind in kinds if folder / f"{kind}.csv" not in written]
        if chosen.only and absent:
            print(f"{names}: no {', no '.join(absent)}", file=sys.stderr)
    except UserError as error:
        console.one_line_error(error)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m landscapes.export", description="What was measured of runs, as CSV: one file for each kind."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs")
    parser.add_argument("--out", metavar="FOLDER", help="default: export/ in the first run's folder")
    parser.add_argument(
        "--only", nargs="+", metavar="KIND", help=f"some of: {', '.join(KINDS)}; default: all that there is"
    )
    parser.add_argument("--results-dir", help="as the key results_dir")
    return parser


def _kinds(asked: Sequence[str] | None) -> list[str]:
    """The kinds that are asked for, which may be put together by commas, in the order of `KINDS`."""
    names = [name for word in asked or [] for name in word.split(",") if name]
    for name in names:
        if name not in KINDS:
            nearest = difflib.get_close_matches(name, KINDS, n=1, cutoff=0.6)
            meant = f"did you mean {nearest[0]}? There are" if nearest else "must be some of"
            raise UserError("--only", name, f"{meant} {', '.join(KINDS)}")
    return [kind for kind in KINDS if not names or kind in names]


def _asked(only: Sequence[str] | None, kinds: Sequence[str]) -> str:
    return f" of {', '.join(kinds)}" if only else ""


if __name__ == "__main__":
    sys.exit(as_command(main))
