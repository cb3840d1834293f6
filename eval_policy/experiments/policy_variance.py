"""`experiment=policy_variance`, as published: the distribution of returns in the neighbourhood of stored policies.

Knows the job's settings; the measurement is in eval_policy.purds.
"""

from eval_policy.distributions import Wanted
from eval_policy.purds import Purds
from eval_policy.stored import measured_policies
from landscapes import loading
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyVariance
from landscapes.jobs.find_run import finder


def run(job: Job) -> None:
    """Measures every checkpoint at every amount, checkpoint by checkpoint."""
    s = job.settings
    assert isinstance(s, PolicyVariance)
    stored, policies = measured_policies(finder(job), s)
    wanted = Wanted(
        policies=policies,
        kind=s.noise_type,
        amounts=s.noise_amounts,
        num_samples=s.eval_episodes,
        batch_size=s.batch_size,
        episode_length=s.episode_length,
        discount=s.discount,
        num_recorded=s.record_trajectories,
        show_progress=s.tqdm,
        ckpt_key="experiment.ckpt_indexes",
        amounts_key="experiment.noise_amounts",
    )
    made = loading.rebuild(stored, s.episode_length)
    Purds(job, stored, wanted, made).run(job.member_name or f"{stored.name}-s{s.seed}-{s.noise_type}")
