"""`python -m landscapes.paper [claims RUN... | dead | pack RUN SEED STEP...] [key=value ...]`: the published study.

Knows the command line and starts what it asks for; what is trained and measured is the entry points' own.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from landscapes import console, storage
from landscapes.errors import UserError
from landscapes.paper import claims, cloning, gather, page, rejection
from landscapes.paper.costs import costs
from landscapes.paper.plan import stages
from landscapes.paper.roots import Choice, choose_roots
from landscapes.paper.sizes import RATES
from landscapes.paper.study import KEYS, Study, make_study, measured
from landscapes.stages import reading
from landscapes.stages.running import RunCommands, in_processes

USAGE = f"""python -m landscapes.paper [key=value ...]                 the whole study; goes on where it stood
python -m landscapes.paper claims RUN... [out=FILE]        the published claims from stored results
python -m landscapes.paper dead [key=value ...]            how often settings kill a seed
python -m landscapes.paper pack RUN SEED STEP... [out=DIR] a small run folder of one checkpoint or several

keys of the study: {", ".join(KEYS)}; hydra.KEY=VALUE and wandb.KEY=VALUE are given on to every job"""


def main(arguments: Sequence[str] | None = None, run: RunCommands | None = None) -> int:
    """Does what it is told; 0, 2 for a mistake, else the exit code of the command that failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    run = run or in_processes
    try:
        match words:
            case ["claims", *rest]:
                return _claims(rest)
            case ["dead", *rest]:
                from landscapes.paper import dead

                return dead.main(rest, run)
            case ["pack", *rest]:
                from landscapes.paper import pack

                return pack.main(rest)
        return _study(make_study(words), run)
    except UserError as error:
        console.one_line_error(error)
        return 2


def _study(study: Study, run: RunCommands) -> int:
    """All stages, one after the other."""
    all_stages = stages(study)
    _say_beforehand(study)
    return study.launch.go(all_stages, run)


def _say_beforehand(study: Study) -> None:
    told = costs(study)
    runs = ", ".join(f"{algorithm} on {task}" for algorithm, task in study.trainings)
    console.print_plan(
        f"The published experiment, size {study.size_name}",
        {
            "runs": f"{runs}, {study.num_seeds} seeds each",
            "backend": study.backend,
            "results": str(study.launch.results),
            "jobs": f"at most {sum(cost.jobs for cost in told.values())}",
            "environment steps": f"at most {console.human_count(sum(cost.steps for cost in told.values()))}",
            "time": f"about {console.human_duration(sum(cost.seconds for cost in told.values()))} one after the "
            f"other on {RATES.machine}",
            "disk": f"about {console.human_bytes(sum(cost.disk for cost in told.values()))}",
        },
    )
    rows = [
        [
            name,
            str(cost.jobs),
            console.human_count(cost.steps),
            console.human_duration(cost.seconds),
            console.human_bytes(cost.disk),
        ]
        for name, cost in told.items()
    ]
    console.print_table("Stages, at most", ["stage", "jobs", "steps or updates", "time", "disk"], rows)


CLAIMS_KEYS: dict[str, reading.Read] = {"out": reading.text, "results_dir": reading.text}


def _claims(words: Sequence[str]) -> int:
    """The page of claims about stored runs."""
    names = list(dict.fromkeys(word for word in words if "=" not in word))
    told = reading.read([word for word in words if "=" in word], CLAIMS_KEYS)
    if not names:
        raise UserError("claims", "", "wants the names of trained runs")
    results = storage.results_directory(told.get("results_dir"))
    runs = [storage.open_run(results, name, "claims") for name in names]
    out = Path(told.get("out", results / "claims.md")).expanduser().absolute()
    if out.suffix != ".md":
        raise UserError("out", out, "must end in .md; the numbers go beside it, in .json")
    groups = gather.groups_of(runs)
    walks = [walk for run in runs for walk in gather.walks_of(run)]
    others = [name for name in dict.fromkeys(r.record["algorithm"]["name"] for r in runs) if name != "td3"]
    found = [
        claims.like_means(groups),
        claims.left_tails(groups),
        claims.valleys([path for run in runs for path in gather.paths_of(run)]),
        rejection.rejection(walks, "d", ["td3"]),
        rejection.rejection(walks, "e", others or ["sac", "ppo"]),
        cloning.cloning(gather.clones_of_pairs(runs)),
    ]
    console.print_table("Claims", ["", "claim", "verdict"], [[x.letter, x.title, x.verdict] for x in found])
    command = f"python -m landscapes.paper claims {shlex.join(names)}"
    console.print_files(page.write(found, runs, _choices(runs), command, out))
    return 0


def _choices(runs: Sequence[storage.Run]) -> dict[str, Choice]:
    by_algorithm: dict[str, list[storage.Run]] = {}
    for run in runs:
        by_algorithm.setdefault(run.record["algorithm"]["name"], []).append(run)
    return {name: choose_roots([one for run in own for one in measured(run)], 10) for name, own in by_algorithm.items()}


if __name__ == "__main__":
    sys.exit(main())
