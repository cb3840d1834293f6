"""The run that a job works on: made, or found and continued.

Knows jobs and run folders; knows nothing of what a run holds, nor of what any experiment does.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from landscapes import storage
from landscapes.config.earlier import config_of_today
from landscapes.config.job import Job
from landscapes.errors import UserError
from landscapes.run_names import allocation_run_name, slurm_member_name, unique_run_name

_ANY_TIME = (
    "use_wandb",
    "project_name",
    "wandb.project_name",
    "wandb.entity_name",
    "wandb.mode",
    "wandb.per_seed",
    "tensorboard",
    "csv",
    "run_host",
    "results_dir",
    "overwrite",
    "save_interval",
    "dry_run",
    "wait",
    "gpu_memory_fraction",
    "experiment.tqdm",
)
"""Settings of any experiment under which a run may go on that began under others: no result depends on them."""


def new_run_name(job: Job, stem: str) -> str:
    """What the run of a job is called that begins from nothing: as was asked; else by the number that SLURM has given
    to this member; else by that of the SLURM job it is one command of, and by the command; else a unique name.

    `stem` is what names begin with that are made up. Settings on which no result depends are no part of the command.
    """
    if job.member_name is not None:
        return job.member_name
    if job.by_slurm and (number := slurm_member_name()):
        return number
    command = json.dumps([job.sweep_index, decisive_settings(job)], sort_keys=True)
    return allocation_run_name(stem, command) or unique_run_name(stem)


def decisive_settings(job: Job) -> dict[str, Any]:
    """The experiment and those of its settings that results depend on, by their dotted names."""
    settings = storage.flat_settings(job.resolved)
    return {"experiment": job.experiment_name} | {k: v for k, v in settings.items() if k not in _ANY_TIME}


def open_or_create(
    job: Job,
    results: Path,
    name: str,
    record: Mapping[str, Any],
    may_change: Iterable[str] = (),
    may_grow: str | None = None,
    parent: storage.Run | None = None,
) -> tuple[storage.Run, list[str]]:
    """The run to work on, and the settings that have changed since it began (none of a new run).

    Settings in `may_change` may have changed, and `may_grow` may have become larger. Raises UserError naming others,
    where what may only grow became smaller, and where the run began at a policy not of `parent` but of a run of its
    name that was there before.
    """
    over = storage.starts_over(job.overwrite)
    found = None if over else storage.find_run(results, name)
    if found is None:
        return storage.create_run(results, name, record, over), []
    changed = check_may_go_on(job, found, may_change, may_grow)
    if parent is not None:
        remedy = "choose another run_name, or overwrite=true to start over"
        storage.check_not_replaced([found.record["parent"]], [parent], f"run {name}", remedy)
    storage.check_results_writable(found.path)
    return found, changed


def check_may_go_on(job: Job, found: storage.Run, may_change: Iterable[str], may_grow: str | None) -> list[str]:
    """The settings that have changed since that run began; raises UserError as above."""
    found = found.with_record(config=config_of_today(found.record.get("config") or {}))
    allowed = {*_ANY_TIME, *may_change} | ({may_grow} if may_grow else set())
    changed = storage.check_same_settings(found, job.resolved, allowed)
    if may_grow is not None and may_grow in changed:
        before, now = (_setting(config, may_grow) for config in (found.record["config"], job.resolved))
        if now < before:
            raise UserError(may_grow, now, f"run {found.name} began with {before}, and can only become longer")
    return changed


def is_finished(run: storage.Run) -> bool:
    """Whether there is nothing left to do; says so."""
    if run.record["status"] != "finished":
        return False
    print(f"run {run.name} is finished ({run.path}); overwrite=true starts over")
    return True


def continued(record: Mapping[str, Any]) -> dict[str, Any]:
    """What changes in the record of a run that goes on: its settings, but not who began it with which versions."""
    return {name: record[name] for name in ("config", "algorithm")} | {"status": "running"}


def _setting(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
