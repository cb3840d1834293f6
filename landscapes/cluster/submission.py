"""Submits the members of a sweep to SLURM as one array, and waits for them.

Knows submitit's jobs and SLURM's queue; knows nothing of what a member does, nor whether anybody wants to wait.
"""

import contextlib
import dataclasses
import io
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher

from landscapes.cluster import squeue


class LaunchError(Exception):
    """A member that ended without handing anything back: its process died, or its scheduler lost it."""


class SubmissionError(Exception):
    """SLURM has refused the array; nothing of it is in the queue."""


def submit(launcher: Launcher, members: Sequence[Sequence[str]]) -> list[Any]:
    """One submitit job for each member, all in the queue; `launcher` is Hydra's for SLURM, ready to be called.

    This is how that launcher submits, without its waiting. Raises SubmissionError with SLURM's own reason.
    """
    import submitit
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf  # type: ignore[import-untyped]

    settings = dict(launcher.params)
    folder, requeues = settings.pop("submitit_folder"), settings.pop("max_num_timeout")
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=requeues)
    general = {field.name for field in dataclasses.fields(BaseQueueConf)}
    executor.update_parameters(**{k if k in general else f"slurm_{k}": value for k, value in settings.items()})
    calls = [
        (list(arguments), "hydra.sweep.dir", index, f"job_id_for_{index}", Singleton.get_state())
        for index, arguments in enumerate(members)
    ]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises
            return list(executor.map_array(launcher, *zip(*calls, strict=True)))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        raise SubmissionError(" ".join(str(error).split())) from error


def array_id(jobs: Sequence[Any]) -> str:
    """What `scancel` and `squeue` call all of them together."""
    return str(jobs[0].job_id).partition("_")[0]


def wait(jobs: Sequence[Any], seconds: float) -> list[Any]:
    """What each job has handed back, in their order, once none is in the queue any more; a LaunchError in the place of
    one that left it with nothing.

    Asks the queue alone until then, every so many `seconds`, and not the file system. A result may be seen some seconds
    after its job has gone: a job without one is given up when the queue lacks it twice in a row.
    """
    waiting, missed = dict(enumerate(jobs)), set[int]()
    while waiting:
        time.sleep(seconds)
        queue = squeue.queue()
        if queue is None:
            continue
        gone = {index for index, job in waiting.items() if job.job_id not in queue}
        for index in gone:
            if index in missed or waiting[index].paths.result_pickle.exists():
                del waiting[index]
        missed = gone
    return [_outcome(job) for job in jobs]


def _outcome(job: Any) -> Any:
    if not job.paths.result_pickle.exists():
        told = f"job {job.job_id} left the queue with no result: cancelled, out of memory, or its node was lost"
        return LaunchError(f"{told} ({job.paths.stderr})")
    try:
        return job.results()[0].return_value
    except Exception as error:
        if not type(error).__module__.startswith("submitit"):
            raise
        return LaunchError(f"job {job.job_id} died: {_last_line(str(error))} ({job.paths.stderr})")


def _last_line(text: str) -> str:
    """Of the traceback that submitit sets between two rules; of the whole text where there are none."""
    trace = text.split("-" * 20)[1:2]
    lines = [line.strip("- ") for line in (trace or [text])[0].splitlines()]
    return next((line for line in reversed(lines) if line), "for a reason unknown")
