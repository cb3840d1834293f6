"""`experiment=policy_interpolation`: the paths between given pairs of stored policies.

Knows which pairs the settings name; how a path is measured is in `eval_policy.interpolation`.
"""

from eval_policy.interpolation import Pair, measure_paths
from eval_policy.policies import check_alike, check_stored
from landscapes import storage
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyInterpolation
from landscapes.jobs.find_run import find_run


def run(job: Job) -> None:
    """Measures the path of each pair, in their order."""
    s = job.settings
    assert isinstance(s, PolicyInterpolation)
    results = storage.results_directory(job.results_dir)
    runs = {name: find_run(job, results, name, "experiment.run_names2") for name in s.run_names2}
    runs |= {name: find_run(job, results, name, "experiment.run_names1") for name in s.run_names1}
    pairs: list[Pair] = []
    for name1, seed1, ckpt1, name2, seed2, ckpt2 in zip(
        s.run_names1, s.seeds1, s.ckpts1, s.run_names2, s.seeds2, s.ckpts2, strict=True
    ):
        one = check_stored(runs[name1], seed1, ckpt1, "experiment.seeds1", "experiment.ckpts1")
        two = check_stored(runs[name2], seed2, ckpt2, "experiment.seeds2", "experiment.ckpts2")
        pairs.append(Pair(one, two))
    for name1, name2 in dict.fromkeys(zip(s.run_names1, s.run_names2, strict=True)):
        check_alike(runs[name1], runs[name2], "experiment.run_names2")
    measure_paths(job, pairs, f"{s.run_names1[0]}-paths")
