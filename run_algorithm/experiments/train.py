"""Experiments that train an algorithm: `experiment=train_td3`, `train_sac`, `train_ppo`, and so on.

Knows their common settings; the job itself is in run_algorithm.train.
"""

from landscapes.config.job import Job
from landscapes.config.training import Training
from run_algorithm.checks import length_key
from run_algorithm.curves import last_return
from run_algorithm.schedule import make_schedule
from run_algorithm.train import EvaluationSettings, Task, train


def run(job: Job) -> float | None:
    """Trains as the job says; returns the mean return of the last evaluation, of all seeds that have not diverged."""
    run = train(job, task(job))
    return None if run is None else last_return(run)


def task(job: Job) -> Task:
    """What the job wants trained."""
    s = job.settings
    assert isinstance(s, Training)
    return Task(
        env_name=s.env,
        env_key="experiment.env",
        backend=str(s.backend),
        env_options=s.env_options,
        episode_length=s.episode_length,
        num_seeds=s.num_seeds,
        seed=s.seed,
        evaluation=EvaluationSettings(s.eval_episodes, s.eval_episode_length, s.eval_sampled),
        make_schedule=lambda agent: make_schedule(agent.env_steps, s),
        length_key=length_key(s),
        show_progress=s.tqdm,
    )
