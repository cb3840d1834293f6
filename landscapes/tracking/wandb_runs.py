"""The runs of one name in a wandb project, asked of the wandb API by a process of its own: `wandb_runs(...)`.

Knows the API; knows nothing of run folders. wandb's client goes on trying where a server hangs, even when its process
wants to end: a process apart can be ended, and keeps what wandb writes and remembers out of the job's own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from landscapes.machine.folders import REPOSITORY
from landscapes.tracking import why_silent

ASK_SECONDS = 15.0
"""The longest that an answer is waited for, the start of the process included."""
_REQUEST_SECONDS = 4
"""For one request; there are three, after one that only asks whether the server answers."""
_MOST = 20
"""So many runs of one name are looked at, the newest first."""
_INHERITED_NEVER = ("WANDB_SERVICE", "WANDB_MODE")


class WandbRun(NamedTuple):
    """What a project says of one run."""

    url: str
    result_dir: object
    """What its config holds under that key: a path, as a job of ours writes it, None, or anything else."""


class NoAnswerError(Exception):
    """The wandb API could not be asked; says why."""


def wandb_runs(project: str, entity: str | None, name: str) -> list[WandbRun]:
    """The runs called `name`, the newest first; none where there is no such project.

    Raises NoAnswerError within `ASK_SECONDS` if the server refuses, fails, or gives no answer.
    """
    path = f"{entity}/{project}" if entity else project
    with tempfile.TemporaryDirectory(prefix="wandb-") as folder:
        own = dict.fromkeys(("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"), folder)
        search = [str(REPOSITORY), os.environ.get("PYTHONPATH")]
        own |= {"WANDB_SILENT": "true", "PYTHONPATH": os.pathsep.join(filter(None, search))}
        inherited = {key: value for key, value in os.environ.items() if key not in _INHERITED_NEVER}
        asked = _output([sys.executable, "-m", "landscapes.tracking.wandb_runs", path, name], {**inherited, **own})
    try:
        answer = json.loads(asked.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise NoAnswerError("its client failed") from error
    if "error" in answer:
        raise NoAnswerError(answer["error"])
    return [WandbRun(**run) for run in answer["runs"]]


def _output(command: list[str], environment: dict[str, str]) -> str:
    """What a process prints; it and all that it started are ended when the time is over."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=ASK_SECONDS)[0]
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(f"no answer within {ASK_SECONDS:.0f} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _ask(path: str, name: str) -> dict[str, object]:
    if reason := why_silent():
        return {"error": reason}
    import wandb

    try:
        api = wandb.Api(timeout=_REQUEST_SECONDS)
        # As one run, or as one for each seed.
        either = {"$or": [{"display_name": name}, {"display_name": f"{name}-seed0"}]}
        found = api.runs(path, filters=either, order="-created_at", per_page=_MOST, lazy=False)
        runs = [run for run in found[:_MOST] if run.name == name or _is_of(run, name)]
    except ValueError as error:
        if "Could not find project" in str(error):
            return {"runs": []}
        return {"error": " ".join(str(error).split())}
    except Exception as error:  # whatever a client of a remote service raises is why there is no answer
        return {"error": " ".join(str(error).split()) or type(error).__name__}
    return {"runs": [{"url": run.url, "result_dir": run.config.get("result_dir")} for run in runs]}


def _is_of(run: Any, name: str) -> bool:
    """Whether the run of a seed is of the job of that name, and not of another one that is called like it."""
    return os.path.basename(str(run.config.get("result_dir"))) == name


if __name__ == "__main__":
    print(json.dumps(_ask(*sys.argv[1:])), flush=True)
    # Not by way of wandb's own end, which waits for the server.
    os._exit(0)
