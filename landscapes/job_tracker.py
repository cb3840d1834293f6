"""The tracker of a job: what every entry point tells wandb about itself.

Knows jobs, runs and trackers; knows no metric.
"""

from landscapes import storage
from landscapes.config.job import Job
from landscapes.tracking import Tracker, make_tracker


def job_tracker(job: Job, run: storage.Run, name: str, job_type: str, group: str | None = None) -> Tracker:
    """A tracker called `name` that writes below the folder of `run`; its config carries `result_dir` and versions."""
    config = {
        **job.resolved,
        "result_dir": str(run.path),
        "versions": storage.environment_record()["versions"],
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
        None,
        job_type,
    )
