"""Simulators that Python steps, made environments like any other: their states are values, their steps callbacks.

Knows the contract of such a simulator (`Simulator`) and the environment's; knows no simulator by name, and no agent.

A compiled program calls back for each step of all its lanes at once. What it hands over are states as values: what the
simulator saved, or where it can save nothing, the seed it began from and the actions since, which lead to the same
place again. Behind the callback a `_Pool` keeps the simulators that stand where a state was last handed out, so that a
state that simply goes on costs nothing; only one that is taken up again, elsewhere or once more, is restored.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.spaces import Box, Space
from landscapes.types import Environment, Key, TimeStep, first_step

MOST_IDLE = 512
"""Simulators that a pool keeps at most; the one that has waited longest is given to the next state."""


class Simulator(Protocol):
    """One copy of a simulator. Given a seed and the actions since, everything it does is the same again."""

    def reset(self, seed: int) -> np.ndarray:
        """A fresh episode; the first observation."""

    def step(self, action: Any) -> tuple[np.ndarray, float, bool]:
        """Observation, reward, and whether the task ended (a time limit is no end)."""

    def save(self) -> np.ndarray:
        """Where it stands, `[saved_size]` uint8. Never called where that size is 0."""

    def restore(self, saved: np.ndarray) -> None:
        """Stands there again, its random numbers included."""

    def close(self) -> None: ...


class HostedState(NamedTuple):
    """Where one simulator stands: `saved` `[saved_size]` uint8, or the `seed` [] uint32 of its episode and the
    `actions` `[episode_length, ...]` of it so far, of which there are `num_steps` [] int32. `over` [] bool: the episode
    has ended, and steps do nothing any more."""

    saved: jax.Array
    seed: jax.Array
    actions: jax.Array
    num_steps: jax.Array
    over: jax.Array


class Hosted(NamedTuple):
    """What there is to know of a simulator before one is made."""

    name: str
    make: Callable[[], Simulator]
    observation: Box
    action: Space
    episode_length: int
    saved_size: int = 0
    """Bytes of what it saves; 0 where it cannot be saved, and is led to a state again by its actions."""
    num_threads: int = 1
    """Threads that step the lanes of one call; more than one where a step is long and leaves Python's lock."""


