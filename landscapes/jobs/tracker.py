"""The tracker of a job: what every entry point tells wandb about itself.

Knows jobs, runs and trackers; knows no metric.
"""

from landscapes import storage
from landscapes.config.job import Job
from landscapes.tracking import Tracker, make_tracker


def job_tracker(
    job: Job, run: storage.Run, name: str, job_type: str, group: str | None = None, run_id: str | None = None
) -> Tracker:
    """A tracker called `name` that writes below the folder of `run`; its config carries `result_dir` and versions.

    With `run_id` the tracked run of that id goes on.
    """
    config = {
        **job.resolved,
        "result_dir": str(run.path),
        "versions": storage.package_versions(),
    }
    return make_tracker(
        job.use_wandb,
        job.wandb.mode,
        job.wandb.project_name,
        job.wandb.entity_name,
        name,
        group,
        config,
        run.path,
        run_id,
        job_type,
    )
