"""`python -m landscapes.report RUN... [--out FILE] [--gif FILE]`: one page that shows what was measured of these runs.

Knows the command line; reading, drawing and the page are the package's own.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from landscapes import console, storage
from landscapes.errors import UserError
from landscapes.report.content import gather
from landscapes.report.gif import animated
from landscapes.report.page import render
from landscapes.report.rollouts import Recorded, noisiest, read_recorded
from landscapes.storage.files import write_whole

_COMMAND = ("python", "-m", "landscapes.report")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with --gif a moving picture instead, and prints its path; 0, or 2 for a mistake."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.gif is None:
            print(write_report(chosen.runs, chosen.results_dir, chosen.out))
        else:
            print(write_gif(chosen.runs, chosen.gif, chosen.checkpoint, chosen.results_dir))
    except UserError as error:
        console.one_line_error(error)
        return 2
    return 0


def write_report(names: Sequence[str], results_dir: str | None = None, out: Path | None = None) -> Path:
    """The page about the runs of these names, by default `report.html` in the folder of the first; raises UserError
    where there is no such run."""
    results = storage.results_directory(results_dir)
    runs = [storage.open_run(results, name, "run") for name in dict.fromkeys(names)]
    words = [run.name for run in runs]
    html = render(f"Return landscapes: {', '.join(words)}", shlex.join([*_COMMAND, *words]), gather(runs, results_dir))
    path = runs[0].path / "report.html" if out is None else out
    return write_whole(path, lambda temporary: temporary.write_text(html, encoding="utf-8"))


def write_gif(
    names: Sequence[str], out: Path, checkpoint: Sequence[int] | None = None, results_dir: str | None = None
) -> Path:
    """The typical neighbour and the lowest return side by side, of the widest recorded distribution of these runs, or
    of the widest of checkpoint (seed, step). Raises UserError where there is none."""
    results = storage.results_directory(results_dir)
    recorded: list[Recorded] = []
    for name in dict.fromkeys(names):
        found = storage.find_measurements(storage.open_run(results, name, "run"))
        recorded += [one for one in read_recorded(found)[0] if one.median and one.left_tail]
    if checkpoint is not None:
        recorded = [one for one in recorded if one.purd.policy[1:] == tuple(checkpoint)]
    if not recorded:
        what = "" if checkpoint is None else " there"
        allowed = f"no roll-outs are recorded{what}; eval_policy records them with experiment.record_trajectories=2"
        raise UserError("run", " ".join(names), allowed)
    image = animated(recorded[noisiest(recorded)])
    return write_whole(out, lambda temporary: temporary.write_bytes(image))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m landscapes.report", description="One page that shows what was measured of runs."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the first run's folder")
    parser.add_argument(
        "--gif", type=Path, metavar="FILE", help="write roll-outs as an animated GIF instead, for slides"
    )
    parser.add_argument(
        "--checkpoint", type=int, nargs=2, metavar=("SEED", "STEP"), help="of the GIF; default: the widest"
    )
    parser.add_argument("--results-dir", help="as the key results_dir")
    return parser


if __name__ == "__main__":
    sys.exit(main())