class _Pool:
    """The simulators of one environment, each known by the state that it stands at."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self._idle: OrderedDict[bytes, list[Simulator]] = OrderedDict()
        self._num_idle = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(hosted.num_threads) if hosted.num_threads > 1 else None

    def start(self, seed: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of fresh episodes from seeds `[...]`, where they are `wanted`: what was saved, and the observations."""
        return self._each(self._start_one, seed.shape, seed, wanted)

    def step(self, states: HostedState, action: np.ndarray) -> tuple[np.ndarray, ...]:
        """One step of states `[...]`: what was saved, observations, rewards, and whether the task ended."""
        return self._each(self._step_one, states.seed.shape, *map(np.asarray, states), action)

    def _each(self, one: Callable[..., tuple[Any, ...]], shape: tuple[int, ...], *arrays: np.ndarray) -> Any:
        """`one` of each entry, in parallel where that pays; the results as arrays of that leading shape."""
        num = int(np.prod(shape))
        flat = [x.reshape(num, *x.shape[len(shape) :]) for x in arrays]
        rows = zip(*flat, strict=True)
        found = list(self._threads.map(lambda row: one(*row), rows)) if self._threads else [one(*row) for row in rows]
        return tuple(np.stack(x).reshape((*shape, *np.shape(x[0]))) for x in zip(*found, strict=True))

    def _start_one(self, seed: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not wanted:
            return np.zeros(self.hosted.saved_size, np.uint8), self._nothing
        simulator = self._any()
        obs = self._seen(simulator.reset(int(seed)))
        saved = self._saved(simulator)
        self._put(self._name(saved, seed, None, 0), simulator)
        return saved, obs

    def _step_one(
        self,
        saved: np.ndarray,
        seed: np.ndarray,
        actions: np.ndarray,
        num_steps: np.ndarray,
        over: np.ndarray,
        action: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.float32, np.bool_]:
        if over:
            return saved, self._nothing, np.float32(0.0), np.bool_(True)
        count = int(num_steps)
        simulator = self._at(saved, seed, actions, count)
        obs, reward, terminated = simulator.step(action)
        after = self._saved(simulator)
        if not self.hosted.saved_size:
            actions = np.concatenate([actions[:count], action[None]])
        self._put(self._name(after, seed, actions, count + 1), simulator)
        return after, self._seen(obs), np.float32(reward), np.bool_(terminated)

    def _at(self, saved: np.ndarray, seed: np.ndarray, actions: np.ndarray, count: int) -> Simulator:
        """A simulator that stands at this state: one that waits there, else another that is led there."""
        name = self._name(saved, seed, actions, count)
        with self._lock:
            if name in self._idle:
                return self._taken(name)
        simulator = self._any()
        if self.hosted.saved_size:
            simulator.restore(saved)
        else:
            simulator.reset(int(seed))
            for action in actions[:count]:
                simulator.step(action)
        return simulator

    def _any(self) -> Simulator:
        """A simulator that stands anywhere: the one that has waited longest where there are many."""
        with self._lock:
            if self._num_idle >= MOST_IDLE:
                return self._taken(next(iter(self._idle)))
        return self.hosted.make()

    def _taken(self, name: bytes) -> Simulator:
        """One that waits there, and waits no more; the lock is held."""
        self._num_idle -= 1
        waiting = self._idle[name]
        simulator = waiting.pop()
        if not waiting:
            del self._idle[name]
        return simulator

    def _put(self, name: bytes, simulator: Simulator) -> None:
        with self._lock:
            self._num_idle += 1
            self._idle.setdefault(name, []).append(simulator)
            self._idle.move_to_end(name)

    def _name(self, saved: np.ndarray, seed: np.ndarray, actions: np.ndarray | None, count: int) -> bytes:
        if self.hosted.saved_size:
            return saved.tobytes()
        return seed.tobytes() + (b"" if actions is None else np.ascontiguousarray(actions[:count]).tobytes())

    @property
    def _nothing(self) -> np.ndarray:
        return np.zeros(self.hosted.observation.shape, self.hosted.observation.dtype)

    def _saved(self, simulator: Simulator) -> np.ndarray:
        return simulator.save() if self.hosted.saved_size else np.zeros(0, np.uint8)

    def _seen(self, obs: np.ndarray) -> np.ndarray:
        return np.asarray(obs, self.hosted.observation.dtype)


def make_hosted(hosted: Hosted, backend: str) -> Environment:
    """An environment of `hosted`, truncated after its `episode_length` steps.

    Starts are drawn by the simulator from a seed, and cannot be scaled. All lanes of a program step in one call; the
    same state and action give the same step, wherever and however often.
    """
    pool = _Pool(hosted)
    observation, action_space = hosted.observation, hosted.action
    saved_shape = jax.ShapeDtypeStruct((hosted.saved_size,), jnp.uint8)
    obs_shape = jax.ShapeDtypeStruct(observation.shape, observation.dtype)
    step_shapes = (saved_shape, obs_shape, jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct((), bool))
    num_remembered = 0 if hosted.saved_size else hosted.episode_length

    def on_host(*arguments: Any) -> Any:
        return tuple(np.asarray(x) for x in arguments)

    def begin(key: Key, wanted: jax.Array) -> tuple[HostedState, jax.Array]:
        seed = jax.random.bits(key, (), jnp.uint32)
        saved, obs = jax.pure_callback(
            lambda *x: pool.start(*on_host(*x)), (saved_shape, obs_shape), seed, wanted, vmap_method="broadcast_all"
        )
        actions = jnp.zeros((num_remembered, *action_space.shape), action_space.dtype)
        return HostedState(saved, seed, actions, jnp.zeros((), jnp.int32), jnp.zeros((), bool)), obs

    def reset(key: Key, start_noise: float | jax.Array = 1.0) -> tuple[HostedState, TimeStep]:
        state, obs = begin(key, jnp.array(True))
        return state, first_step(obs)

    def renew(key: Key, state: HostedState, ended: jax.Array) -> tuple[HostedState, jax.Array]:
        fresh, obs = begin(key, ended)
        return jax.tree.map(lambda x, y: jnp.where(ended, x, y), fresh, state), obs

    def step(state: HostedState, action: jax.Array) -> tuple[HostedState, TimeStep]:
        action = action_space.clip(action).astype(action_space.dtype)

        def call(*arguments: Any) -> Any:
            *parts, chosen = on_host(*arguments)
            return pool.step(HostedState(*parts), chosen)

        saved, obs, reward, terminated = jax.pure_callback(
            call, step_shapes, *state, action, vmap_method="broadcast_all"
        )
        actions = state.actions.at[state.num_steps].set(action) if num_remembered else state.actions
        num_steps = state.num_steps + 1
        truncated = (num_steps >= hosted.episode_length) & ~terminated
        after = HostedState(saved, state.seed, actions, num_steps, terminated | truncated)
        return after, TimeStep(obs, obs, reward, terminated, truncated)

    return Environment(
        name=hosted.name,
        backend=backend,
        reset=reset,
        step=step,
        observation=observation,
        action=action_space,
        episode_length=hosted.episode_length,
        scales_start_noise=False,
        renew=renew,
    )
