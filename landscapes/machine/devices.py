"""The local devices as one axis that independent work is spread over.

Knows JAX's devices and its compilers' options; knows no state and no algorithm. On a CPU every core is a device of its
own (`machine.runtime` asks for that): a simulator's many small operations use one core each, so that two programs side
by side are twice as fast as one of twice the size. No device ever waits for another inside a program.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from landscapes.machine.xla_flags import EMITTERS, LEVEL, taken
from landscapes.types import Key, PyTree

AXIS = "device"


def num_devices(num_items: int) -> int:
    """How many local devices so many independent items can keep busy."""
    return max(1, min(jax.local_device_count(), num_items))


def one_by_one() -> bool:
    """Whether a device is faster with independent products one after the other than batched: on CPUs, whose caches
    hold one set of weights and whose batched products are slower."""
    return jax.default_backend() == "cpu"


def compiler_options(of_networks: bool) -> dict[str, Any] | None:
    """Compiler options of a program that the products and element-wise work of networks decide, or else a simulator.

    XLA's fusion emitters for CPUs vectorise element-wise loops (Adam: seven times faster on two x86 cores), but slow
    the simulators, so that they are off there, as long as jaxlib lets one choose (`landscapes.machine.xla_flags`).
    """
    return _on_cpu(EMITTERS, True) if of_networks else None


def compiler_options_once() -> dict[str, Any] | None:
    """Compiler options of a program that runs once: on CPUs compiling takes longer than running it."""
    return _on_cpu(LEVEL, 1)


def _on_cpu(flag: str, value: bool | int) -> dict[str, Any] | None:
    """The flag as an option of one program; None where this jaxlib does not take it or the caller's flags say how much
    to optimize, and elsewhere than on a CPU."""
    if jax.default_backend() != "cpu" or LEVEL in os.environ.get("XLA_FLAGS", ""):
        return None
    return {flag.removeprefix("--"): value} if taken((f"{flag}={value}".lower(),)) else None


def run_one(
    index: jax.Array, functions: Sequence[Callable[[Key, PyTree, PyTree], PyTree]], key: Key, x: PyTree, read: PyTree
) -> tuple[PyTree, PyTree]:
    """`functions[index](key, x, read)`, or `x` where `index` [] int32 is -1; and `read`, for all that comes after.

    XLA copies what comes out of a branch. On a CPU several functions are loops of at most one turn instead, which
    change `x` in place. Their key depends on the turn, for XLA only (0 is added): else what they read at random it
    would read before the loop, at once with the last writing to `read`, and would copy all of `read` for that. A single
    function is a branch: what runs side by side within it (the updates of SAC) has to wait for less.
    """
    if len(functions) == 1 or jax.default_backend() != "cpu":
        return jax.lax.switch(index + 1, [lambda key, x, read: x, *functions], key, x, read), read
    data, kind = jax.random.key_data(key), jax.random.key_impl(key)
    for i, function in enumerate(functions):

        def turn(zero: jax.Array, carry: tuple[PyTree, PyTree], function: Any = function) -> tuple[PyTree, PyTree]:
            x, read = carry
            same_key = jax.random.wrap_key_data(data + zero.astype(data.dtype), impl=kind)
            return function(same_key, x, read), read

        x, read = jax.lax.fori_loop(0, (index == i).astype(jnp.int32), turn, (x, read))
    return x, read


@functools.cache
def _mesh(num: int) -> Mesh:
    return Mesh(jax.local_devices()[:num], (AXIS,), axis_types=(AxisType.Auto,))


def spread(f: Callable[..., Any], num: int, in_axes: Sequence[int | None]) -> Callable[..., Any]:
    """`f` on `num` devices: each gets its equal part `[n / num, ...]` of the arguments whose axis is 0, and the whole
    of those whose axis is None; what the devices return is joined along axis 0."""
    specs = tuple(PartitionSpec() if axis is None else PartitionSpec(AXIS) for axis in in_axes)
    return jax.shard_map(f, mesh=_mesh(num), in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False)


def put_everywhere(tree: PyTree, num: int) -> PyTree:
    """`tree` with a copy on each of `num` devices."""
    return jax.device_put(tree, NamedSharding(_mesh(num), PartitionSpec()))


def put_apart(tree: PyTree, num: int) -> PyTree:
    """`tree` spread over `num` devices along axis 0."""
    return jax.device_put(tree, NamedSharding(_mesh(num), PartitionSpec(AXIS)))


def shapes_apart(shapes: PyTree, num: int) -> PyTree:
    """The shapes and dtypes in `shapes`, of arrays that are spread over `num` devices along axis 0."""
    sharding = NamedSharding(_mesh(num), PartitionSpec(AXIS))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes)


def zeros(shapes: PyTree, num: int) -> PyTree:
    """Zeros of the shapes and dtypes in `shapes` (`jax.ShapeDtypeStruct`), spread over `num` devices along axis 0."""
    leaves, structure = jax.tree.flatten(shapes)
    return _make_zeros(structure, tuple((x.shape, x.dtype) for x in leaves), num)()


@functools.cache
def _make_zeros(structure: Any, kinds: tuple[tuple[tuple[int, ...], Any], ...], num: int) -> Callable[[], PyTree]:
    """One program for all of them, which is compiled in the time of one."""
    sharding = NamedSharding(_mesh(num), PartitionSpec(AXIS))
    return jax.jit(
        lambda: jax.tree.unflatten(structure, [jnp.zeros(shape, dtype) for shape, dtype in kinds]),
        out_shardings=sharding,
    )


def own(tree: PyTree) -> PyTree:
    """What a device holds one of, `[1, ...]`, without that axis."""
    return jax.tree.map(lambda x: x[0], tree)


def alone(tree: PyTree) -> PyTree:
    """The way back: `tree` as the one `[1, ...]` that a device holds."""
    return jax.tree.map(lambda x: x[None], tree)


def own_part(tree: PyTree, index: int) -> PyTree:
    """A copy of row `index` of arrays `[n, ...]` that were spread, on its device."""

    def row(x: jax.Array) -> jax.Array:
        data, place = _shard(x, index)
        # By NumPy where that sees a device's arrays, as XLA would compile a program for every shape.
        return jax.device_put(np.array(np.asarray(data)[place]), data.device) if one_by_one() else data[place]

    return jax.tree.map(row, tree)


def own_rows(tree: PyTree, index: int, rows: np.ndarray) -> PyTree:
    """Rows `rows` of row `index` of arrays `[n, m, ...]` that were spread, as NumPy arrays."""

    def some(x: jax.Array) -> np.ndarray:
        data, place = _shard(x, index)
        # A CPU's arrays are seen from NumPy without a copy; elsewhere only the rows asked for are brought over.
        return np.asarray(data)[place][rows] if one_by_one() else np.asarray(data[place, rows])

    return jax.tree.map(some, tree)


def _shard(x: jax.Array, index: int) -> tuple[jax.Array, int]:
    """The part of `x` that holds its row `index`, on its own device, and where in it that row is."""
    for shard in x.addressable_shards:
        start, stop, _ = shard.index[0].indices(x.shape[0])
        if start <= index < stop:
            return shard.data, index - start
    raise IndexError(index)
