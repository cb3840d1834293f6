"""What a member of a sweep of measurements needs, looked at before any is launched.

Knows which experiment names which policies; measures nothing and imports no JAX.
"""

from collections.abc import Callable
from functools import partial

from eval_policy.stored import (
    chosen_policies,
    given_pairs,
    measured_policies,
    pairs_of_run,
    pairs_of_seed,
    slice_policies,
)
from landscapes.config.job import Job
from landscapes.config.schemas import (
    LandscapeSlice,
    Neighborhood,
    Paths,
    PolicyInterpolation,
    PolicyInterpolationSeed,
    PolicyTest,
    PolicyVariance,
)
from landscapes.jobs.sweep_check import SweepCheck


def make_check(waits: bool) -> Callable[[Job], None]:
    """Looks at one member after the other; `waits`: they begin only after other jobs have ended."""
    return partial(_check, SweepCheck(waits))


def _check(sweep: SweepCheck, job: Job) -> None:
    """Raises UserError where a policy that the job measures is not stored."""
    if sweep.waits:
        return
    find, s = sweep.find(job), job.settings
    if isinstance(s, PolicyVariance):
        measured_policies(find, s)
    elif isinstance(s, Neighborhood | PolicyTest):
        chosen_policies(find, s)
    elif isinstance(s, Paths):
        pairs_of_run(find, s)
    elif isinstance(s, PolicyInterpolationSeed):
        pairs_of_seed(find, s)
    elif isinstance(s, PolicyInterpolation):
        given_pairs(find, s)
    else:
        assert isinstance(s, LandscapeSlice)
        slice_policies(find, s)
