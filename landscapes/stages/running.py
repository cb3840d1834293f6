"""Stages of a study: lists of command lines, shown as one would type them, or run in processes of their own.

Knows processes and requests to stop; knows no key, no run and no study.
"""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from landscapes.machine.folders import process_environment
from landscapes.machine.stopping import HEARD

Command = tuple[str, ...]
"""What stands after `python -m`."""

RunCommands = Callable[[Sequence[Command], bool], int]
"""Runs commands, side by side or one after the other; the exit code of the first that fails, else 0."""


@dataclass(frozen=True)
class Stage:
    """`commands` are made when it is reached; `example` stands for one of them before, where it cannot be known yet."""

    name: str
    about: str
    commands: Callable[[], list[Command]]
    known: bool = True
    """Whether the commands can be told before anything has run."""
    example: Command = ()
    may_fail: bool = False
    """Whether an exit code of 1 only says that there was nothing to draw."""


def run_stages(stages: Sequence[Stage], run: RunCommands, side_by_side: bool) -> int:
    """All stages, one after the other; 0, or the exit code of the command that failed."""
    for number, stage in enumerate(stages, start=1):
        commands = stage.commands()
        print(f"\n[{number}/{len(stages)}] {stage.name}: {stage.about}", flush=True)
        if not commands:
            print("nothing to do: no policy qualifies" if not stage.known else "nothing to do", flush=True)
        code = run(commands, side_by_side)
        if code and not (stage.may_fail and code == 1):
            print(
                f"stopped in stage {stage.name} (exit code {code}); the same command goes on from here", file=sys.stderr
            )
            return code
    return 0


def show(stage: Stage) -> None:
    """Prints the command lines of a stage, or one like those that cannot be known yet."""
    print(f"\n# {stage.name}: {stage.about}")
    commands = stage.commands()
    for command in commands:
        print(typed(command))
    if not commands and not stage.known:
        print(
            "# chosen when it is reached, from what was measured; one of them looks like this:\n# "
            f"{typed(stage.example)}"
        )


def typed(command: Command) -> str:
    """A command as one would type it."""
    return f"python -m {shlex.join(command)}"


def in_processes(commands: Sequence[Command], side_by_side: bool) -> int:
    """Each command in a process of its own, as a user would; a request to stop is passed on to those that run."""
    running: list[subprocess.Popen[bytes]] = []
    heard: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        heard.append(number)
        for process in running:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (*HEARD, signal.SIGHUP)}
    try:
        for command in commands:
            if heard:
                return 128 + heard[0]
            print(f"\n$ {typed(command)}", flush=True)
            # In a session of its own it hears the keyboard through here only: twice would end it without saving.
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=process_environment(), start_new_session=True
            )
            running.append(process)
            if not side_by_side and (code := _exit_code(process)):
                return code
        codes = [_exit_code(process) for process in running]
        return next((code for code in codes if code), 128 + heard[0] if heard else 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    return code if code >= 0 else 128 - code
