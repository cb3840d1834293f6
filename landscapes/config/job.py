"""One validated job: everything that an experiment is told, as plain typed values.

Knows the keys that all experiments share and how they are checked; no Hydra, no files, and no experiment's own keys.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from landscapes.config.kinds import KINDS, Settings, entry_point_of
from landscapes.config.published import Spelled
from landscapes.config.training import Training, build_training
from landscapes.errors import UserError
from landscapes.machine.folders import results_directory
from landscapes.run_names import check_new_name, check_run_name, member_name
from landscapes.settings.fields import NOT_EMPTY, build, one_of, shown
from landscapes.settings.ranges import Positive, PositiveShare, Seed, Text


@dataclass
class WandbSettings:
    """Where and how wandb logs."""

    project_name: Text  # the project that runs are logged to
    entity_name: Text | None  # null: the account's own
    mode: Annotated[str, one_of("online", "offline", "disabled")] | None  # null: online where there is a key
    per_seed: bool  # true: one run for each seed, in a group


@dataclass
class SharedSettings:
    """The keys beside `experiment`, the same for all experiments."""

    random_seed: Seed  # of everything random; a training and a cloning read it as experiment.seed alone
    use_wandb: bool  # false: wandb is never imported
    project_name: Text  # of wandb
    wandb: WandbSettings
    tensorboard: bool  # true: event files for TensorBoard in the run folder
    csv: bool  # true: metrics as CSV in the run folder
    run_host: Text  # recorded only; the presets of job_config set it
    run_name: Annotated[str, NOT_EMPTY] | None  # of the new run (of a sweep's: NAME_0, NAME_1, ...); null: made up
    results_dir: Annotated[str, NOT_EMPTY] | None  # of all runs; null: $LANDSCAPES_RESULTS, else results/
    overwrite: bool  # true: a run of the same name is removed first, results are made again; false: it goes on
    save_interval: Positive  # seconds between two saves that an interrupted job goes on from
    dry_run: bool  # true: says what the job would take, and ends; of a sweep, of all members and together
    wait: bool  # false: a sweep is handed to SLURM, and the command does not wait for its end
    gpu_memory_fraction: PositiveShare | None  # of a GPU's memory; null: JAX's own, three quarters


@dataclass
class Job:
    """What `ENTRY_POINT/experiments/KIND.py: run(job)` is called with."""

    entry_point: str
    experiment_name: str
    kind: str
    settings: Settings
    """The experiment's own settings; an instance of the class that `kinds.KINDS` names for it."""
    random_seed: int
    use_wandb: bool
    wandb: WandbSettings
    tensorboard: bool
    csv: bool
    run_name: str | None
    results_dir: str | None
    overwrite: bool
    save_interval: float
    """Seconds; a job that is killed loses at most the work since its last save."""
    dry_run: bool
    """Whether only the plan is shown."""
    wait: bool
    """Whether the command that submits it to SLURM ends after it, or at once."""
    gpu_memory_fraction: float | None
    run_host: str
    resolved: dict[str, Any]
    """The whole configuration as a nested dict of plain values, converted: `1e6` for an integer is there as 1000000."""
    sweep_index: int | None = None
    """Which member of a sweep this is, from 0; None outside one."""
    sweep_folder: str | None = None
    """What the folder of the sweep is called, where it has one: on SLURM."""
    by_slurm: bool = False
    """Whether SLURM runs this process for this member alone, as a job or a task of its own."""
    spelled: Spelled = field(default_factory=lambda: Spelled([]))
    """How its settings were typed."""

    @property
    def member_name(self) -> str | None:
        """The name asked for, in a sweep made different for each member: NAME_0, NAME_1, ..., unless it is made of
        settings (`walk_${env}`); None if none was asked for."""
        if self.run_name is None or self.sweep_index is None or self.spelled.name_template:
            return self.run_name
        return member_name(self.run_name, self.sweep_index)

    @property
    def sweep_name(self) -> str | None:
        """What the members of a sweep have in common: the name asked for, else that of its folder; None for neither."""
        if self.sweep_index is None:
            return None
        template = self.spelled.name_template
        stem = self.run_name if template is None else template.partition("${")[0].rstrip("_-.")
        return stem or self.sweep_folder

    def with_settings(self, settings: Settings) -> "Job":
        """The same job with other settings of its experiment, in what is recorded of it too."""
        return dataclasses.replace(self, settings=settings, resolved={**self.resolved, "experiment": _plain(settings)})

    def error_as_typed(self, error: UserError) -> UserError:
        """The same error under the key that the user typed, where an algorithm's own config raised it too."""
        key = self.settings.key_of(error.key) if isinstance(self.settings, Training) else error.key
        return self.spelled.error(UserError(key, error.value, error.allowed))


