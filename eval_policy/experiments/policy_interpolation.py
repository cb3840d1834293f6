"""`experiment=policy_interpolation`: the paths between given pairs of stored policies.

Knows the job's settings; how a path is measured is in `eval_policy.interpolation`.
"""

from functools import partial

from eval_policy.interpolation import measure_paths
from eval_policy.policies import check_alike
from eval_policy.stored import given_pairs
from landscapes import storage
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyInterpolation
from landscapes.jobs.find_run import find_run


def run(job: Job) -> None:
    """Measures the path of each pair, in their order."""
    s = job.settings
    assert isinstance(s, PolicyInterpolation)
    pairs = given_pairs(partial(find_run, job, storage.results_directory(job.results_dir)), s)
    for one, two in {(pair.one.run.name, pair.two.run.name): (pair.one.run, pair.two.run) for pair in pairs}.values():
        check_alike(one, two, "experiment.run_names2")
    measure_paths(job, pairs, f"{s.run_names1[0]}-paths")
