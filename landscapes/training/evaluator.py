"""Evaluation of all members of a run at once, from fresh starts.

Knows the algorithm record and the engine of episodes; knows no training, no file and no logger.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.machine.compilation import Program
from landscapes.types import Act, Agent, Environment, Key, Policy, PyTree


class Evaluator(NamedTuple):
    """Compiled evaluation of all members."""

    program: Callable[[Key], Program]
    """What `evaluate` will call for members with these keys `[num_seeds]`, for those who compile beforehand."""
    evaluate: Callable[[Key, Policy, int], np.ndarray]
    """`(keys [num_seeds], policies [num_seeds], step)`: undiscounted returns `[num_seeds, num_episodes]`."""


def make_evaluator(
    env: Environment, agent: Agent, num_seeds: int, num_episodes: int, act: Act | None = None, max_lanes: int = 256
) -> Evaluator:
    """Evaluates each policy by `act` (None: its mode), from fresh starts drawn anew for every `step`, the first episode
    of each environment only. Evaluators of the same sizes have the same starts."""
    num = num_seeds * num_episodes
    engine = rollout.make_engine(env, agent.act if act is None else act, agent.init_memory, min(num, max_lanes), 1.0)

    @functools.partial(jax.jit, compiler_options=devices.compiler_options(env.light))
    def run(keys: Key, policies: Policy, step: jax.Array) -> jax.Array:
        def of_member(key: Key) -> Key:
            return jax.random.split(jax.random.fold_in(key, step), (num_episodes, 2))

        episode_keys = jax.vmap(of_member)(keys).reshape(num, 2)
        index = jnp.arange(num)
        starts: PyTree = jax.vmap(env.reset)(episode_keys[:, 0])
        episodes = rollout.Episodes(policies, index // num_episodes, starts, index, episode_keys[:, 1], jnp.int32(num))
        state = engine.advance(engine.begin(episodes), episodes, jnp.int32(env.episode_length + 1) * num)
        return state.results.returns.reshape(num_seeds, num_episodes)

    def program(keys: Key) -> Program:
        policies = jax.eval_shape(jax.vmap(agent.init), keys).learner.policy
        return Program(run, (keys, policies, np.uint32(0)))

    def evaluate(keys: Key, policies: Policy, step: int) -> np.ndarray:
        return np.asarray(run(keys, policies, np.uint32(step)))

    return Evaluator(program, evaluate)
