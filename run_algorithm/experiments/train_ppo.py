"""`experiment=train_ppo`: on-policy training of PPO.

Knows this experiment's settings; the job itself is in run_algorithm.train.
"""

from landscapes.config.job import Job
from landscapes.config.schemas import TrainPpo
from run_algorithm.checks import length_key
from run_algorithm.schedule import on_policy_schedule
from run_algorithm.train import EvaluationSettings, Task, train


def run(job: Job) -> None:
    """Trains as the job says."""
    train(job, task(job))


def task(job: Job) -> Task:
    """What the job wants trained."""
    s = job.settings
    assert isinstance(s, TrainPpo)
    return Task(
        env_name=s.env_id,
        env_key="experiment.env_id",
        backend=str(s.backend),
        env_options=s.env_options,
        reset_interval=s.reset_interval,
        num_seeds=s.num_seeds,
        seed=s.seed,
        evaluation=EvaluationSettings(s.eval_episodes, s.eval_episode_length),
        make_schedule=lambda _: on_policy_schedule(
            s.total_timesteps, s.num_envs * s.num_steps, s.eval_interval, s.agent_num_logs if s.checkpoint else 0
        ),
        changed_settings={},
        length_key=length_key(s),
        show_progress=s.tqdm,
    )
