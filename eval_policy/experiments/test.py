"""`experiment=test`: test episodes of the stored policies of a run, deterministic beside sampled.

Knows the job's settings; measuring and telling are in eval_policy.episodes, the page is the command's own.
"""

from eval_policy.distributions import Wanted
from eval_policy.episodes import Episodes
from eval_policy.stored import chosen_policies
from landscapes import loading
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyTest
from landscapes.errors import UserError
from landscapes.jobs.find_run import finder
from landscapes.report.writing import write_report
from landscapes.studies.neighborhood import TEST_KINDS


def run(job: Job) -> None:
    """Tests every policy that is asked for, then writes the run's page."""
    s = job.settings
    assert isinstance(s, PolicyTest)
    stored, policies = chosen_policies(finder(job), s)
    env, agent = loading.rebuild(stored, s.episode_length)
    if s.start_noise != 1 and not env.scales_start_noise:
        allowed = f"must be 1: {env.name} draws its starts by itself, and they cannot be scaled"
        raise UserError("experiment.start_noise", s.start_noise, allowed)
    kinds = TEST_KINDS if agent.sample is not None else TEST_KINDS[:1]
    if agent.sample is None:
        print(f"{agent.name} has no stochastic policy to sample from: its deterministic one is tested alone")
    wanted = [
        Wanted(
            policies=policies,
            kind=kind,
            amounts=[s.start_noise],
            num_samples=s.episodes,
            batch_size=s.batch_size,
            episode_length=env.episode_length,
            discount=s.discount,
            num_recorded=s.record_trajectories,
            show_progress=s.tqdm,
            ckpt_key="experiment.checkpoints",
            amounts_key="experiment.start_noise",
        )
        for kind in kinds
    ]
    Episodes(job, stored, wanted, (env, agent)).run(job.member_name or f"{stored.name}-test")
    if not job.dry_run:
        print(f"  {write_report([stored.name], str(stored.path.parent)).target}")
