"""Others' programs for simulators that Python steps: Stable-Baselines3's PPO, ALE's vector environment, envpool.

Knows those packages and imports nothing of the suite but the record of a workload; none needs JAX.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.workload import Case, Workload


def sb3_ppo(game: str, config: Mapping[str, Any]) -> Workload:
    """Steps (of four frames) of Stable-Baselines3's PPO with its `CnnPolicy`, trained by its own `learn`.

    Each game is its own emulator in this process, seen as `AtariPreprocessing` of gymnasium has it and stacked by four;
    rewards are the game's.
    """
    import ale_py
    import gymnasium
    from gymnasium.wrappers import AtariPreprocessing
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

    gymnasium.register_envs(ale_py)

    def one() -> Any:
        plain = gymnasium.make(f"ALE/{game}", frameskip=1, repeat_action_probability=0.0, max_episode_steps=108_000)
        return AtariPreprocessing(plain, noop_max=30, frame_skip=4, screen_size=84, grayscale_newaxis=True)

    num_envs, steps = int(config["num_envs"]), int(config["unroll_length"])
    envs = VecFrameStack(DummyVecEnv([one] * num_envs), 4)
    agent = PPO(
        "CnnPolicy",
        envs,
        n_steps=steps,
        batch_size=num_envs * steps // int(config["num_minibatches"]),
        n_epochs=int(config["num_epochs"]),
        learning_rate=float(config["learning_rate"]),
        clip_range=float(config["clip_eps"]),
        ent_coef=float(config["ent_coef"]),
        vf_coef=float(config["vf_coef"]),
        max_grad_norm=float(config["max_grad_norm"]),
    )

    def run(amount: int) -> float:
        agent.learn(amount * num_envs * steps, reset_num_timesteps=False)
        return float(amount * num_envs * steps)

    return Workload("step", {"only": Case(run)}, {"policy": "CnnPolicy"})


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
