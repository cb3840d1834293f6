"""`landscapes completion bash|zsh`: prints what lets that shell complete commands, keys, experiments and runs.

Knows the words of a command line; asks `keys` and `stored` for what may stand there. Imports neither JAX nor Hydra, and
no module behind a command.
"""

import sys
from collections.abc import Sequence

from landscapes.cli import shells, table
from landscapes.machine.output import print_any_text

_JOB_FLAGS = ("--multirun", "--help", "--cfg", "--hydra-help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the script, or for `words WORD...`, which the scripts ask, what the last word may become; 0, or 2."""
    print_any_text()
    match list(sys.argv[1:] if arguments is None else arguments):
        case ["words", *words]:
            print(*completions(words), sep="\n")
        case [shell] if shell in shells.SCRIPTS:
            print(shells.script(shell, [command.name for command in table.present()]), end="")
        case ["-h" | "--help"]:
            print("source <(landscapes completion bash), or zsh in the place of bash: in the shell's own start-up file")
        case words:
            told = f"wants the name of a shell, one of {', '.join(shells.SCRIPTS)}"
            print(f"completion={' '.join(words)}: {told}", file=sys.stderr)
            return 2
    return 0


def completions(words: Sequence[str]) -> list[str]:
    """What the last word after `landscapes` may become, whole words, those that end in `=` or `/` to be gone on with.

    Empty where the shell may know better: for files, and for what is not known.
    """
    *before, current = words or [""]
    if not before:
        offered = [command.name for command in table.present()]
    else:
        command = table.find(before[0])
        offered = [] if command is None else _of_command(command, before[1:], current)
    return [word for word in offered if word.startswith(current)]


def _of_command(command: table.Command, before: Sequence[str], current: str) -> list[str]:
    if command.takes_settings:
        return _of_job(command.module, command.arguments(before), current)
    if command.names == "jobs":
        if not before:
            jobs = [each.name for each in table.COMMANDS if each.takes_settings]
            return [*jobs, *_options(command, current)]
        module, *settings = command.arguments(before)
        return _of_job(module, settings, current)
    return [*(command.words if not before else ()), *_names(command, before, current), *_options(command, current)]


def _of_job(entry_point: str, before: Sequence[str], current: str) -> list[str]:
    from landscapes.cli import keys

    if current.startswith("-"):
        return list(_JOB_FLAGS)
    key, equals, typed = current.partition("=")
    if not equals:
        return [f"{name}=" for name in keys.names(entry_point, before)]
    return [f"{key}={value}" for value in keys.values(entry_point, before, key, typed)]


def _options(command: table.Command, current: str) -> list[str]:
    if current.startswith("-"):
        return [*command.options, "--help"]
    switches = [name.removeprefix("--no-").removeprefix("--") for name in command.options]
    return [f"{name.replace('-', '_')}=" for name in switches] if "=" not in current else []


def _names(command: table.Command, before: Sequence[str], current: str) -> list[str]:
    """Runs or sweeps of the results folder, those that were named already left out."""
    if command.names not in ("runs", "sweeps") or current.startswith("-") or "=" in current:
        return []
    from landscapes.cli import stored

    results = stored.results(before)
    found = stored.runs(results) if command.names == "runs" else stored.sweeps(results)
    return [name for name in found if name not in before]


if __name__ == "__main__":
    sys.exit(main())
