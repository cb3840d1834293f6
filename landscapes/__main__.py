"""`landscapes COMMAND [key=value ...]`, or `python -m landscapes`: every command by its name.

Knows that a command is a module, and runs it as `python -m` would; until then it imports next to nothing.
"""

import contextlib
import os
import runpy
import sys
from collections.abc import Sequence

from landscapes import __version__
from landscapes.cli import table


def main(arguments: Sequence[str] | None = None) -> int:
    """Shows help or the version and returns 0, or 2 for a command that is not there; else the process ends as the
    command does, by SystemExit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    match words:
        case [] | ["-h" | "--help" | "help"]:
            print(table.help_text())
            return 0
        case ["-V" | "--version", *_]:
            print(f"landscapes {__version__}")
            return 0
        case ["help", name, *_]:
            words = [name, "--help"]
    command = table.find(words[0])
    if command is None:
        print(_no_such(words[0]), file=sys.stderr)
        return 2
    _find_modules_here()
    sys.argv = [sys.argv[0], *command.arguments(words[1:])]
    runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    return 0


def _no_such(name: str) -> Exception:
    from landscapes.errors import UserError
    from landscapes.settings.fields import closest

    by_module = [command.name for command in table.COMMANDS if command.module == name and command.name in _names()]
    told = f"it is called {' or '.join(by_module)} here" if by_module else closest(name, _names())
    return UserError("command", name, f"no such command; {told}")


def _names() -> list[str]:
    return [command.name for command in table.present()]


def _find_modules_here() -> None:
    """Code of the user's own is imported from the folder where one stands, as with `python -m`."""
    if sys.flags.safe_path:
        return
    with contextlib.suppress(FileNotFoundError):  # a folder that was removed
        here = os.getcwd()
        if here not in sys.path[:1]:
            sys.path.insert(0, here)


if __name__ == "__main__":
    sys.exit(main())