def make_job(
    entry_point: str,
    experiment_name: str | None,
    values: Mapping[str, Any],
    sweep_index: int | None = None,
    sweep_folder: str | None = None,
    by_slurm: bool = False,
    spelled: Spelled | None = None,
) -> Job:
    """The job of a composed configuration.

    Args: experiment_name: the choice made for `experiment`; values: the resolved configuration without Hydra's own
    part, as plain values. Raises UserError for the first value that does not fit.
    """
    kind = find_kind(entry_point, experiment_name, values)
    own = {name: value for name, value in values["experiment"].items() if name != "kind"}
    given = values.get("run_name")
    if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(float(str(given))):
        check_new_name(shown(given))
    shared = build(SharedSettings, {name: value for name, value in values.items() if name != "experiment"})
    results_directory(shared.results_dir)  # raises where it names no folder
    if shared.run_name is not None:
        check_new_name(shared.run_name)
        if sweep_index is not None and not (spelled and spelled.name_template):
            check_run_name(member_name(shared.run_name, sweep_index))
    schema = KINDS[entry_point][kind]
    settings: Settings = build_training(own) if schema is Training else build(schema, own, "experiment.")
    return Job(
        entry_point=entry_point,
        experiment_name=str(experiment_name),
        kind=kind,
        settings=settings,
        random_seed=shared.random_seed,
        use_wandb=shared.use_wandb,
        wandb=shared.wandb,
        tensorboard=shared.tensorboard,
        csv=shared.csv,
        run_name=shared.run_name,
        results_dir=shared.results_dir,
        overwrite=shared.overwrite,
        save_interval=shared.save_interval,
        dry_run=shared.dry_run,
        wait=shared.wait,
        gpu_memory_fraction=shared.gpu_memory_fraction,
        run_host=shared.run_host,
        resolved={**dataclasses.asdict(shared), "experiment": _plain(settings)},
        sweep_index=sweep_index,
        sweep_folder=sweep_folder,
        by_slurm=by_slurm,
        spelled=spelled or Spelled([]),
    )


def _plain(settings: Settings) -> dict[str, Any]:
    return settings.flat() if isinstance(settings, Training) else dataclasses.asdict(settings)


def find_kind(entry_point: str, experiment_name: str | None, values: Mapping[str, Any]) -> str:
    """Which of the entry point's kinds a composed experiment is of; raises UserError where it is of none."""
    own, kinds = values.get("experiment"), KINDS[entry_point]
    if not isinstance(own, Mapping):
        raise UserError("experiment", shown(own), "is a group of keys; set them one by one, as experiment.KEY=VALUE")
    kind = own.get("kind")
    if isinstance(kind, str) and kind in kinds:
        return kind
    other = entry_point_of(kind)
    if other is None:
        allowed = f"must be one of {', '.join(kinds)}, as an experiment that yours is built on says"
        raise UserError("experiment.kind", shown(kind), allowed)
    raise UserError("experiment", shown(experiment_name), f"belongs to {other}")
