"""Others' programs for simulators that Python steps: Stable-Baselines3's PPO, ALE's vector environment, envpool.

Knows those packages and imports nothing of the suite but the record of a workload; none needs JAX.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.workload import Case, Workload


def sb3_ppo(task: str, config: Mapping[str, Any]) -> Workload:
    """Steps (of Atari, of four frames) of Stable-Baselines3's PPO, trained by its own `learn`.

    Each environment is one of gymnasium's in this process; rewards are the task's. A game of Atari is seen as
    `AtariPreprocessing` of gymnasium has it, stacked by four, by `CnnPolicy`; any other task by `MlpPolicy`.
    """
    from stable_baselines3 import PPO

    num_envs, steps = int(config["num_envs"]), int(config["unroll_length"])
    atari = "hidden_dims" not in config
    agent = PPO(
        "CnnPolicy" if atari else "MlpPolicy",
        _sb3_environments(task, num_envs, atari),
        n_steps=steps,
        batch_size=num_envs * steps // int(config["num_minibatches"]),
        n_epochs=int(config["num_epochs"]),
        learning_rate=float(config["learning_rate"]),
        clip_range=float(config["clip_eps"]),
        ent_coef=float(config["ent_coef"]),
        vf_coef=float(config["vf_coef"]),
        max_grad_norm=float(config["max_grad_norm"]),
        policy_kwargs=None if atari else {"net_arch": [int(width) for width in config["hidden_dims"]]},
    )

    def run(amount: int) -> float:
        agent.learn(amount * num_envs * steps, reset_num_timesteps=False)
        return float(amount * num_envs * steps)

    return Workload("step", {"only": Case(run)}, {"policy": "CnnPolicy" if atari else "MlpPolicy"})


def _sb3_environments(task: str, num_envs: int, atari: bool) -> Any:
    import gymnasium
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

    if not atari:
        return DummyVecEnv([lambda: gymnasium.make(task)] * num_envs)
    import ale_py
    from gymnasium.wrappers import AtariPreprocessing

    gymnasium.register_envs(ale_py)

    def one() -> Any:
        plain = gymnasium.make(f"ALE/{task}", frameskip=1, repeat_action_probability=0.0, max_episode_steps=108_000)
        return AtariPreprocessing(plain, noop_max=30, frame_skip=4, screen_size=84, grayscale_newaxis=True)

    return VecFrameStack(DummyVecEnv([one] * num_envs), 4)


def ale_vector(game: str, num_envs: int) -> Workload:
    """Steps of four frames of ale-py's own vector environment under random actions: no network, nothing kept."""
    from ale_py.vector_env import AtariVectorEnv

    envs = AtariVectorEnv(game=game, num_envs=num_envs, frameskip=4, noop_max=30, use_fire_reset=True)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=(1024, num_envs))

    def run(amount: int) -> float:
        for i in range(amount):
            envs.step(actions[i % len(actions)])
        return float(amount * num_envs)

    return Workload("step", {"only": Case(run)}, {"lanes": num_envs})


def envpool_steps(task: str, num_envs: int) -> Workload:
    """Steps of envpool's environments under random actions: no network, nothing kept."""
    import envpool

    envs = envpool.make(task, env_type="gymnasium", num_envs=num_envs, seed=0)
    envs.reset()
    actions = np.random.default_rng(0).integers(envs.action_space.n, size=(1024, num_envs))

    def run(amount: int) -> float:
        for i in range(amount):
            envs.step(actions[i % len(actions)])
        return float(amount * num_envs)

    return Workload("step", {"only": Case(run)}, {"lanes": num_envs})
