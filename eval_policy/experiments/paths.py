"""`experiment=paths`: the straight paths between all policies of a run that are chosen, each pair once.

Knows this experiment's settings; the job itself is in eval_policy.interpolation.
"""

from eval_policy.interpolation import measure_paths
from eval_policy.stored import pairs_of_run
from landscapes.config.job import Job
from landscapes.config.schemas import Paths
from landscapes.jobs.find_run import finder


def run(job: Job) -> None:
    """Measures all pairs."""
    s = job.settings
    assert isinstance(s, Paths)
    pairs = pairs_of_run(finder(job), s)
    measure_paths(job, pairs, f"{pairs[0].one.run.name}-paths")
