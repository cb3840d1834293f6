"""A replay log: a ring of transitions, as plain functions.

Knows arrays; knows neither environments nor algorithms nor files.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.spaces import Spaces
from landscapes.types import Key, Transition, Unrolled


class Replay(NamedTuple):
    """Row i of all rows ever inserted lies at `i % capacity`; `count` [] uint32 (wraps after 4.29e9 rows)."""

    data: Transition
    count: jax.Array  # type: ignore[assignment]  # shadows tuple.count, which nobody calls


def make_replay(spaces: Spaces, capacity: int) -> Replay:
    """An empty log: data `[capacity, ...]` in the dtypes of the spaces, both ends of an episode kept apart as bools."""
    obs, action = spaces.observation, spaces.action
    return Replay(
        Transition(
            obs=jnp.zeros((capacity, *obs.shape), obs.dtype),
            action=jnp.zeros((capacity, *action.shape), action.dtype),
            reward=jnp.zeros(capacity),
            next_obs=jnp.zeros((capacity, *obs.shape), obs.dtype),
            terminated=jnp.zeros(capacity, bool),
            truncated=jnp.zeros(capacity, bool),
        ),
        jnp.zeros((), jnp.uint32),
    )


def bytes_per_row(spaces: Spaces) -> int:
    """Memory of one transition in bytes."""
    row = jax.eval_shape(lambda: make_replay(spaces, 1)).data
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(row))


def insert(replay: Replay, transitions: Transition) -> Replay:
    """The log with transitions `[n, ...]` more, in their order; of more than it holds, the last ones."""
    num, capacity = transitions.reward.shape[0], replay.data.reward.shape[0]
    kept = min(num, capacity)
    first = replay.count + jnp.uint32(num - kept)
    if kept == 1:  # one row is written in place
        index = (first % jnp.uint32(capacity)).astype(jnp.int32)
        data = jax.tree.map(lambda rows, row: rows.at[index].set(row[-1]), replay.data, transitions)
    else:
        index = ((first + jnp.arange(kept, dtype=jnp.uint32)) % jnp.uint32(capacity)).astype(jnp.int32)
        data = jax.tree.map(lambda rows, new: rows.at[index].set(new[num - kept :]), replay.data, transitions)
    return Replay(data, replay.count + jnp.uint32(num))


def in_order(unrolled: Unrolled) -> Transition:
    """The transitions of all lanes as rows `[lanes · T, ...]`, step by step: time stays the slower axis."""
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:]), unrolled.steps)


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
