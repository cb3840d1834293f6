"""`python -m landscapes.published [NAME | FILE.yaml] [key=value ...]`: a published experiment in one command.

Knows the command line and starts what it asks for; what the experiments are is in their files.
"""

import sys
from collections.abc import Sequence
from typing import Any

from landscapes import console
from landscapes.errors import UserError
from landscapes.published import design
from landscapes.published.plan import Asked, stages
from landscapes.stages import reading
from landscapes.stages.launch import KEYS as LAUNCH_KEYS
from landscapes.stages.launch import make_launch
from landscapes.stages.running import RunCommands, in_processes

KEYS: dict[str, reading.Read] = {
    "size": reading.text,
    "env": reading.words,
    "num_seeds": reading.count,
    **LAUNCH_KEYS,
}

USAGE = f"""python -m landscapes.published                    which experiments there are
python -m landscapes.published NAME [key=value ...]   one of them; goes on where it stood
python -m landscapes.published FILE.yaml [...]        one of your own

keys: {", ".join(KEYS)}; hydra.KEY=VALUE and wandb.KEY=VALUE are given on to every job"""


def main(arguments: Sequence[str] | None = None, run: RunCommands | None = None) -> int:
    """Does what it is told; 0, 2 for a mistake, else the exit code of the command that failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    try:
        if not words:
            rows = [[name, read["about"], ", ".join(design.sizes_of(read))] for name, read in _all()]
            console.print_table("Published experiments", ["name", "about", "sizes"], rows)
            return 0
        asked = make_asked(words)
    except UserError as error:
        console.one_line_error(error)
        return 2
    all_stages = stages(asked)
    _say_beforehand(asked)
    return asked.launch.go(all_stages, run or in_processes)


def make_asked(words: Sequence[str]) -> Asked:
    """What the words ask for; raises UserError for the first that does not fit."""
    name, *rest = words
    if "=" in name:
        raise UserError("arguments", name, f"the name of an experiment comes first: {', '.join(design.names())}")
    found = design.read_file(name)
    own, on = reading.given_on(rest)
    told = reading.read(own, KEYS)
    offered = design.sizes_of(found)
    size = reading.one_of(*offered)("size", told.get("size", "laptop" if "laptop" in offered else offered[0]))
    made = design.make_design(name, found, size)
    changed: dict[str, Any] = {key: told[key] for key in ("env",) if key in told}
    changed |= {key: [told[key]] for key in ("num_seeds",) if key in told}
    made = made.with_settings(**changed)
    return Asked(
        design=made,
        size=size,
        launch=make_launch(told, f"{made.name}_{size}", on),
    )


def _all() -> list[tuple[str, dict[str, Any]]]:
    return [(name, design.read_file(name)) for name in design.names()]


def _say_beforehand(asked: Asked) -> None:
    made = asked.design
    seeds, steps = (made.train.get(key) for key in ("num_seeds", "steps"))
    rows = {
        "source": made.source,
        "runs": f"{len(made.members)}: {', '.join(asked.run_names)}",
        "seeds": f"{seeds} of each" if seeds else "",
        "figures and tables": str(asked.folder),
    }
    if isinstance(seeds, int) and isinstance(steps, int):
        total = console.human_count(steps * seeds * len(made.members))
        rows["environment steps"] = f"{console.human_count(steps)} of each seed, {total} in all"
    console.print_plan(f"{made.about}, size {asked.size}", {name: text for name, text in rows.items() if text})


if __name__ == "__main__":
    sys.exit(main())
