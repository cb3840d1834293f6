"""What a member of a sweep of walks needs, looked at before any is launched.

Knows the root and the name of the run that a walk makes; walks nowhere and imports no JAX.
"""

from collections.abc import Callable
from functools import partial

from improve_ltp.names import walk_name
from landscapes.config.job import Job
from landscapes.config.schemas import RejectLtp
from landscapes.jobs.sweep_check import SweepCheck


def make_check(waits: bool) -> Callable[[Job], None]:
    """Looks at one member after the other; `waits`: they begin only after other jobs have ended."""
    return partial(_check, SweepCheck(waits))


def _check(sweep: SweepCheck, job: Job) -> None:
    """Raises UserError where the root is not stored, or the walk's own run is another one's."""
    job = sweep.at_root(job)
    s = job.settings
    assert isinstance(s, RejectLtp)
    root = s.root_policy_conf
    sweep.new_run(job, job.member_name or (walk_name(s, root.run_name) if root.is_known else None))
