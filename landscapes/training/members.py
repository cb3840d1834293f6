"""The members of a run, whole trainings side by side: their keys, and their states spread over the devices in rounds.

Knows states as trees of arrays and the devices; knows no algorithm and no schedule.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.machine import devices
from landscapes.types import Key, Policy, PyTree


class MemberKeys(NamedTuple):
    """Keys `[num_seeds]` of the members of a run, by their use."""

    init: Key
    train: Key
    evaluate: Key


def member_keys(random_seed: int, num_seeds: int) -> MemberKeys:
    """Member i draws everything from `fold_in(key(random_seed), i)`."""
    return _member_keys(jax.random.key(random_seed), num_seeds)


@functools.partial(jax.jit, static_argnums=1)
def _member_keys(base: Key, num_seeds: int) -> MemberKeys:
    """One program: piece by piece XLA would compile six."""
    indices = jnp.arange(num_seeds)
    return MemberKeys(*jax.vmap(lambda i: jax.random.split(jax.random.fold_in(base, i), 3), out_axes=1)(indices))


class Members(NamedTuple):
    """The states of all members of a run, spread over the devices in rounds.

    Each round holds as many members as the devices work on at once, leaves `[members of a round, ...]`; the last one is
    filled up with copies that nobody looks at.
    """

    rounds: tuple[Any, ...]
    num_seeds: int

    def part(self, select: Callable[[Any], PyTree]) -> "Members":
        """Of each state only what `select` takes of it, for those who want no copy of the rest."""
        return self._replace(rounds=tuple(select(states) for states in self.rounds))

    def member(self, seed: int) -> Any:
        """A copy of the state of one member, on its device."""
        return devices.own_part(*self._place(seed))

    def rows(self, seed: int, index: np.ndarray) -> Any:
        """Rows `index` of every leaf of one member's state, as NumPy arrays, without a copy of the others."""
        states, place = self._place(seed)
        return devices.own_rows(states, place, index)

    def arrays(self) -> Any:
        """Copies of the states `[num_seeds, ...]`, as NumPy arrays."""
        return jax.tree.map(lambda *xs: np.concatenate([np.asarray(x) for x in xs])[: self.num_seeds], *self.rounds)

    def joined(self) -> Any:
        """Copies of the states `[num_seeds, ...]`, on the first device."""
        return jax.device_put(self.arrays())

    def policies(self) -> Policy:
        """Copies of the policies `[num_seeds, ...]`, on the first device."""
        policies: Policy = self.part(lambda states: states.learner.policy).joined()
        return policies

    def _place(self, seed: int) -> tuple[Any, int]:
        size = jax.tree.leaves(self.rounds[0])[0].shape[0]
        return self.rounds[seed // size], seed % size


def layout(num_seeds: int) -> tuple[int, int]:
    """How many devices train so many members, and how many members each of them has side by side."""
    num = devices.num_devices(num_seeds)
    return num, 1 if devices.one_by_one() else -(-num_seeds // num)


def places(num_seeds: int) -> np.ndarray:
    """The members of each round, `[num_rounds, members of a round]`; what is too much repeats the last."""
    size = math.prod(layout(num_seeds))
    filled = np.minimum(np.arange(-(-num_seeds // size) * size), num_seeds - 1)
    return filled.reshape(-1, size)
