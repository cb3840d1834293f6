"""The simulators of one environment, each known by the state that it stands at, and led to others where need be.

Knows NumPy and the contract of a simulator; knows no JAX and no environment.

A state is the steps that lead to it, and its name a digest of the seed and the actions, so that it is known again
wherever it comes from.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from landscapes.envs.simulator import Hosted, Simulator

NAME_SIZE = 4
"""Numbers of 32 bits in the name of a state: two of them are never the same by chance."""

TOLD_SIZE = NAME_SIZE + 3
"""Numbers of 32 bits that are told of a step: the name, the reward's bits, whether it ended, whether it is over."""

OVER, EXTRA, _NAME = 3, 4, 5
"""Where in the numbers of a state they stand: seed, actions since it was saved, steps, and these."""

PATIENCE = 64
"""Calls that a simulator waits before another state may have it, where being led back costs less than making one."""

Arrays = Sequence[np.ndarray]


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=4 * NAME_SIZE).digest()


def _names(numbers: np.ndarray) -> list[bytes]:
    """The names of states `[rows, ...]`."""
    size, told = 4 * NAME_SIZE, np.ascontiguousarray(numbers[:, _NAME:]).tobytes()
    return [told[i : i + size] for i in range(0, len(told), size)]


def saves(hosted: Hosted, numbers: np.ndarray) -> np.ndarray:
    """In which rows a step saves where the simulator stands, before it steps."""
    return (numbers[:, 1] == hosted.window) & (numbers[:, OVER] == 0) & (hosted.saved_size > 0)


class Pool:
    """Simulators that wait where a state was handed out, and those that wait nowhere as their episode has ended.

    What is asked are arrays of one row a lane; what comes of it is written into others, each row of them.
    """

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self._idle: OrderedDict[bytes, list[tuple[int, Simulator]]] = OrderedDict()
        self._free: list[Simulator] = []
        self._num_idle = self._num_calls = 0

    def start(self, given: Arrays, made: Arrays) -> None:
        """Of fresh episodes, `given` a seed and whether it is wanted: makes first observations, and names."""
        (asked,), (obs, names) = given, made
        self._num_calls += 1
        obs[...], names[...] = 0, 0
        for row in np.flatnonzero(asked[:, 1]):
            simulator = self._any()
            obs[row] = simulator.reset(int(asked[row, 0]))
            name = _digest(asked[row, :1].tobytes())
            names[row] = np.frombuffer(name, np.uint32)
            self._put(name, simulator)

    def step(self, given: Arrays, made: Arrays) -> None:
        """One step of states, `given` what was saved, actions since, their numbers, and the actions: makes observations
        and what is told of the step (`TOLD_SIZE`), and writes what it saves over what was saved. A state that is over
        stays as it is."""
        (saved, actions, numbers, chosen), (obs, told) = given, made
        self._num_calls += 1
        saved_now = saves(self.hosted, numbers)
        names, rewards, flags = _names(numbers), [], []
        for row, (seed, num_since, num_steps, over) in enumerate(numbers[:, :EXTRA].tolist()):
            if over:
                obs[row] = 0
                rewards.append(0.0)
                flags.append((1, 1))
                continue
            simulator = self._at(names[row], seed, saved[row], actions[row, :num_since], num_since == num_steps)
            if saved_now[row]:
                saved[row] = simulator.save()
            action = chosen[row]
            stepped = simulator.step(action)
            obs[row] = stepped.obs
            ends = stepped.ended and not stepped.goes_on
            rewards.append(stepped.reward)
            flags.append((stepped.ended, ends))
            names[row] = _digest(names[row], action.tobytes())
            last = ends or num_steps + 1 >= self.hosted.episode_length
            self._put(None if last else names[row], simulator)
        told[:, :NAME_SIZE] = np.frombuffer(b"".join(names), np.uint32).reshape(-1, NAME_SIZE)
        told[:, NAME_SIZE] = np.array(rewards, np.float32).view(np.uint32)
        told[:, NAME_SIZE + 1 :] = flags

    def look(self, what: str, given: Arrays, made: Arrays) -> None:
        """What is seen of states where it is wanted, `given` as to a step: makes their `observation`, `picture` or
        `pose`."""
        (saved, actions, numbers), (seen,) = given, made
        self._num_calls += 1
        seen[...] = 0
        names = _names(numbers)
        for row in np.flatnonzero(numbers[:, EXTRA]):
            seed, num_since, num_steps = numbers[row, :3].tolist()
            simulator = self._at(names[row], seed, saved[row], actions[row, :num_since], num_since == num_steps)
            seen[row] = simulator.look(what)
            self._put(names[row], simulator)

    # The simulators

    def _at(self, name: bytes, seed: int, saved: np.ndarray, actions: np.ndarray, from_start: bool) -> Simulator:
        """A simulator that stands at the state of that name: one that waits there, else another that is led there, by
        `actions` since it was saved or since the start."""
        if name in self._idle:
            return self._taken(name)
        simulator = self._any()
        if from_start:
            simulator.reset(seed)
        else:
            simulator.restore(saved)
        for action in actions:
            simulator.step(action)
        return simulator

    def _any(self) -> Simulator:
        """A simulator that stands anywhere: a free one, one that has waited long enough, else a new one."""
        if self._free:
            return self._free.pop()
        if self._idle:
            name, waiting = next(iter(self._idle.items()))
            waited = self._num_calls - waiting[-1][0]
            if self._num_idle >= self.hosted.most_idle or (self.hosted.saved_size and waited > PATIENCE):
                return self._taken(name)
        return self.hosted.make()

    def _taken(self, name: bytes) -> Simulator:
        """One that waits there, and waits no more."""
        self._num_idle -= 1
        waiting = self._idle[name]
        _, simulator = waiting.pop()
        if not waiting:
            del self._idle[name]
        return simulator

    def _put(self, name: bytes | None, simulator: Simulator) -> None:
        """Lets a simulator wait at the state of that name, or for any other where it has none."""
        if name is None:
            self._free.append(simulator)
            return
        self._num_idle += 1
        self._idle.setdefault(name, []).append((self._num_calls, simulator))
        self._idle.move_to_end(name)
