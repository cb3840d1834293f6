"""The page about runs, and the moving picture, written where they belong.

Knows result folders and outputs; what the page holds and how it looks is the package's own.
"""

from collections.abc import Sequence

from landscapes import commands, storage
from landscapes.errors import UserError
from landscapes.report.content import gather
from landscapes.report.gif import animated
from landscapes.report.page import render
from landscapes.report.rollouts import Recorded, noisiest, read_recorded


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
