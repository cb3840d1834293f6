"""`python -m landscapes.runs [list | show NAME | compare NAME NAME... | export [NAME...]] [--csv FILE]`: what there is.

Knows the command line and how tables are laid out; knows no file format and no statistic.
"""

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from landscapes import console, options, storage
from landscapes.errors import UserError
from landscapes.machine.output import print_any_text
from landscapes.machine.streams import as_command
from landscapes.runs import listing, numbers
from landscapes.statistics import tables

_COMMANDS = ("list", "show", "compare", "export")
_SHOWN_EVALUATIONS = 6
_ALPHA = 0.1
_WITH_INTERVALS = ", 95 % intervals"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints tables, or writes CSV; 0, or 2 for a mistake."""
    print_any_text()
    parser = _parser()
    chosen = options.parse(parser, arguments)
    command, names = _command(parser, chosen.words)
    csv_to = "-" if command == "export" and chosen.csv is None else chosen.csv
    try:
        results = storage.results_directory(chosen.results_dir)
        target = None if csv_to is None else storage.Output("--csv", csv_to)
        if command in ("list", "export") and not names:
            _list(results, target)
        else:
            _tell(command, [storage.open_run(results, name, "run") for name in names], chosen.intervals, target)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m landscapes.runs",
        description="Lists runs, shows one, compares several, and writes their numbers as CSV.",
    )
    words = "nothing or list: all runs; show NAME, or NAME alone: one; compare NAME NAME...; export [NAME...]: as CSV"
    parser.add_argument("words", nargs="*", metavar="COMMAND", help=words)
    parser.add_argument("--csv", metavar="FILE", help="write the numbers there instead; - for standard output")
    parser.add_argument("--no-intervals", dest="intervals", action="store_false", help="at once, without intervals")
    parser.add_argument("--results-dir", help="as the key results_dir")
    return parser


def _command(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[str, list[str]]:
    """What is asked for, and the names of runs after it, each once."""
    if not words:
        return "list", []
    command, *rest = words if words[0] in _COMMANDS else ("show", *words)
    names = list(dict.fromkeys(rest))
    least, most = {"list": (0, 0), "show": (1, 1), "compare": (2, len(names)), "export": (0, len(names))}[command]
    if not least <= len(names) <= most:
        wanted = {"list": "no name", "show": "the name of one run", "compare": "the names of two runs or more"}
        parser.error(f"{command} wants {wanted[command]}, not {len(names)}")
    return command, names


# The list


def _list(results: Path, target: storage.Output | None) -> None:
    found, problems = listing.list_runs(results)
    if target is not None:
        _write_csv(target, listing.CSV_COLUMNS, map(listing.csv_row, found))
    elif found:
        console.print_table(f"Runs in {results}", listing.COLUMNS, map(listing.row, found))
    else:
        print(f"no runs in {results}")
    _print_problems(problems)


# One run, or several


def _tell(command: str, runs: Sequence[storage.Run], intervals: bool, target: storage.Output | None) -> None:
    found = [storage.find_measurements(run) for run in runs]
    shared = _shared(found) if command == "compare" and target is None else None
    total = sum(map(numbers.count_purds, found))
    with console.Progress(
        "intervals", total, intervals and sys.stderr.isatty(), unit="distributions", stream=sys.stderr
    ) as progress:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress.advance_to(done)

        def wanted(record: storage.PurdRecord) -> bool:
            return shared is None or (record.kind, record.amount) in shared

        told = [
            numbers.read_numbers(run, each, intervals, wanted, advance) for run, each in zip(runs, found, strict=True)
        ]
    if target is not None:
        _write_csv(target, numbers.CSV_COLUMNS, (row for each in told for row in numbers.csv_rows(each)))
    elif command == "compare":
        _compare(told, _WITH_INTERVALS * intervals)
    else:
        _show(told[0], _WITH_INTERVALS * intervals)
    _print_problems(line for each in told for line in each.problems)


def _show(told: numbers.Numbers, ending: str) -> None:
    """`ending` is that of the titles of tables."""
    run, record = told.run, told.run.record
    git = record.get("git") or {}
    algorithm, environment = record.get("algorithm") or {}, record.get("environment") or {}
    about = {
        "folder": str(run.path),
        "experiment": f"{record.get('experiment', '')}, {record.get('status', '')}",
        "began at": listing.parent(record),
        "told": _pairs(listing.settings(record)) if listing.parent(record) else "",
        "algorithm": str(algorithm.get("name", "")),
        "settings": _pairs(algorithm.get("config") or {}),
        "environment": _pairs(environment),
        "seeds": f"{run.num_seeds}, from random seed {record.get('random_seed')}",
        "diverged": _pairs(record.get("diverged") or {}, "seed {} by step {}"),
        "dead": _pairs(record.get("dead") or {}, "seed {} since step {}"),
        "versions": _pairs(record.get("versions") or {}, "{} {}"),
        "source": str(git.get("commit", "")) + (", changed since" if git.get("dirty") else ""),
        "machine": _pairs(record.get("machine") or {}),
        "wandb": str(record.get("wandb_id") or ""),
    }
    console.print_plan(run.name, {name: value for name, value in about.items() if value})
    if told.evaluations:
        _print_curve(told.evaluations, "updates" if listing.parent(record) else "steps")
    _print_checkpoints(told, ending)
    if told.tests:
        _print_tests(told.tests, ending)
    if told.walks:
        _print_walks(told.walks, ending)
    _print_names(told.found)


def _print_curve(evaluations: Sequence[numbers.Evaluation], unit: str) -> None:
    last = len(evaluations) - 1
    shown = sorted({round(i * last / (_SHOWN_EVALUATIONS - 1)) for i in range(_SHOWN_EVALUATIONS)})
    chosen = [evaluations[i] for i in shown]
    rows: list[list[object]] = [[x.step, _iqm(x), f"{x.lowest:.1f}", f"{x.highest:.1f}"] for x in chosen]
    columns = [unit, "IQM (95 % interval)", "lowest seed", "highest seed"]
    if any(x.sampled is not None for x in chosen):
        columns.append("IQM, sampled")
        for cells, x in zip(rows, chosen, strict=True):
            cells.append("" if x.sampled is None else tables.with_interval(*x.sampled))
    seeds = evaluations[-1].num_seeds
    title = f"Return in training, {seeds} seed{'s' if seeds > 1 else ''}, {len(shown)} of {last + 1} evaluations"
    console.print_table(title, columns, rows)


def _print_checkpoints(told: numbers.Numbers, ending: str) -> None:
    """Every checkpoint of every seed: its PURDs, or nothing beside it."""
    measured: dict[tuple[int, int], list[numbers.Purd]] = {}
    for purd in told.purds:
        measured.setdefault((purd.record.policy.seed, purd.record.policy.step), []).append(purd)
    stored = {(seed, step) for seed in range(told.run.num_seeds) for step in told.run.checkpoint_steps(seed)}
    rows: list[list[object]] = []
    for seed, step in sorted(stored | measured.keys()):
        of_this = measured.get((seed, step), [])
        best = told.best.get(seed)
        shown = f"{step} (best)" if best is not None and best.step == step else step
        rows += [[seed, shown, *_purd_cells(purd)] for purd in of_this]
        if not of_this:
            rows.append([seed, shown, "not measured", *[""] * (2 + len(tables.purd_columns(_ALPHA)))])
    if rows:
        columns = ["seed", "checkpoint", "kind", "amount", "samples", *tables.purd_columns(_ALPHA)]
        console.print_table(f"Checkpoints and their PURDs{ending}", columns, rows)
    else:
        print("no checkpoints")


def _print_tests(tests: Sequence[numbers.Tested], ending: str) -> None:
    rows = [
        [p.seed, p.step, x.acting, x.record.amount, x.record.num_samples, *tables.episode_cells(x.summary)]
        for x in tests
        if (p := x.record.policy)
    ]
    columns = ["seed", "checkpoint", "acting", "start noise", "episodes", *tables.episode_columns()]
    console.print_table(f"Test episodes{ending}", columns, rows)


def _print_walks(walks: Sequence[numbers.Walk], ending: str) -> None:
    rows: list[list[object]] = []
    for walk in walks:
        root = walk.record.root
        about = [root.seed, root.step, walk.record.group, f"{walk.num_accepted} of {walk.num_proposals}"]
        rows += [[*about, name, *tables.purd_cells(summary)] for name, summary in walk.fresh.items()]
        if not walk.fresh:
            rows.append([*about, "not measured", *[""] * len(tables.purd_columns(_ALPHA))])
    columns = ["seed", "checkpoint", "walk", "accepted", "fresh", *tables.purd_columns(_ALPHA)]
    console.print_table(f"Walks and their fresh PURDs{ending}", columns, rows)


def _print_names(found: storage.Measurements) -> None:
    """What is told by its name alone: the pictures show it."""
    if found.paths:
        rows = [[_name(x.two), _name(x.one), x.num_points, x.kind, x.amount, x.num_samples] for x in found.paths]
        console.print_table("Paths", ["from", "to", "points", "kind", "amount", "samples"], rows)
    if found.slices:
        sizes = [(x, f"{x.num_x} x {x.num_y}") for x in found.slices]
        rows = [[_name(x.centre), x.directions, size, x.kind, x.amount, x.num_samples] for x, size in sizes]
        console.print_table("Slices", ["centre", "directions", "points", "kind", "amount", "samples"], rows)
    if found.trajectories:
        rows = [[_name(x.policy), x.kind, x.amount, x.num_samples, x.role, x.rank] for x in found.trajectories]
        console.print_table("Roll-outs", ["policy", "kind", "amount", "samples", "role", "rank"], rows)


def _compare(told: Sequence[numbers.Numbers], ending: str) -> None:
    rows = [
        [
            *listing.identity(x.run, storage.find_result_files(x.run).checkpoints),
            "" if x.final is None else _iqm(x.final),
        ]
        for x in told
    ]
    columns = [*listing.COLUMNS[:5], "IQM (95 % interval)"]
    console.print_table("Return at the end of training", columns, rows)
    purds = [(purd, place) for place, x in enumerate(told) for purd in x.purds]
    if not purds:
        print("no kind and amount is measured in two of them")
        return
    # One kind and amount after the other; a sort keeps the order of runs, seeds and checkpoints within each.
    purds.sort(key=lambda entry: (entry[0].record.kind, _size(entry[0].record.amount), entry[1]))
    compared = [[told[place].run.name, *purd.record.policy[1:], *_purd_cells(purd)] for purd, place in purds]
    columns = ["run", "seed", "checkpoint", "kind", "amount", "samples", *tables.purd_columns(_ALPHA)]
    console.print_table(f"PURDs of the same kind and amount{ending}", columns, compared)


def _size(amount: str) -> float:
    """By which amounts are ordered, the run's own rate last."""
    return math.inf if amount == storage.OWN_RATE else float(amount)


def _shared(found: Iterable[storage.Measurements]) -> set[tuple[str, str]]:
    """Kinds and amounts that were measured in two runs at least."""
    seen: set[tuple[str, str]] = set()
    shared: set[tuple[str, str]] = set()
    for each in found:
        own = {(purd.kind, purd.amount) for purd in each.purds}
        shared |= own & seen
        seen |= own
    return shared


def _purd_cells(purd: numbers.Purd) -> list[object]:
    return [purd.record.kind, purd.record.amount, purd.record.num_samples, *tables.purd_cells(purd.summary)]


def _iqm(x: numbers.Evaluation) -> str:
    return tables.with_interval(x.iqm, x.low, x.high)


def _name(policy: storage.PolicyName) -> str:
    return f"{policy.run}/{policy.seed}/{policy.step}"


def _pairs(settings: Mapping[str, object], form: str = "{}={}") -> str:
    return ", ".join(form.format(*pair) for pair in settings.items())


# Writing


def _write_csv(target: storage.Output, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes it; raises UserError where it cannot be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    target.write(text.getvalue().encode())
    if not target.is_stdout:
        console.print_files([target.path])


def _print_problems(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(as_command(main))
