"""Tiny environments whose returns and values are known, and a toy algorithm whose neighbourhood is.

Knows the two contracts of `landscapes.types` and how an agent is made of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.spaces import Box, Discrete, Spaces
from landscapes.training import make_agent
from landscapes.types import (
    Agent,
    Algorithm,
    Collecting,
    Environment,
    Key,
    Metrics,
    Policy,
    PyTree,
    TimeStep,
    Unrolled,
    UpdateKind,
)


class ProbeState(NamedTuple):
    """`obs` [k] is all there is to know besides `num_steps` [] int32."""

    obs: jax.Array
    num_steps: jax.Array


Start = Callable[[Key, float | jax.Array], jax.Array]
Advance = Callable[[ProbeState, jax.Array], tuple[jax.Array, jax.Array, bool | jax.Array]]


def _make(name: str, start: Start, advance: Advance, sizes: tuple[int, int], episode_length: int) -> Environment:
    """An environment from `start(key, noise) -> obs` and `advance(state, action) -> (obs, reward, terminated)`."""

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[ProbeState, TimeStep]:
        obs = start(key, start_noise)
        false = jnp.zeros((), bool)
        return ProbeState(obs, jnp.zeros((), jnp.int32)), TimeStep(obs, obs, jnp.zeros(()), false, false)

    def step(state: ProbeState, action: jax.Array) -> tuple[ProbeState, TimeStep]:
        obs, reward, terminated = advance(state, jnp.clip(action, -1.0, 1.0))
        num_steps = state.num_steps + 1
        terminated = jnp.asarray(terminated)
        truncated = (num_steps >= episode_length) & ~terminated
        return ProbeState(obs, num_steps), TimeStep(obs, obs, jnp.float32(reward), terminated, truncated)

    observation, action = Box((sizes[0],)), Box((sizes[1],), -1.0, 1.0)
    return Environment(name, "probe", reset, step, observation, action, episode_length)


def _zero(key: Key, start_noise: float | jax.Array) -> jax.Array:
    return jnp.zeros(1)


def _sign(key: Key, start_noise: float | jax.Array) -> jax.Array:
    """-1 or 1 with equal probability; 1 without start noise."""
    return jnp.where(start_noise * jax.random.uniform(key, (1,), minval=-1.0) < 0.0, -1.0, 1.0)


# The five: each is solved only by an agent of which one more thing is right.


def constant_reward() -> Environment:
    """One step, reward 1: the value of every state and action is 1."""
    return _make("constant_reward", _zero, lambda state, action: (state.obs, jnp.float32(1.0), True), (1, 1), 1)


def value_from_observation() -> Environment:
    """One step; the reward is the observation, -1 or 1."""
    return _make("value_from_observation", _sign, lambda state, action: (state.obs, state.obs[0], True), (1, 1), 1)


def discounting() -> Environment:
    """Two steps, observations 0 and 1; reward 1 after the second: values γ and 1."""

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        second = state.num_steps == 1
        return jnp.ones(1), jnp.where(second, 1.0, 0.0), second

    return _make("discounting", _zero, advance, (1, 1), 2)


def action_matters() -> Environment:
    """One step; the reward is 1 - (action - ½)²: the best action is ½."""
    return _make(
        "action_matters", _zero, lambda state, action: (state.obs, 1.0 - (action[0] - 0.5) ** 2, True), (1, 1), 1
    )


def action_depends_on_observation() -> Environment:
    """One step; the reward is 1 - (action - observation / 2)²: the best action is half the observation, -1 or 1."""

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, bool]:
        return state.obs, 1.0 - (action[0] - 0.5 * state.obs[0]) ** 2, True

    return _make("action_depends_on_observation", _sign, advance, (1, 1), 1)


# Ends of episodes


def truncating(episode_length: int = 4, backend: str = "probe") -> Environment:
    """Reward 1 for ever, cut off by the time limit only: every value is 1 / (1 - γ)."""
    return _make(
        "truncating", _zero, lambda state, action: (state.obs, jnp.float32(1.0), False), (1, 1), episode_length
    )


def any_of_six(which: jax.Array) -> Environment:
    """One of the five, or `truncating`, by a number that may be traced: all are learned in one compiled program."""
    all_six = (
        constant_reward(),
        value_from_observation(),
        discounting(),
        action_matters(),
        action_depends_on_observation(),
        truncating(),
    )

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PyTree, TimeStep]:
        return jax.lax.switch(which, [env.reset for env in all_six], key, start_noise)

    def step(state: PyTree, action: jax.Array) -> tuple[PyTree, TimeStep]:
        return jax.lax.switch(which, [env.step for env in all_six], state, action)

    return Environment("any_of_six", "probe", reset, step, Box((1,)), Box((1,), -1.0, 1.0), 4)


def terminating(num_steps: int = 3, episode_length: int = 10) -> Environment:
    """Observation t; step t (from 0) has reward t + 1, and step `num_steps - 1` terminates; then reward 1000 a step."""

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        t = state.num_steps.astype(jnp.float32)
        reward = jnp.where(state.num_steps < num_steps, t + 1.0, 1000.0)
        return (t + 1.0)[None], reward, state.num_steps + 1 >= num_steps

    return _make("terminating", _zero, advance, (1, 1), episode_length)


def line(episode_length: int = 10, backend: str = "probe", limit: float = 3.0, num_axes: int = 2) -> Environment:
    """A point that moves by its action on `num_axes` lines: the observation is where it is, and a constant 1.

    The reward is the new position on the first line; reaching ±`limit` on any line terminates. It starts within
    ±start_noise. `line_episode` knows the return.
    """

    def start(key: Key, start_noise: float | jax.Array) -> jax.Array:
        return jnp.append(start_noise * jax.random.uniform(key, (num_axes,), minval=-1.0), 1.0)

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        position = state.obs[:-1] + action
        return jnp.append(position, 1.0), position[0], jnp.any(jnp.abs(position) >= limit)

    return _make("line", start, advance, (num_axes + 1, num_axes), episode_length)


def choices(episode_length: int = 10) -> Environment:
    """`line` on one axis with three choices: to the left, to stay, to the right."""
    moved = line(episode_length, num_axes=1)

    def step(state: ProbeState, action: jax.Array) -> tuple[ProbeState, TimeStep]:
        return moved.step(state, (action.astype(jnp.float32) - 1.0)[None])

    return moved._replace(name="choices", step=step, action=Discrete(3))


def line_episode(
    start: np.ndarray, action: np.ndarray, gamma: float, episode_length: int = 10, limit: float = 3.0
) -> tuple[float, float, int]:
    """Return, discounted return and length on `line` from the position `start` if the action is always `action`."""
    position, returned, discounted = np.array(start, np.float64), 0.0, 0.0
    for t in range(episode_length):
        position = position + np.clip(action, -1.0, 1.0)
        returned += position[0]
        discounted += gamma**t * position[0]
        if np.any(np.abs(position) >= limit):
            break
    return returned, discounted, t + 1


# Neighbourhoods


def bowl(num_axes: int = 3) -> Environment:
    """One step; the reward is -‖action‖²."""
    return _make("bowl", _zero, lambda state, action: (state.obs, -jnp.sum(action**2), True), (1, num_axes), 1)


def changes(episode_length: int = 4) -> Environment:
    """The return is the sum of the squared changes between successive actions: 0 if they are all the same."""

    def start(key: Key, start_noise: float | jax.Array) -> jax.Array:
        return jnp.zeros(1)

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, bool]:
        reward = jnp.where(state.num_steps == 0, 0.0, jnp.sum((action - state.obs) ** 2))
        return action, reward, False

    return _make("changes", start, advance, (1, 1), episode_length)


def counted(env: Environment) -> tuple[Environment, dict[str, int]]:
    """`env`, and how often its functions were called: under `jit`, how often they were traced."""
    calls = {"reset": 0, "step": 0}

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PyTree, TimeStep]:
        calls["reset"] += 1
        return env.reset(key, start_noise)

    def step(state: PyTree, action: jax.Array) -> tuple[PyTree, TimeStep]:
        calls["step"] += 1
        return env.step(state, action)

    return env._replace(reset=reset, step=step), calls


# The toy algorithm


@dataclass
class Config:
    """Settings of `quadratic`."""

    start: float = 0.2  # every coordinate of the first point
    data_mean: float = 0.1  # every coordinate
    data_std: float = 1.0
    batch_size: int = 4
    learning_rate: float = 0.1
    updates_per_chunk: int = 64


class QuadraticLearner(NamedTuple):
    policy: Policy
    opt_count: jax.Array


def quadratic(config: Config, env: Environment) -> Agent:
    """`quadratic_algorithm` at work in `env`."""
    agent = make_agent(env, quadratic_algorithm(config, env.spaces))
    return agent._replace(updates_per_chunk=config.updates_per_chunk)


def quadratic_algorithm(config: Config, spaces: Spaces) -> Algorithm:
    """Gradient descent of a point θ on the mean of ½‖θ - x‖² over a batch of noisy data x ~ N(mean, std²).

    One update leads to θ - rate (θ - x̄), so θ' ~ N(θ - rate (θ - mean), (rate · std)² / batch_size) on each axis. The
    point is the action.
    """

    def init(key: Key) -> tuple[QuadraticLearner, PyTree]:
        policy = Policy({"point": jnp.full(spaces.action.shape, config.start)}, ())
        return QuadraticLearner(policy, jnp.uint32(0)), ()

    def batch_of(key: Key, log: PyTree, data: PyTree) -> jax.Array:
        noise = jax.random.normal(key, (config.batch_size, *spaces.action.shape))
        return config.data_mean + config.data_std * noise

    def digest(key: Key, learner: QuadraticLearner, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, PyTree, Metrics]:
        return log, (), {}

    def policy_update(
        key: Key, learner: QuadraticLearner, batch: jax.Array, learning_rate: jax.Array | None = None
    ) -> tuple[QuadraticLearner, Metrics]:
        rate = config.learning_rate if learning_rate is None else learning_rate
        point = learner.policy.params["point"]
        policy = learner.policy._replace(params={"point": point - rate * (point - batch.mean(axis=0))})
        return QuadraticLearner(policy, learner.opt_count + jnp.uint32(1)), {}

    def update(
        key: Key,
        learner: QuadraticLearner,
        log: PyTree,
        data: PyTree,
        phase: int,
        learning_rate: jax.Array | None = None,
    ) -> tuple[QuadraticLearner, Metrics]:
        return policy_update(key, learner, batch_of(key, log, ()), learning_rate)

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return policy.params["point"], memory

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        return policy.params["point"], memory, ()

    return Algorithm(
        name="quadratic",
        init=init,
        collecting=Collecting(),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        learns_from_log=True,  # which is a distribution, the same for ever
        update_kinds={
            "quadratic_optimization": UpdateKind("learning_rate"),
            "quadratic_label": UpdateKind("label"),
            "quadratic_with_action": UpdateKind("label", action_noise=0.1, episodes=10),
        },
    )


# What a dotted path may wrongly point at


def no_environment(episode_length: int, backend: str) -> str:
    return "no environment"


def no_algorithm(config: Any, spaces: Spaces) -> str:
    return "no algorithm"


NOT_CALLABLE = 3


# A task with published numbers


def pendulum() -> Environment:
    """Swing up a pendulum and hold it: gymnasium's Pendulum-v1, 200 steps, actions scaled to a torque of ±2.

    Random policies return about -1200, good ones about -150.
    """

    def look(angle: jax.Array, speed: jax.Array) -> jax.Array:
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), speed])

    def start(key: Key, start_noise: float | jax.Array) -> jax.Array:
        angle, speed = jax.random.uniform(key, (2,), minval=-1.0) * jnp.array([jnp.pi, 1.0])
        return look(jnp.pi + start_noise * (angle - jnp.pi), start_noise * speed)

    def advance(state: ProbeState, action: jax.Array) -> tuple[jax.Array, jax.Array, bool]:
        angle, speed, torque = jnp.arctan2(state.obs[1], state.obs[0]), state.obs[2], 2.0 * action[0]
        reward = -(angle**2 + 0.1 * speed**2 + 0.001 * torque**2)
        speed = jnp.clip(speed + 0.05 * (15.0 * jnp.sin(angle) + 3.0 * torque), -8.0, 8.0)
        return look(angle + 0.05 * speed, speed), reward, False

    return _make("pendulum", start, advance, (3, 1), 200)
