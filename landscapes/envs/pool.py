"""The simulators of one environment, each known by the state that it stands at, and led to others where need be.

Knows NumPy, threads and the contract of a simulator; knows no JAX and no environment.

A state is the steps that lead to it, and its name a digest of the seed and the actions, so that it is known again
wherever it comes from.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from landscapes.envs.simulator import Hosted, Simulator

NAME_SIZE = 4
"""Numbers of 32 bits in the name of a state: two of them are never the same by chance."""

_OVER, _EXTRA, _NAME = 3, 4, 5
"""Where in the numbers of a state they stand: seed, actions since it was saved, steps, and these."""

PATIENCE = 64
"""Calls that a simulator waits before another state may have it, where being led back costs less than making one."""


class _State(NamedTuple):
    """A state as it is handed over (`landscapes.envs.hosted.HostedState`)."""

    saved: np.ndarray
    actions: np.ndarray
    seed: int
    num_since: int
    num_steps: int
    over: int
    name: np.ndarray


def _state(saved: np.ndarray, actions: np.ndarray, numbers: np.ndarray) -> _State:
    seed, num_since, num_steps, over = numbers[:_EXTRA].tolist()
    return _State(saved, actions, seed, num_since, num_steps, over, numbers[_NAME:])


def _digest(*parts: np.ndarray) -> np.ndarray:
    told = b"".join(part.tobytes() for part in parts)
    return np.frombuffer(hashlib.blake2b(told, digest_size=4 * NAME_SIZE).digest(), np.uint32)


class Pool:
    """Simulators that wait where a state was handed out, and those that wait nowhere as their episode has ended."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self._idle: OrderedDict[bytes, list[tuple[int, Simulator]]] = OrderedDict()
        self._free: list[Simulator] = []
        self._num_idle = self._num_calls = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(hosted.num_threads - 1) if hosted.num_threads > 1 else None

    # What is asked: arrays with any leading axes `[...]`.

    def start(self, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of fresh episodes, `asked` being a seed and whether it is wanted: first observations, and names."""
        shape, observation = asked.shape[:-1], self.hosted.observation
        obs = np.zeros((*shape, *observation.shape), observation.dtype)
        names = np.zeros((*shape, NAME_SIZE), np.uint32)

        def one(row: Any) -> None:
            simulator = self._any()
            obs[row] = simulator.reset(int(asked[row][0]))
            names[row] = _digest(asked[row][:1])
            self._put(names[row].tobytes(), simulator)

        self._each(one, asked[..., 1])
        return obs, names

    def step(
        self, saved: np.ndarray, actions: np.ndarray, numbers: np.ndarray, action: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """One step of states: what was saved, observations, and of each its name, reward (as bits), whether it ended
        and whether it is over."""
        shape, observation = numbers.shape[:-1], self.hosted.observation
        saved, obs = saved.copy(), np.zeros((*shape, *observation.shape), observation.dtype)
        told = np.zeros((*shape, NAME_SIZE + 3), np.uint32)
        told[..., :NAME_SIZE], told[..., -2:] = numbers[..., _NAME:], 1

        def one(row: Any) -> None:
            state = _state(saved[row], actions[row], numbers[row])
            simulator = self._at(state)
            if self.hosted.saved_size and state.num_since == self.hosted.window:
                saved[row] = simulator.save()
            stepped = simulator.step(action[row])
            obs[row] = stepped.obs
            over = stepped.ended and not stepped.goes_on
            name = _digest(state.name, action[row])
            told[row] = [*name, np.float32(stepped.reward).view(np.uint32), stepped.ended, over]
            last = over or state.num_steps + 1 >= self.hosted.episode_length
            self._put(None if last else name.tobytes(), simulator)

        self._each(one, numbers[..., _OVER] == 0)
        return saved, obs, told

    def look(self, what: str, like: Any, saved: np.ndarray, actions: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """What is seen of states where it is wanted: their `observation`, `picture` or `pose`, each `like` this."""
        seen = np.zeros((*numbers.shape[:-1], *like.shape), like.dtype)

        def one(row: Any) -> None:
            state = _state(saved[row], actions[row], numbers[row])
            simulator = self._at(state)
            seen[row] = simulator.look(what)
            self._put(state.name.tobytes(), simulator)

        self._each(one, numbers[..., _EXTRA])
        return seen

    def _each(self, one: Callable[[Any], None], wanted: np.ndarray) -> None:
        """`one` of each row that is `wanted`; in parallel where that pays, each thread taking the next row."""
        self._num_calls += 1
        rows = [tuple(row) for row in np.argwhere(wanted)]
        if self._threads is None or len(rows) < 2:
            for row in rows:
                one(row)
            return
        left: Iterator[Any] = iter(rows)

        def work() -> None:
            for row in left:  # a list's iterator hands each row to one thread only
                one(row)

        helpers = [self._threads.submit(work) for _ in range(min(self.hosted.num_threads, len(rows)) - 1)]
        try:
            work()
        finally:
            for helper in helpers:
                helper.result()

    # The simulators

    def _at(self, state: _State) -> Simulator:
        """A simulator that stands at this state: one that waits there, else another that is led there."""
        known = state.name.tobytes()
        with self._lock:
            if known in self._idle:
                return self._taken(known)
        simulator = self._any()
        if state.num_since < state.num_steps:
            simulator.restore(state.saved)
        else:
            simulator.reset(state.seed)
        for action in state.actions[: state.num_since]:
            simulator.step(action)
        return simulator

    def _any(self) -> Simulator:
        """A simulator that stands anywhere: a free one, one that has waited long enough, else a new one."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._idle:
                name, waiting = next(iter(self._idle.items()))
                waited = self._num_calls - waiting[-1][0]
                if self._num_idle >= self.hosted.most_idle or (self.hosted.saved_size and waited > PATIENCE):
                    return self._taken(name)
        return self.hosted.make()

    def _taken(self, name: bytes) -> Simulator:
        """One that waits there, and waits no more; the lock is held."""
        self._num_idle -= 1
        waiting = self._idle[name]
        _, simulator = waiting.pop()
        if not waiting:
            del self._idle[name]
        return simulator

    def _put(self, name: bytes | None, simulator: Simulator) -> None:
        """Lets a simulator wait at the state of that name, or for any other where it has none."""
        with self._lock:
            if name is None:
                self._free.append(simulator)
                return
            self._num_idle += 1
            self._idle.setdefault(name, []).append((self._num_calls, simulator))
            self._idle.move_to_end(name)
