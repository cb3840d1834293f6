"""Simulators that Python steps, made environments like any other: their states are values, their steps callbacks.

Knows the contract of such a simulator (`landscapes.envs.simulator`) and the environment's; knows no simulator by name,
and no agent.

A compiled program calls back for each step of all its lanes at once. What it hands over are states as values: what the
simulator saved a few steps ago and the actions since; where it can save nothing, the seed it began from and all actions
since, which lead to the same place again. `landscapes.envs.pool` keeps the simulators that stand where a state was last
handed out, so that a state that simply goes on costs nothing; only one that is taken up again, elsewhere or once more,
is led there.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.buffer_callback import buffer_callback

from landscapes.envs.pool import NAME_SIZE, TOLD_SIZE, Arrays
from landscapes.envs.simulator import Hosted
from landscapes.envs.workers import Workers
from landscapes.types import Environment, Key, TimeStep, first_step


class HostedState(NamedTuple):
    """Where one simulator stands, as the steps that lead there.

    `actions` `[window, ...]` begins with the `num_since` [] int32 actions since `saved` `[saved_size]` uint8, or since
    the start from `seed` [] uint32 if no more than these `num_steps` [] int32 were taken. `name` `[4]` uint32 says
    which state it is. `over` [] bool: the episode has ended, and steps do nothing any more.
    """

    saved: jax.Array
    seed: jax.Array
    actions: jax.Array
    num_since: jax.Array
    num_steps: jax.Array
    name: jax.Array
    over: jax.Array


def _packed(state: HostedState, extra: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What the pool is told of a state, in few arrays, as each of them costs a call as much as all small ones do."""
    numbers = (state.seed, state.num_since, state.num_steps, state.over, extra)
    return state.saved, state.actions, jnp.stack([*(x.astype(jnp.uint32) for x in numbers), *state.name])


def ask(
    fill: Callable[[Arrays, Arrays], None],
    shapes: Sequence[jax.ShapeDtypeStruct],
    *given: jax.Array,
    in_place: bool = False,
) -> list[jax.Array]:
    """What `fill` makes, one array of each of these shapes, of those given, when the program runs: both are NumPy's,
    with any leading axes. `in_place`: the first that it makes may lie where the first that it is given does."""
    if jax.default_backend() != "cpu":
        rank = given[0].ndim

        def on_host(*told: Any) -> list[np.ndarray]:
            arrays = [np.asarray(x) for x in told]
            leading = arrays[0].shape[: arrays[0].ndim - rank]
            made = [np.empty((*leading, *shape.shape), shape.dtype) for shape in shapes]
            fill(arrays, made)
            return made

        found: list[jax.Array] = jax.pure_callback(on_host, list(shapes), *given, vmap_method="broadcast_all")
        return found

    def in_memory(context: Any, made: Any, *told: Any) -> None:
        fill([np.asarray(x) for x in told], [np.asarray(x) for x in made])

    # A callback that makes JAX's arrays of what it is given waits for the threads that run such callbacks: with two
    # devices and large arrays for ever (jaxlib 0.10.2). This one makes none, and costs a tenth of the time.
    call = buffer_callback(
        in_memory, list(shapes), vmap_method="broadcast_all", input_output_aliases={0: 0} if in_place else None
    )
    return list(call(*given))


def make_hosted(hosted: Hosted, backend: str) -> Environment:
    """An environment of `hosted`, truncated after its `episode_length` steps.

    Starts are drawn by the simulator from a seed, and cannot be scaled. All lanes of a program step in one call; the
    same state and action give the same step, wherever and however often.
    """
    pool = Workers(hosted)
    observation, action_space = hosted.observation, hosted.action
    saved_shape = jax.ShapeDtypeStruct((hosted.saved_size,), jnp.uint8)
    obs_shape = jax.ShapeDtypeStruct(observation.shape, observation.dtype)
    start_shapes = (obs_shape, jax.ShapeDtypeStruct((NAME_SIZE,), jnp.uint32))
    step_shapes = (saved_shape, obs_shape, jax.ShapeDtypeStruct((TOLD_SIZE,), jnp.uint32))

    def begin(seed: jax.Array, wanted: jax.Array) -> tuple[HostedState, jax.Array]:
        obs, name = ask(pool.start, start_shapes, jnp.stack([seed, wanted.astype(jnp.uint32)]))
        actions = jnp.zeros((hosted.window, *action_space.shape), action_space.dtype)
        zero, saved = jnp.zeros((), jnp.int32), jnp.zeros(hosted.saved_size, jnp.uint8)
        return HostedState(saved, seed, actions, zero, zero, name, jnp.zeros((), bool)), obs

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[HostedState, TimeStep]:
        state, obs = begin(jax.random.bits(key, (), jnp.uint32), jnp.array(True))
        return state, first_step(obs)

    def renew(key: Key, state: HostedState, ended: jax.Array) -> tuple[HostedState, jax.Array]:
        over = ended & state.over
        fresh, obs = begin(jax.random.bits(key, (), jnp.uint32), over)
        # What was saved is of no use at a start, and need not be written over.
        fresh = fresh._replace(saved=state.saved)
        after: HostedState = jax.tree.map(lambda x, y: x if x is y else jnp.where(over, x, y), fresh, state)
        if hosted.goes_on:
            obs = jnp.where(over, obs, look("observation", obs_shape, state, ended & ~over))
        return after, obs

    def step(state: HostedState, action: jax.Array) -> tuple[HostedState, TimeStep]:
        action = action_space.clip(action).astype(action_space.dtype)
        saved, obs, told = ask(pool.step, step_shapes, *_packed(state, state.over), action, in_place=True)
        name, (reward, ended, over) = told[:NAME_SIZE], told[NAME_SIZE:]
        ended, num_steps = ended > 0, state.num_steps + 1
        limit = num_steps >= hosted.episode_length
        num_since = jnp.where(state.num_since == hosted.window, 0, state.num_since)
        actions = state.actions.at[num_since].set(action)
        after = HostedState(saved, state.seed, actions, num_since + 1, num_steps, name, (over > 0) | limit)
        reward = jax.lax.bitcast_convert_type(reward, jnp.float32)
        return after, TimeStep(obs, obs, reward, ended, limit & ~ended)

    def look(what: str, shape: jax.ShapeDtypeStruct, state: HostedState, wanted: jax.Array) -> jax.Array:
        return ask(functools.partial(pool.look, what), (shape,), *_packed(state, wanted))[0]

    def frame(state: HostedState) -> jax.Array:
        assert hosted.picture is not None
        return look("picture", jax.ShapeDtypeStruct((*hosted.picture, 3), jnp.uint8), state, jnp.array(True))

    def pose(state: HostedState) -> tuple[jax.Array, jax.Array]:
        shape = jax.ShapeDtypeStruct((hosted.num_links, 7), jnp.float32)
        both = look("pose", shape, state, jnp.array(True))
        return both[:, :3], both[:, 3:]

    return Environment(
        name=hosted.name,
        backend=backend,
        reset=reset,
        step=step,
        observation=observation,
        action=action_space,
        episode_length=hosted.episode_length,
        scales_start_noise=False,
        pose=pose if hosted.num_links else None,
        scene=hosted.scene,
        frame=frame if hosted.picture else None,
        light=True,
        seconds_per_step=hosted.seconds_per_step,
        renew=renew,
    )
