"""The tracker of a job: what every entry point tells wandb, TensorBoard and a CSV file about itself.

Knows jobs, runs and trackers; knows no metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landscapes import storage
from landscapes.config.job import Job
from landscapes.tracking import Told, Tracker, WandbWanted, Wanted, csv_path, make_tracker, resolve_mode
from landscapes.tracking import tensorboard_folder as event_folder


@dataclass(frozen=True)
class Tracked:
    """A job as its trackers are to know it."""

    name: str
    job_type: str
    group: str | None = None
    seeds: tuple[int, ...] = ()
    """Of which it tells under `seed{k}/` each."""
    seed: int | None = None
    """The one that all metrics without such a prefix are of, if there is one."""
    makes_run: bool = False
    """Whether it makes the run that it writes to, and is not a study of it; only such a job goes on where it stood."""
    in_order: bool = True
    """Whether, run again, it tells again all from some step on."""


def tracked_measurement(name: str, job_type: str, run: storage.Run, seeds: Sequence[int]) -> Tracked:
    """A measurement of stored policies of these seeds of a run, which tells only what it newly measures."""
    if len(seeds) > 1:
        return Tracked(name, job_type, group=run.name, seeds=tuple(seeds), in_order=False)
    return Tracked(name, job_type, group=run.name, seed=seeds[0], in_order=False)


def job_tracker(job: Job, run: storage.Run, tracked: Tracked) -> Tracker:
    """A tracker that writes below the folder of `run`; its config carries `result_dir` and versions.

    Of a job that makes the run, what was tracked before under its `wandb_id` goes on.
    """
    return make_tracker(_wanted(job), _told(job, run, tracked))


def print_tracking(job: Job, folder: Path, tracked: Tracked) -> None:
    """A last row of the plan of a job that writes to the run folder `folder`, made or not: where its metrics will be.

    Prints nothing where they are nowhere; raises UserError as `job_tracker`.
    """
    told, places = _told(job, storage.Run(folder, {}), tracked), []
    mode = resolve_mode(job.use_wandb, job.wandb.mode)
    if mode != "disabled":
        each = ", a run for each seed" if job.wandb.per_seed and tracked.seeds else ""
        places.append(f"wandb ({mode}{each})")
    if job.tensorboard:
        places.append(f"TensorBoard ({event_folder(told)})")
    if job.csv:
        places.append(f"CSV ({csv_path(told)})")
    if places:
        print(f"  metrics: {', '.join(places)}", flush=True)


def _wanted(job: Job) -> Wanted:
    w = job.wandb
    wandb = WandbWanted(w.project_name, w.entity_name, w.mode, w.per_seed) if job.use_wandb else None
    return Wanted(wandb, tensorboard=job.tensorboard, csv=job.csv)


def _told(job: Job, run: storage.Run, tracked: Tracked) -> Told:
    config = {
        **job.resolved,
        "result_dir": str(run.path),
        "versions": storage.package_versions(),
    }
    return Told(
        name=tracked.name,
        directory=run.path,
        job_type=tracked.job_type,
        config=config,
        group=tracked.group,
        run_id=run.record.get("wandb_id") if tracked.makes_run else None,
        makes_run=tracked.makes_run,
        seeds=tracked.seeds,
        seed=tracked.seed,
        in_order=tracked.in_order,
    )
