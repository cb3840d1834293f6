"""A run found by its name: among the results here, else by what wandb has of it.

Knows jobs, run folders and what wandb says of them; knows nothing of what a run holds.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from landscapes import storage, tracking
from landscapes.config.job import Job
from landscapes.config.schemas import RejectLtp, TrainBc
from landscapes.errors import UserError
from landscapes.run_names import check_run_name
from landscapes.tracking.wandb_runs import NoAnswerError, WandbRun, wandb_runs

Find = Callable[[str, str], storage.Run]
"""The run of a name; the second text is the key that names it, for errors."""

ROOT_KEY = "experiment.root_policy_conf"


def find_run(job: Job, results: Path, name: str, key: str = "experiment.run_name") -> storage.Run:
    """The run called `name` in `results`; else, where the job logs to wandb online, in the folder of a run of that
    name in the job's wandb project, whose config says where on a shared file system that is.

    Raises UserError under `key`, saying where was looked. Nothing is downloaded: wandb has only references to
    checkpoints. Takes at most some seconds more where the server does not answer, and says so in one line.
    """
    here = results / check_run_name(name, key)
    try:
        return storage.open_run(results, name, key)
    except UserError as absent:
        if here.exists() or tracking.resolve_mode(job.use_wandb, job.wandb.mode) != "online":
            raise
        return _elsewhere(job, name, absent)


def at_root(job: Job, find: Find) -> tuple[Job, storage.Run]:
    """A job that begins at a stored policy, told the step of its checkpoint where it was to be the last one, and the
    run that holds it; raises UserError naming what is not there."""
    s = job.settings
    assert isinstance(s, TrainBc | RejectLtp)
    root = s.root_policy_conf
    run = find(root.run_name, f"{ROOT_KEY}.run_name")
    storage.check_seed(run, root.seed, f"{ROOT_KEY}.seed")
    step = storage.find_checkpoint(run, root.seed, root.ckpt, f"{ROOT_KEY}.ckpt")
    found = dataclasses.replace(root, ckpt=step)
    return job.with_settings(dataclasses.replace(s, root_policy_conf=found)), run


def finder(job: Job) -> Find:
    """Finds runs for this job."""
    return functools.partial(find_run, job, storage.results_directory(job.results_dir))


def _elsewhere(job: Job, name: str, absent: UserError) -> storage.Run:
    where = "/".join(filter(None, [job.wandb.entity_name, job.wandb.project_name]))
    try:
        recorded = wandb_runs(job.wandb.project_name, job.wandb.entity_name, name)
    except NoAnswerError as error:
        print(f"warning: wandb could not be asked for run {name} ({error})", file=sys.stderr, flush=True)
        raise absent from None
    if not recorded:
        told = f"{absent.allowed}; nor has wandb one in project {where}"
        raise UserError(absent.key, name, told) from None
    present = _present(recorded, name)
    if len(present) > 1:
        folders = ", ".join(sorted(str(run.path.parent) for run in present))
        told = f"wandb has several runs of that name in project {where}; choose one by results_dir=, of {folders}"
        raise UserError(absent.key, name, told) from None
    if not present:
        raise UserError(absent.key, name, f"{absent.allowed}; {_not_here(recorded, name, where)}") from None
    print(f"run {name} found by way of wandb: {present[0].path}", flush=True)
    return present[0]


def _present(recorded: Sequence[WandbRun], name: str) -> list[storage.Run]:
    """The runs called `name` that lie where wandb says, each once."""
    found: dict[Path, storage.Run] = {}
    for folder in filter(None, (_folder(run, name) for run in recorded)):
        try:
            found.setdefault(folder, storage.open_run(folder.parent, name))
        except UserError:
            continue
    return list(found.values())


def _folder(run: WandbRun, name: str) -> Path | None:
    """Where the run says that it lies, without links and `..`; None where that cannot be a run folder of that name."""
    if not isinstance(run.result_dir, str) or "\0" in run.result_dir or not Path(run.result_dir).is_absolute():
        return None
    folder = Path(run.result_dir).resolve()
    return folder if folder.name == name else None


def _not_here(recorded: Sequence[WandbRun], name: str, where: str) -> str:
    """Why none of them can be used."""
    folders = sorted({str(folder) for run in recorded if (folder := _folder(run, name))})
    if not folders:
        return f"wandb has it in project {where} ({recorded[0].url}), but not as a run of this program with a folder"
    lies = f"wandb has it in project {where} ({recorded[0].url}), in {', '.join(folders)}, which is no run folder here"
    return f"{lies}; wandb has only references to its checkpoints, so that folder is needed"
