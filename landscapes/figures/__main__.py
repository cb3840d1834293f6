"""`python -m landscapes.figures RUN…`: every figure that the results of these runs allow.

Knows its arguments and where figures go; what can be drawn is for `landscapes.figures.gallery` to say.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from landscapes import options, storage
from landscapes.errors import UserError
from landscapes.figures.gallery import KINDS, Source, draw, plan
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command

FORMATS = ("pdf", "png", "svg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws, and prints the path of each figure and what is missing for the others.

    0 where something was drawn, 1 where there was nothing to draw, 2 for a mistake.
    """
    print_any_text()
    parser = argparse.ArgumentParser(prog="python -m landscapes.figures", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the name of a run; several are drawn together")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=KINDS, help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=["pdf", "png"], help="default: pdf png")
    parser.add_argument("--out", type=Path, help="folder of the figures; of one run its own folder figures/")
    parser.add_argument("--results-dir", help="as the key results_dir")
    chosen = options.parse(parser, arguments)
    try:
        sources = _sources(chosen.runs, chosen.results_dir)
        folder = chosen.out or _folder(sources)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for source in sources:
        for line in source.found.unreadable:
            print(f"not read: {line}", file=sys.stderr)
    elsewhere = None if chosen.results_dir is None else str(storage.results_directory(chosen.results_dir))
    drawings, missing = plan(sources, chosen.only, elsewhere)
    formats = list(dict.fromkeys(chosen.format))
    drawn = False
    for drawing in drawings:
        try:
            paths = draw(drawing, folder, formats)
        except UserError as error:
            print(f"not drawn: {error.value}: {error.allowed}")
            continue
        print(*paths, sep="\n")
        drawn = True
    for kind, why, remedy in missing:
        print(f"missing for {kind}: {why}; {remedy}")
    return 0 if drawn else 1


def _sources(names: Sequence[str], results_dir: str | None) -> list[Source]:
    results = storage.results_directory(results_dir)
    runs = [storage.open_run(results, name, "RUN") for name in dict.fromkeys(names)]
    return [Source(run, storage.find_measurements(run)) for run in runs]


def _folder(sources: Sequence[Source]) -> Path:
    if len(sources) > 1:
        raise UserError("--out", None, "figures of several runs belong to none of them: name a folder")
    return sources[0].run.path / "figures"


if __name__ == "__main__":
    sys.exit(as_command(main))
