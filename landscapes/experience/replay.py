"""A replay log: a ring of transitions, as plain functions.

Knows arrays; knows neither environments nor algorithms nor files.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.types import Key, Transition


class Replay(NamedTuple):
    """Row i of all rows ever inserted lies at `i % capacity`; `count` [] uint32 (wraps after 4.29e9 rows)."""

    data: Transition
    count: jax.Array  # type: ignore[assignment]  # shadows tuple.count, which nobody calls


def make_replay(observation_size: int, action_size: int, capacity: int) -> Replay:
    """An empty log: float32 data `[capacity, ...]`, both ends of an episode kept apart as bools."""
    return Replay(
        Transition(
            obs=jnp.zeros((capacity, observation_size)),
            action=jnp.zeros((capacity, action_size)),
            reward=jnp.zeros(capacity),
            next_obs=jnp.zeros((capacity, observation_size)),
            terminated=jnp.zeros(capacity, bool),
            truncated=jnp.zeros(capacity, bool),
        ),
        jnp.zeros((), jnp.uint32),
    )


def bytes_per_row(observation_size: int, action_size: int) -> int:
    """Memory of one transition in bytes."""
    row = jax.eval_shape(lambda: make_replay(observation_size, action_size, 1)).data
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(row))


def insert(replay: Replay, transition: Transition) -> Replay:
    """The log with one more transition (unbatched)."""
    capacity = replay.data.reward.shape[0]
    index = (replay.count % jnp.uint32(capacity)).astype(jnp.int32)
    data = jax.tree.map(lambda rows, row: rows.at[index].set(row), replay.data, transition)
    return Replay(data, replay.count + jnp.uint32(1))


def sample(key: Key, replay: Replay, batch_size: int) -> Transition:
    """`[batch_size, ...]` transitions, uniform with replacement over the rows present."""
    capacity = replay.data.reward.shape[0]
    size = jnp.clip(replay.count, 1, jnp.uint32(capacity)).astype(jnp.int32)
    index = jax.random.randint(key, (batch_size,), 0, size)
    return jax.tree.map(lambda rows: rows[index], replay.data)


def without_rows(replay: Replay, count: int) -> Replay:
    """The size of one member's log and how many rows it has seen, without the rows themselves (for storing)."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), replay.data)
    return Replay(shapes, np.uint32(count))  # type: ignore[arg-type]  # NumPy stands for JAX


def places(capacity: int, first: int, end: int) -> np.ndarray:
    """Where in a ring of `capacity` rows the rows first .. end - 1 of all ever inserted lie, `[end - first]`.

    Raises ValueError where they are none, or too many to lie in it at once.
    """
    if not 0 < end - first <= capacity:
        raise ValueError(f"rows {first}..{end - 1} do not fit a ring of {capacity}")
    return np.arange(first, end) % capacity


def rows(replay: Replay, first: int, end: int) -> Transition:
    """Rows first .. end - 1 of all ever inserted, `[end - first, ...]`; they must still lie in the ring."""
    index = places(replay.data.reward.shape[0], first, end)
    return jax.tree.map(lambda x: x[index], replay.data)
