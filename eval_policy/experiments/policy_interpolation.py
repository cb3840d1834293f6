"""`experiment=policy_interpolation`: the paths between given pairs of stored policies.

Knows the job's settings; how a path is measured is in `eval_policy.interpolation`.
"""

from eval_policy.interpolation import measure_paths
from eval_policy.policies import check_alike
from eval_policy.stored import given_pairs
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyInterpolation
from landscapes.jobs.find_run import finder


def run(job: Job) -> None:
    """Measures the path of each pair, in their order."""
    s = job.settings
    assert isinstance(s, PolicyInterpolation)
    pairs = given_pairs(finder(job), s)
    for one, two in {(pair.one.run.name, pair.two.run.name): (pair.one.run, pair.two.run) for pair in pairs}.values():
        check_alike(one, two, "experiment.run_names2")
    measure_paths(job, pairs, f"{s.run_names1[0]}-paths")
