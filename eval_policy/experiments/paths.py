"""`experiment=paths`: the straight paths between all policies of a run that are chosen, each pair once.

Knows this experiment's settings; the job itself is in eval_policy.interpolation.
"""

from functools import partial

from eval_policy.interpolation import measure_paths
from eval_policy.stored import pairs_of_run
from landscapes import storage
from landscapes.config.job import Job
from landscapes.config.schemas import Paths
from landscapes.jobs.find_run import find_run


def run(job: Job) -> None:
    """Measures all pairs."""
    s = job.settings
    assert isinstance(s, Paths)
    pairs = pairs_of_run(partial(find_run, job, storage.results_directory(job.results_dir)), s)
    measure_paths(job, pairs, f"{pairs[0].one.run.name}-paths")
