"""Points of parameter space: on the way between two policies, and on lines and planes through one.

Knows policies as trees of numbers; knows no algorithm, no environment and no file, nor how a point is measured.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.types import Key, Policy, PyTree


class Points(NamedTuple):
    """Points `[n]`: point i is `origins[origin[i]] + Σ_k coordinates[i, k] · directions[k]`, the sum from k = 0 on.

    `origins` `[a, ...]` and `directions` `[d, ...]` are policies with one more axis, `origin` `[n]` is int32 and
    `coordinates` `[n, d]` float32.
    """

    origins: Policy
    directions: Policy
    origin: np.ndarray
    coordinates: np.ndarray


def policy_at(points: Points, index: jax.Array) -> Policy:
    """Point `index` (traced, []). Where all of its coordinates are 0 it is its origin to the last bit."""
    origin, coordinates = points.origin[index], points.coordinates[index]

    def placed(origins: jax.Array, directions: jax.Array) -> jax.Array:
        x = origins[origin]
        for k in range(directions.shape[0]):
            x = x + coordinates[k] * directions[k]
        return x

    return jax.tree.map(placed, points.origins, points.directions)


def shares(num_points: int) -> np.ndarray:
    """The shares α of policy 1 at the points of a path, `[num_points]` float64 from 0 to 1; a single one is 0."""
    return np.linspace(0.0, 1.0, num_points)


def between(policy_1: Policy, policy_2: Policy, num_points: int) -> Points:
    """The points α θ₁ + (1 − α) θ₂ for α in `shares(num_points)`, so that point 0 is policy 2; constants move too.

    Each is computed from its nearer end, as θ₂ + α (θ₁ − θ₂) or θ₁ − (1 − α)(θ₁ − θ₂): both ends are exact, a path
    from a policy to itself does not leave it by a single bit, and the path back has the same points (the middle one of
    an odd number to rounding).
    """
    last = num_points - 1
    index = np.arange(num_points)
    from_1 = 2 * index > last
    coordinates = np.where(from_1, index - last, index) / max(last, 1)
    return Points(
        _stacked([policy_2, policy_1]),
        _stacked([difference(policy_1, policy_2)]),
        from_1.astype(np.int32),
        coordinates.astype(np.float32)[:, None],
    )


def axis(num: int, radius: float) -> np.ndarray:
    """`num` coordinates from −radius to radius, `[num]` float64, symmetric to the last bit; 0 where num is 1."""
    return radius * np.arange(1 - num, num, 2) / max(num - 1, 1)


def plane(origin: Policy, directions: Sequence[Policy], x: np.ndarray, y: np.ndarray) -> Points:
    """The points `origin + x_i · directions[0] + y_j · directions[1]`, point `i · len(y) + j` of `len(x) · len(y)`.

    With one direction only `y` must be a single 0: a line.
    """
    if len(directions) == 1 and (len(y), *y) != (1, 0.0):
        raise ValueError("a line has the one y-coordinate 0")
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    coordinates = grid[:, : len(directions)].astype(np.float32)
    return Points(_stacked([origin]), _stacked(directions), np.zeros(len(grid), np.int32), coordinates)


def difference(one: Policy, other: Policy) -> Policy:
    """`one - other`: the direction from the other to it."""
    return jax.tree.map(lambda x, y: x - y, one, other)


def random_direction(key: Key, like: Policy) -> Policy:
    """A Gaussian direction in which every array of weights (each kernel, each bias) has the norm it has in `like`.

    Only `params` are moved. Where an array of `like` is all 0, so is the direction's. Source: Li, Xu, Taylor, Studer
    and Goldstein (2018), who scale filter by filter.
    """
    leaves, structure = jax.tree.flatten(like.params)
    keys = jax.random.split(key, len(leaves))
    scaled = [_with_norm_of(x, jax.random.normal(k, x.shape, x.dtype)) for k, x in zip(keys, leaves, strict=True)]
    return Policy(jax.tree.unflatten(structure, scaled), jax.tree.map(jnp.zeros_like, like.constants))


def unlike(one: Policy, other: Policy) -> str | None:
    """Where the two first differ in structure or shape, in words; None where there is a straight line between them."""
    shapes = [
        {jax.tree_util.keystr(path, simple=True, separator="/"): np.shape(x) for path, x in leaves}
        for leaves in (jax.tree.leaves_with_path(one), jax.tree.leaves_with_path(other))
    ]
    for name in sorted({*shapes[0], *shapes[1]}):
        found = [str(list(of[name])) if name in of else "absent" for of in shapes]
        if found[0] != found[1]:
            return f"{name} is {found[0]} in one and {found[1]} in the other"
    return None


def _with_norm_of(like: jax.Array, x: jax.Array) -> jax.Array:
    return x * (jnp.linalg.norm(like.ravel()) / jnp.linalg.norm(x.ravel()))


def _stacked(policies: Sequence[Policy]) -> PyTree:
    return jax.tree.map(lambda *xs: jnp.stack(xs), *policies)
