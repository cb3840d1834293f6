"""Pytrees as flat mappings from readable names to arrays, and back.

Knows `jax.tree_util` and NumPy; knows no file and none of the records that it is given.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.errors import UserError
from landscapes.types import PyTree

_BARE_LEAF = "value"
"""The name of the only leaf of a tree that is nothing but a leaf."""


def flatten_tree(tree: PyTree) -> dict[str, np.ndarray]:
    """The leaves as NumPy arrays, named by their path: fields, dict keys and positions, joined by '/'.

    `None` and empty containers have no leaves and vanish. Raises TypeError for typed PRNG keys (states hold none) and
    for leaves that are no arrays, ValueError where two leaves would share a name.
    """
    named = _named_leaves(tree)
    for name, leaf in named.items():
        _dtype(name, leaf)
    return {name: np.asarray(leaf) for name, leaf in named.items()}


def restore_tree(template: PyTree, datasets: Mapping[str, np.ndarray], what: object) -> PyTree:
    """A tree of `template`'s structure with the arrays of `datasets` as its leaves.

    The leaves of `template` give shapes and dtypes only (`jax.ShapeDtypeStruct` will do). Raises UserError, saying
    that it is `what` (a file) that does not fit and naming the first data set that is missing, of another shape or
    dtype, or too many.
    """
    named = _named_leaves(template)
    for name, leaf in named.items():
        if name not in datasets:
            raise UserError("file", what, f"has no data set {name}, which this configuration needs")
        needed = _describe(_dtype(name, leaf), np.shape(leaf))
        found = _describe(datasets[name].dtype, datasets[name].shape)
        if found != needed:
            raise UserError("file", what, f"its data set {name} is {found}; this configuration needs {needed}")
    for name in datasets:
        if name not in named:
            raise UserError("file", what, f"has a data set {name}, which this configuration does not know")
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(template), [datasets[name] for name in named])


def _named_leaves(tree: PyTree) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/") if path else _BARE_LEAF
        if name in named:
            raise ValueError(f"two leaves of one tree would both be named {name!r}")
        named[name] = leaf
    return named


def _dtype(name: str, leaf: Any) -> np.dtype:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise TypeError(f"{name} is a PRNG key; keys are arguments and never part of a state")
    if not np.issubdtype(dtype, np.number) and dtype != np.bool_:
        raise TypeError(f"{name} is {dtype}, which cannot be stored")
    return np.dtype(dtype)


def _describe(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    return f"{dtype} [{', '.join(map(str, shape))}]"
