"""SLURM's queue: which jobs of this user are in it, and how they are doing.

Knows `squeue` and how often it may be asked; knows no sweep, no run and no file.
"""

import os
import subprocess

from landscapes.errors import UserError

_ANSWER_SECONDS = 60.0
_ASK_VARIABLE = "LANDSCAPES_QUEUE_SECONDS"


def queue() -> dict[str, str] | None:
    """The state of each job in the queue, in lower case, by `{array job}_{task}` or `{job}`.

    Empty where there is no SLURM; None where its controller does not answer, so that nothing is known.
    """
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS)
    except FileNotFoundError:
        return {}
    except (OSError, subprocess.SubprocessError):
        return None
    return {job: state.lower() for job, state in (line.split() for line in done.stdout.splitlines())}


def seconds_between_questions() -> float:
    """How long whoever waits for jobs leaves the queue alone: `$LANDSCAPES_QUEUE_SECONDS`, else 10."""
    chosen = os.environ.get(_ASK_VARIABLE) or "10"
    try:
        seconds = float(chosen)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise UserError(_ASK_VARIABLE, chosen, "must be a number of seconds, above 0")
    return seconds
