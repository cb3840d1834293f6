"""`python -m landscapes.demo [--samples N]`: measures a calm and a noisy policy that ship with it, and shows the page.

Knows the two packed runs beside it, the command lines and the files they write; what is measured is the entry point's
own.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from landscapes import console, options, statistics, storage
from landscapes.errors import UserError
from landscapes.machine.folders import process_environment
from landscapes.statistics import tables

DATA = Path(__file__).resolve().parent / "data"
PAIR = ("calm", "noisy")
"""The packed runs in `DATA`, each with one seed and one checkpoint."""
ALPHA = 0.1


def in_process_of_its_own(command: Sequence[str]) -> int:
    """Exit code of `python -m COMMAND`, run as a user would."""
    return subprocess.run([sys.executable, "-m", *command], env=process_environment(), check=False).returncode


def main(
    arguments: Sequence[str] | None = None, run_command: Callable[[Sequence[str]], int] = in_process_of_its_own
) -> int:
    """Runs the commands one after the other; returns the exit code of the first that fails, else 0; 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m landscapes.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100, help="updates tried from each policy (default: 100)")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="print where the page is, only")
    parser.add_argument("--results-dir", help="as the key results_dir")
    chosen = options.parse(parser, arguments)
    began = time.monotonic()

    def run(command: Sequence[str]) -> int:
        print(f"\n$ python -m {shlex.join(command)}", flush=True)
        return run_command(command)

    try:
        if chosen.samples < 1:
            raise UserError("--samples", chosen.samples, "must be at least 1")
        runs = unpack(storage.results_directory(chosen.results_dir))
    except UserError as error:
        console.one_line_error(error)
        return 2
    elsewhere = [] if chosen.results_dir is None else ["--results-dir", chosen.results_dir]
    for command in measure(runs, chosen.samples, chosen.results_dir):
        if code := run(command):
            return code
    if code := run(["landscapes.report", *(one.name for one in runs), *elsewhere]):
        return code
    show(runs, chosen.samples)
    page = runs[0].path / "report.html"
    # A browser where somebody sees it: not over ssh, in a container or on a build machine.
    seen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if chosen.browser and seen and sys.stdout.isatty():
        webbrowser.open(page.as_uri())
    print(
        f"\nOpen {page} in a browser; it needs no network. The demo took "
        f"{console.human_duration(time.monotonic() - began)}."
    )
    return 0


def unpack(results: Path) -> list[storage.Run]:
    """The two runs as `demo_calm` and `demo_noisy` among the others, copied there once; raises UserError where the
    results cannot be written or something else is of that name."""
    storage.check_results_writable(results)
    runs = []
    for name in PAIR:
        packed = storage.open_run(DATA, name, "demo")
        found = storage.find_run(results, f"demo_{name}")
        if found is None:
            results.mkdir(parents=True, exist_ok=True)
            shutil.copytree(packed.path, results / f"demo_{name}")
            found = storage.open_run(results, f"demo_{name}", "demo").write_record(name=f"demo_{name}")
        elif found.record.get("packed") != packed.record["packed"]:
            raise UserError("demo", found.name, f"{found.path} is another run; move it")
        runs.append(found)
    return runs


def measure(runs: Sequence[storage.Run], num_samples: int, results_dir: str | None = None) -> list[list[str]]:
    """The command lines that measure both, as arguments after `python -m`."""
    commands = []
    for run in runs:
        (step,) = run.checkpoint_steps(0)
        commands.append(
            [
                "eval_policy",
                f"experiment.run_name={run.name}",
                f"experiment.ckpt_indexes=[{step}]",
                f"experiment.noise_type={run.record['algorithm']['name']}_optimization",
                "experiment.noise_amounts=[3e-4]",
                f"experiment.eval_episodes={num_samples}",
                "experiment.record_trajectories=1",
                "use_wandb=false",
                *([] if results_dir is None else [f"results_dir={results_dir}"]),
            ]
        )
    return commands


def show(runs: Sequence[storage.Run], num_samples: int) -> None:
    """What was measured of both, as a table."""
    rows = []
    for run in runs:
        purds = [purd for purd in storage.find_measurements(run).purds if purd.num_samples == num_samples]
        for purd in purds:
            returns = storage.read_hdf5(purd.path, "demo")[0][purd.dataset]
            below = statistics.tail_below_median(returns)
            rows.append([run.name, *tables.purd_cells(statistics.summarize(returns, alpha=ALPHA)), f"{below:.2f}"])
    environment = runs[0].record["environment"]
    algorithm = runs[0].record["algorithm"]["name"].upper()
    task = f"{environment['name']} ({environment['backend']})"
    title = f"Returns one {algorithm} update away, {task}, {num_samples} updates each"
    print()
    columns = ["policy", *tables.purd_columns(ALPHA), "below median / 2"]
    console.print_table(f"{title}, 95 % intervals", columns, rows)


if __name__ == "__main__":
    sys.exit(main())
