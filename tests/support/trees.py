"""Whole pytrees compared, with the path of the first leaf that differs.

Knows pytrees and NumPy; knows nothing of the project.
"""

from typing import Any

import jax
import numpy as np


def _pairs(found: Any, expected: Any) -> list[tuple[str, np.ndarray, np.ndarray]]:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(expected)[0]]
    return [
        (path, np.asarray(one), np.asarray(other))
        for path, one, other in zip(paths, jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    ]


def assert_same(found: Any, expected: Any) -> None:
    """Bit for bit, dtypes and shapes too."""
    for path, one, other in _pairs(found, expected):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), path
        np.testing.assert_array_equal(one, other, err_msg=path)


def assert_close(found: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """To rounding."""
    for path, one, other in _pairs(found, expected):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=path)


def is_same(one: Any, other: Any) -> bool:
    """Whether every leaf is equal, bit for bit."""
    return all(np.array_equal(x, y) for _, x, y in _pairs(one, other))


def copied(tree: Any) -> Any:
    """The tree in arrays of its own, which survive being given up to a compiled function."""
    return jax.tree.map(lambda x: x.copy(), tree)


def row(tree: Any, index: int) -> Any:
    """Row `index` of every leaf."""
    return jax.tree.map(lambda x: x[index], tree)
