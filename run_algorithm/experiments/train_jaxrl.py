"""`experiment=train_jaxrl`: off-policy training (TD3, SAC, or an algorithm of the user's own).

Knows this experiment's settings; the job itself is in run_algorithm.train.
"""

from landscapes.config.job import Job
from landscapes.config.schemas import TrainJaxrl
from run_algorithm.checks import length_key
from run_algorithm.schedule import off_policy_schedule
from run_algorithm.train import EvaluationSettings, Task, train


def run(job: Job) -> None:
    """Trains as the job says."""
    train(job, task(job))


def task(job: Job) -> Task:
    """What the job wants trained."""
    s = job.settings
    assert isinstance(s, TrainJaxrl)
    return Task(
        env_name=s.env_name,
        env_key="experiment.env_name",
        backend=str(s.backend),
        env_options=s.env_options,
        reset_interval=s.reset_interval,
        num_seeds=s.num_seeds,
        seed=s.seed,
        evaluation=EvaluationSettings(s.eval_episodes, s.eval_episode_length),
        make_schedule=lambda algorithm: off_policy_schedule(
            algorithm.env_steps,
            s.max_steps,
            s.eval_interval,
            s.log_interval,
            s.agent_log_starts if s.checkpoint else [],
            s.agent_log_step,
            s.agent_num_logs,
        ),
        # Room that a short run cannot fill is not taken.
        changed_settings={"replay_capacity": min(s.replay_buffer_size, s.max_steps)},
        length_key=length_key(s),
        show_progress=s.tqdm,
    )
