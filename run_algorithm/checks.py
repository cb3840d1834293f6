"""What a member of a sweep of trainings needs, looked at before any is launched; and under which other settings a run
goes on.

Knows settings, run folders and how code of the user's own is found; imports JAX only for such code, and trains nothing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from landscapes.config.job import Job
from landscapes.config.schemas import TrainBc
from landscapes.config.training import Training
from landscapes.envs.tasks import split_environment_name as dotted_path
from landscapes.jobs.sweep_check import SweepCheck
from landscapes.machine.folders import results_directory
from landscapes.machine.runtime import set_up_runtime
from landscapes.run_names import child_name

MAY_CHANGE = (
    "experiment.log_interval",
    "experiment.eval_interval",
    "experiment.eval_episodes",
    "experiment.eval_episode_length",
    "experiment.eval_sampled",
)
"""Settings under which a training may go on that began under others: none of them changes what is learned."""


def length_key(s: Training) -> str | None:
    """The setting that may become larger when the run goes on; None where nothing may."""
    return "experiment.steps" if s.may_grow else None


def clone_name(s: TrainBc, parent: str) -> str:
    """The run that a cloning of a policy of run `parent` makes, where no name is asked for."""
    root = s.root_policy_conf
    return child_name(parent, root.seed, root.step, f"bc_{s.seed}")


def make_check(waits: bool) -> Callable[[Job], None]:
    """Looks at one member after the other; `waits`: they begin only after other jobs have ended."""
    return partial(_check, SweepCheck(waits))


def _check(sweep: SweepCheck, job: Job) -> None:
    """Raises UserError for a root that is not stored, for code that cannot be imported, and where the run that the job
    makes is another one's."""
    if isinstance(job.settings, TrainBc):
        _check_clone(sweep, sweep.at_root(job))
        return
    s = job.settings
    assert isinstance(s, Training)
    _check_own_code(job, s)
    sweep.new_run(job, job.member_name, MAY_CHANGE, length_key(s))


def _check_clone(sweep: SweepCheck, job: Job) -> None:
    s = job.settings
    assert isinstance(s, TrainBc)
    root = s.root_policy_conf
    sweep.new_run(job, job.member_name or (clone_name(s, root.run_name) if root.is_known else None))


def _check_own_code(job: Job, s: Training) -> None:
    if not dotted_path(s.env) and not dotted_path(s.algorithm):
        return
    with _runtime_of(job):
        from landscapes.algorithms.registry import find_algorithm, make_config
        from landscapes.envs.registry import import_make

        if dotted_path(s.env):
            import_make("experiment.env", s.env)
        if dotted_path(s.algorithm):
            config = find_algorithm(s.algorithm, "experiment.algorithm")[1]
            if config is not None:
                make_config(config, s.settings)


@contextmanager
def _runtime_of(job: Job) -> Iterator[None]:
    """JAX set up as for the job, should the user's code start it; other machines inherit nothing of that."""
    before = dict(os.environ)
    set_up_runtime(results_directory(job.results_dir), job.gpu_memory_fraction)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
