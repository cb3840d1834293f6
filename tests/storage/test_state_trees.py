"""Trees as named arrays, and what does not fit."""

from collections import OrderedDict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from landscapes.errors import UserError
from landscapes.storage import flatten_tree, restore_tree


class Layer(NamedTuple):
    kernel: jax.Array
    bias: jax.Array | None


@struct.dataclass
class Simulator:
    position: jax.Array
    info: dict
    name: str = struct.field(pytree_node=False, default="x")


def make_tree():
    return {
        "layers": (Layer(jnp.ones((2, 3)), jnp.zeros(3)), Layer(jnp.zeros((3, 1)), None)),
        "simulator": Simulator(jnp.arange(4.0), OrderedDict(steps=jnp.uint32(3), none=None)),
        "nothing": (),
        "done": jnp.array(True),
    }


def test_names_are_paths():
    assert sorted(flatten_tree(make_tree())) == [
        "done",
        "layers/0/bias",
        "layers/0/kernel",
        "layers/1/kernel",
        "simulator/info/steps",
        "simulator/position",
    ]
    assert all(type(leaf) is np.ndarray for leaf in flatten_tree(make_tree()).values())
    assert list(flatten_tree(jnp.ones(2))) == ["value"]
    assert flatten_tree(()) == {}


@pytest.mark.parametrize("tree", [make_tree(), jnp.ones(2), ()])
def test_round_trip(tree):
    for template in (tree, jax.eval_shape(lambda: tree)):
        restored = restore_tree(template, flatten_tree(tree), "file.h5")
        assert jax.tree.structure(restored) == jax.tree.structure(tree)
        for found, expected in zip(jax.tree.leaves(restored), jax.tree.leaves(tree), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_keys_and_objects_are_refused():
    with pytest.raises(TypeError, match=r"^a/b is a PRNG key"):
        flatten_tree({"a": {"b": jax.random.key(0)}})
    with pytest.raises(TypeError, match=r"^a is"):
        flatten_tree({"a": "text"})
    with pytest.raises(TypeError, match=r"^a is bfloat16"):
        flatten_tree({"a": jnp.zeros(2, jnp.bfloat16)})
    with pytest.raises(ValueError, match="'a/b'"):
        flatten_tree({"a": {"b": 1.0}, "a/b": 2.0})


@pytest.mark.parametrize(
    "name,values,complaint",
    [
        ("done", None, "has no data set done"),
        (
            "layers/0/kernel",
            np.ones((3, 2), np.float32),
            r"float32 \[3, 2\]; this configuration needs float32 \[2, 3\]",
        ),
        ("layers/0/kernel", np.ones((2, 3)), r"float64 \[2, 3\]; this configuration needs float32 \[2, 3\]"),
        ("extra", np.ones(1), "has a data set extra"),
    ],
)
def test_what_does_not_fit_is_named(name, values, complaint):
    datasets = flatten_tree(make_tree())
    if values is None:
        del datasets[name]
    else:
        datasets[name] = values
    with pytest.raises(UserError, match=complaint) as caught:
        restore_tree(make_tree(), datasets, "ckpt_5.h5")
    assert "ckpt_5.h5" in str(caught.value)
