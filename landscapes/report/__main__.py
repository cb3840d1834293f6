"""`python -m landscapes.report RUN... [--out FILE] [--gif FILE]`: one page that shows what was measured of these runs.

Knows the command line; reading, drawing and the page are the package's own.
"""

import argparse
import sys
from collections.abc import Sequence

from landscapes import console, options
from landscapes.errors import UserError
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command
from landscapes.report.writing import write_gif, write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with --gif a moving picture instead, and prints its path; 0, or 2 for a mistake."""
    print_any_text()
    chosen = options.parse(_parser(), arguments)
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
