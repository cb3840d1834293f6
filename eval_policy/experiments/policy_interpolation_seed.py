"""`experiment=policy_interpolation_seed`: the paths between all checkpoints of one seed, or of two.

Knows the job's settings; which pairs there are is in `eval_policy.stored`, how a path is measured in
`eval_policy.interpolation`.
"""

from eval_policy.interpolation import measure_paths
from eval_policy.stored import pairs_of_seed
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyInterpolationSeed
from landscapes.jobs.find_run import finder


def run(job: Job) -> None:
    """Measures the path of each ordered pair of checkpoints, or of the half of them that was asked for."""
    s = job.settings
    assert isinstance(s, PolicyInterpolationSeed)
    pairs = pairs_of_seed(finder(job), s)
    measure_paths(job, pairs, f"{pairs[0].one.run.name}-s{s.seed}-paths")
