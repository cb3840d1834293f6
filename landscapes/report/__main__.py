"""`python -m landscapes.report RUN... [--out FILE] [--gif FILE]`: one page that shows what was measured of these runs.

Knows the command line; reading, drawing and the page are the package's own.
"""

import argparse
import sys
from collections.abc import Sequence

from landscapes import commands, console, storage
from landscapes.errors import UserError
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command
from landscapes.report.content import gather
from landscapes.report.gif import animated
from landscapes.report.page import render
from landscapes.report.rollouts import Recorded, noisiest, read_recorded


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with --gif a moving picture instead, and prints its path; 0, or 2 for a mistake."""
    print_any_text()
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.gif is None:
            output = write_report(chosen.runs, chosen.results_dir, chosen.out)
        else:
            output = write_gif(chosen.runs, chosen.gif, chosen.checkpoint, chosen.results_dir)
        if not output.is_stdout:
            print(output.target)
    except UserError as error:
        console.one_line_error(error)
        return 2
    return 0


def write_report(names: Sequence[str], results_dir: str | None = None, out: str | None = None) -> storage.Output:
    """The page about the runs of these names, by default `report.html` in the folder of the first; raises UserError
    where there is no such run."""
    results = storage.results_directory(results_dir)
    runs = [storage.open_run(results, name, "run") for name in dict.fromkeys(names)]
    output = storage.Output("--out", runs[0].path / "report.html" if out is None else out)
    words = [run.name for run in runs]
    elsewhere = None if results_dir is None else str(results)
    command = commands.python("landscapes.report", *words, *([] if elsewhere is None else ["--results-dir", elsewhere]))
    html = render(f"Return landscapes: {', '.join(words)}", command, gather(runs, elsewhere))
    output.write(html.encode("utf-8", "surrogateescape"))
    return output


def write_gif(
    names: Sequence[str], out: str, checkpoint: Sequence[int] | None = None, results_dir: str | None = None
) -> storage.Output:
    """The typical neighbour and the lowest return side by side, of the widest recorded distribution of these runs, or
    of the widest of checkpoint (seed, step). Raises UserError where there is none."""
    results = storage.results_directory(results_dir)
    output = storage.Output("--gif", out)
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
    output.write(animated(recorded[noisiest(recorded)]))
    return output


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m landscapes.report", description="One page that shows what was measured of runs."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs")
    parser.add_argument(
        "--out", metavar="FILE", help="default: report.html in the first run's folder; - for standard output"
    )
    parser.add_argument(
        "--gif", metavar="FILE", help="write roll-outs as an animated GIF instead, for slides; - as above"
    )
    parser.add_argument(
        "--checkpoint", type=int, nargs=2, metavar=("SEED", "STEP"), help="of the GIF; default: the widest"
    )
    parser.add_argument("--results-dir", help="as the key results_dir")
    return parser


if __name__ == "__main__":
    sys.exit(as_command(main))
