"""An algorithm set to work in an environment: the lanes it learns in, and how experience is collected in them.

Knows the algorithm record and the environment contract; knows no concrete algorithm, no seeds and no schedule.
"""

import jax
import jax.numpy as jnp

from landscapes.experience.unroll import or_uniform, start_lane, unroll, unroll_episode, unroll_many
from landscapes.types import Agent, Algorithm, Environment, Key, Lane, Metrics, Policy, PyTree, TrainState, Unrolled


def make_agent(env: Environment, algorithm: Algorithm) -> Agent:
    """`algorithm` at work in `env`, whose spaces it was made for."""
    wanted = algorithm.collecting
    steps = env.episode_length if wanted.whole_episodes else wanted.steps
    goes_on = not (wanted.whole_episodes or wanted.fresh_starts)

    def start_lanes(key: Key, policy: Policy) -> PyTree:
        """Fresh lanes `[lanes, ...]`."""
        start = jax.vmap(lambda key: start_lane(env, algorithm.init_memory, key, policy))
        return start(jax.random.split(key, wanted.lanes))

    def live(key: Key, policy: Policy, lanes: PyTree, uniform: bool | jax.Array) -> tuple[PyTree, Unrolled]:
        """The steps of one iteration: the lanes after them, and what was lived through."""
        behave = or_uniform(algorithm.explore, env.action, uniform)
        if wanted.whole_episodes:
            keys = jax.random.split(key, wanted.lanes)
            one = jax.vmap(lambda key: unroll_episode(env, behave, algorithm.init_memory, key, policy))
            return (), Unrolled(*one(keys))
        if wanted.fresh_starts:
            key_starts, key = jax.random.split(key)
            lanes = start_lanes(key_starts, policy)
        memory = lanes.memory
        if wanted.lanes == 1:  # without a batch, which would cost a simulator of one lane dearly
            lane: Lane = jax.tree.map(lambda x: x[0], lanes)
            one_lane = unroll(env, behave, algorithm.init_memory, key, policy, lane, steps)
            lanes, transitions, extras = jax.tree.map(lambda x: x[None], one_lane)
        else:
            keys = jax.random.split(key, wanted.lanes)
            lanes, transitions, extras = unroll_many(env, behave, algorithm.init_memory, keys, policy, lanes, steps)
        return lanes if goes_on else (), Unrolled(transitions, extras, memory, jnp.ones((wanted.lanes, steps), bool))

    def init(key: Key) -> TrainState:
        key_algorithm, key_lanes = jax.random.split(key)
        learner, log = algorithm.init(key_algorithm)
        return TrainState(learner, log, start_lanes(key_lanes, learner.policy) if goes_on else ())

    def collect(key: Key, state: TrainState, uniform: bool | jax.Array = False) -> tuple[TrainState, PyTree, Metrics]:
        key_live, key_digest = jax.random.split(key)
        lanes, unrolled = live(key_live, state.learner.policy, state.lanes, uniform)
        log, data, metrics = algorithm.digest(key_digest, state.learner, state.log, unrolled)
        return TrainState(state.learner, log, lanes), data, metrics

    def sample_batch(key: Key, state: TrainState) -> PyTree:
        if algorithm.learns_from_log:
            return algorithm.batch_of(key, state.log, ())
        key_collect, key_batch = jax.random.split(key)
        state, data, _ = collect(key_collect, state)
        return algorithm.batch_of(key_batch, state.log, data)

    at_once = 64 if algorithm.learns_from_log or wanted.lanes * steps == 1 else 1
    return Agent(env, algorithm, wanted.lanes * steps, init, collect, sample_batch, at_once)
