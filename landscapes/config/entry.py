"""The first thing that an entry point imports: its libraries take most of a second, in which Ctrl-C may come.

Knows where commands are run; imports it last.
"""

import gc
import importlib
import sys

from landscapes.machine.output import print_any_text

STOPPED = 130

# Importing and tracing make objects by the million, nearly all of which stay: to look for garbage after every 700 of
# them, as Python does, takes half a second of a small command.
_OBJECTS_BETWEEN_COLLECTIONS = 10_000


def enter(entry_point: str) -> int:
    """Runs `python -m ENTRY_POINT` with this process's arguments and returns the exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    print_any_text()
    try:
        from landscapes.config.launch import run_entry_point
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    return run_entry_point(entry_point)


def enter_script(module: str, name: str) -> int:
    """Runs a published script with this process's arguments, `module.main(name, arguments)`; returns the exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    print_any_text()
    try:
        script = importlib.import_module(module)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    return int(script.main(name, sys.argv[1:]))
