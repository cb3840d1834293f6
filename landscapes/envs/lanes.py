"""Many lanes of a function of small arrays, arranged so that a CPU is fast with them.

Knows JAX's programs (jaxprs) and their primitives; knows no simulator.

A simulator computes with arrays of some links times three coordinates. `jax.vmap` puts the lanes in front of them, so
that the innermost loops of a CPU run over three numbers, and makes of each product of two vectors one call of a library
a lane. Here the lanes come last:

    jax.vmap   [lane, link, xyz]   innermost loops of length 3; x·y by a library, lane after lane
    here       [link, xyz, lane]   innermost loops over the lanes, which vectorise; x·y as x0 y0 + x1 y1 + x2 y2

Reading and adding at places that are known beforehand (which link hangs on which) becomes slicing. The values are
those of `jax.vmap` but for rounding, as sums are in another order.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.extend.core import Jaxpr, Literal

from landscapes.types import PyTree

_log = logging.getLogger(__name__)
_told = False

LONGEST_SUM = 9
"""Products along more numbers than these stay with the library."""

MOST_ROWS = 128
"""So many rows are read, added to or joined one by one; more are left to XLA."""

ELEMENTWISE = frozenset(
    """
    abs acos acosh add and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy cos cosh div eq erf exp
    exp2 expm1 floor ge gt integer_pow is_finite le log log1p log2 logistic lt max min mul ne neg nextafter not
    one_minus_square or pow reduce_precision rem round rsqrt select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor
    """.split()
)

REDUCTIONS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "reduce_sum": lax.add,
    "reduce_prod": lax.mul,
    "reduce_max": lax.max,
    "reduce_min": lax.min,
    "reduce_and": lax.bitwise_and,
    "reduce_or": lax.bitwise_or,
}

INLINED = {"jit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}
"""Calls of other programs, and the parameter that holds the program."""


class _Value(NamedTuple):
    """An array; with `lanes` its last axis is that of the lanes, without it is the same in all of them.

    It is a NumPy array where its numbers are known while tracing.
    """

    array: Any
    lanes: bool

    @property
    def rank(self) -> int:
        """Of one lane."""
        return int(np.ndim(self.array)) - self.lanes

    @property
    def known(self) -> bool:
        return not self.lanes and isinstance(self.array, np.ndarray)


def lanes_last(f: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """`f`, whose `jax.vmap` on a CPU has the lanes last inside; alone, and elsewhere, it is `jax.jit(f)`.

    `f` takes and returns pytrees of arrays, by position. It is traced once for each number of lanes, however often
    programs are composed of it. Of its derivatives the reverse ones exist under `jax.vmap` only, inside of them.
    A program that this module does not know, as a newer JAX may make one, has the lanes first; one line says so.
    """
    alone = jax.jit(f)

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def together(num_lanes: int, batched: tuple[bool, ...], args: tuple[PyTree, ...]) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        values = [
            _Value(jnp.moveaxis(x, 0, -1), True) if b else _Value(x, False)
            for x, b in zip(leaves, batched, strict=True)
        ]
        one = [jax.ShapeDtypeStruct(x.shape[:-1] if b else x.shape, x.dtype) for (x, b) in values]
        program, shape = jax.make_jaxpr(alone, return_shape=True)(*jax.tree.unflatten(structure, one))
        try:
            outs = [_spread(x, num_lanes) for x in _evaluate(program.jaxpr, program.consts, values, num_lanes)]
        except Exception as error:  # `f` itself is traced by now: it is this module that does not know the program
            _tell_unknown(error)
            return plainly(num_lanes, batched, args)
        return jax.tree.unflatten(jax.tree.structure(shape), [jnp.moveaxis(x, -1, 0) for x in outs])

    def plainly(num_lanes: int, batched: tuple[bool, ...], args: tuple[PyTree, ...]) -> PyTree:
        axes = jax.tree.unflatten(jax.tree.structure(args), [0 if b else None for b in batched])
        return jax.vmap(alone, axes, axis_size=num_lanes)(*args)

    @custom_vmap
    def called(*args: PyTree) -> PyTree:
        return alone(*args)

    @called.def_vmap
    def _(num_lanes: int, batched: PyTree, *args: PyTree) -> tuple[PyTree, PyTree]:
        run = together if jax.default_backend() == "cpu" else plainly
        out = run(num_lanes, tuple(jax.tree.leaves(batched)), args)
        return out, jax.tree.map(lambda _: True, out)

    return called


def _tell_unknown(error: Exception) -> None:
    """One line, however many programs there are."""
    global _told
    if not _told:
        _told = True
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        told = "jax %s makes programs that landscapes.envs.lanes does not know (%s): they run by jax.vmap, more slowly"
        _log.warning(told, jax.__version__, reason)


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[_Value], num_lanes: int) -> list[_Value]:
    """What `jaxpr` returns, all lanes at once."""
    values: dict[Any, _Value] = dict(zip(jaxpr.invars, args, strict=True))
    values.update(zip(jaxpr.constvars, map(_constant, consts), strict=True))

    def read(atom: Any) -> _Value:
        return _Value(np.asarray(atom.val), False) if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        outs = _apply(equation, [read(atom) for atom in equation.invars], num_lanes)
        values.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _constant(x: Any) -> _Value:
    """An array that a program carries; those that may be indices with their numbers."""
    if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) and jnp.issubdtype(x.dtype, jnp.integer):
        return _Value(np.asarray(x), False)
    return _Value(x, False)


def _apply(equation: Any, values: list[_Value], num_lanes: int) -> list[_Value]:
    """One step of a program, by the first way that fits."""
    primitive, params = equation.primitive, equation.params
    if primitive.name in INLINED:
        program = params[INLINED[primitive.name]]
        return _evaluate(program.jaxpr, program.consts, values, num_lanes)
    if not any(value.lanes for value in values):
        fold = _FOLDED.get(primitive.name)
        if fold is not None and values and all(value.known and value.array.dtype.kind in "iub" for value in values):
            folded = fold(params, *(value.array for value in values))
            if folded is not None:
                parts = folded if primitive.multiple_results else [folded]
                outs = zip(parts, equation.outvars, strict=True)
                return [_Value(np.asarray(part, var.aval.dtype), False) for part, var in outs]
        return _bound(equation, [value.array for value in values], False)
    if primitive.name == "scan":
        return _scan(equation, values, num_lanes)
    if primitive.name in ELEMENTWISE:
        return _bound(equation, _alike(values, num_lanes), True)
    rule = _RULES.get(primitive.name)
    out = None if rule is None else rule(params, values, num_lanes)
    if out is not None:
        return [_Value(out, True)]
    bind = functools.partial(primitive.bind, **primitive.get_bind_params(params))
    axes = tuple(-1 if value.lanes else None for value in values)
    outs = jax.vmap(bind, axes, -1, axis_size=num_lanes)(*(value.array for value in values))
    return [_Value(x, True) for x in (outs if primitive.multiple_results else [outs])]


def _bound(equation: Any, arrays: Sequence[Any], lanes: bool) -> list[_Value]:
    """The primitive as it is."""
    primitive = equation.primitive
    outs = primitive.bind(*map(_traced, arrays), **primitive.get_bind_params(equation.params))
    return [_Value(x, lanes) for x in (outs if primitive.multiple_results else [outs])]


def _traced(x: Any) -> Any:
    return jnp.asarray(x) if isinstance(x, np.ndarray) else x


def _spread(value: _Value, num_lanes: int) -> jax.Array:
    """Its array with a last axis for the lanes."""
    array = jnp.asarray(value.array)
    if value.lanes:
        return array
    return lax.broadcast_in_dim(array, (*array.shape, num_lanes), tuple(range(array.ndim)))


def _alike(values: Sequence[_Value], num_lanes: int) -> list[jax.Array]:
    """Arrays of one rank: element-wise primitives take single numbers beside arrays."""
    arrays = [_spread(value, num_lanes) for value in values]
    rank = max(array.ndim for array in arrays)
    shape = np.broadcast_shapes(*(array.shape for array in arrays if array.ndim == rank))
    return [x if x.ndim == rank else lax.broadcast_in_dim(x, shape, (rank - 1,)) for x in arrays]


def _scan(equation: Any, values: list[_Value], num_lanes: int) -> list[_Value]:
    params, program = equation.params, equation.params["jaxpr"]
    # Versions of JAX name these numbers differently; ranks tell them in all: only rows have one more axis outside.
    num_rows = sum(map(_more_axes, equation.invars, program.jaxpr.invars))
    num_carry = len(equation.outvars) - sum(map(_more_axes, equation.outvars, program.jaxpr.outvars))
    num_consts = len(values) - num_carry - num_rows
    consts, first, rows = values[:num_consts], values[num_consts:][:num_carry], values[num_consts + num_carry :]

    def body(carry: list[jax.Array], row: list[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        carried = [_Value(x, True) for x in carry]
        given = [_Value(x, value.lanes) for x, value in zip(row, rows, strict=True)]
        outs = _evaluate(program.jaxpr, program.consts, [*consts, *carried, *given], num_lanes)
        spread = [_spread(value, num_lanes) for value in outs]
        return spread[:num_carry], spread[num_carry:]

    carry, stacked = lax.scan(
        body,
        [_spread(value, num_lanes) for value in first],
        [_traced(value.array) for value in rows],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [_Value(x, True) for x in (*carry, *stacked)]


def _more_axes(outside: Any, inside: Any) -> bool:
    return len(outside.aval.shape) > len(inside.aval.shape)


# Rules: `(params, values, num_lanes)` to the array with lanes last, or None where they do not fit.


def _dot_general(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array | None:
    """A sum of few products, written out; axes are those of one lane until the last reshape."""
    (summed, summed2), (shared, shared2) = params["dimension_numbers"]
    one, two = values
    length = int(np.prod([one.array.shape[axis] for axis in summed], dtype=int))
    if not 1 <= length <= LONGEST_SUM:
        return None
    own = [axis for axis in range(one.rank) if axis not in (*summed, *shared)]
    own2 = [axis for axis in range(two.rank) if axis not in (*summed2, *shared2)]
    dtype = params["preferred_element_type"] or jnp.result_type(one.array, two.array)
    size = [one.array.shape[axis] for axis in (*shared, *own)]
    size2 = [two.array.shape[axis] for axis in own2]

    def parts(value: _Value, order: Sequence[int], size: Sequence[int]) -> list[jax.Array]:
        """What is multiplied, for each product."""
        array = lax.convert_element_type(_spread(value, num_lanes), dtype)
        array = lax.reshape(lax.transpose(array, (*order, value.rank)), (*size, length, num_lanes))
        return [lax.index_in_dim(array, k, len(size), keepdims=False) for k in range(length)]

    left = parts(one, (*shared, *own, *summed), (*size, *(1 for _ in own2)))
    right = parts(two, (*shared2, *own2, *summed2), (*size[: len(shared)], *(1 for _ in own), *size2))
    return functools.reduce(jnp.add, map(jnp.multiply, left, right))


def _row_places(indices: _Value, axes: Sequence[int], starts: Sequence[int], size: int) -> list[int] | None:
    """Known places `[..., 1]` of whole rows along one axis of that size, in order, -1 for those outside of it; None for
    anything else."""
    if not indices.known or indices.rank < 1 or indices.array.shape[-1] != 1:
        return None
    if len(axes) != 1 or tuple(starts) != tuple(axes) or indices.array.size > MOST_ROWS:
        return None
    return [place if 0 <= place < size else -1 for place in indices.array.reshape(-1).tolist()]


def _gather(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array | None:
    """Rows at known places, each a slice."""
    numbers, (operand, indices) = params["dimension_numbers"], values
    if numbers.operand_batching_dims or len(numbers.collapsed_slice_dims) != 1 or not operand.lanes:
        return None
    (axis,) = numbers.collapsed_slice_dims
    places = _row_places(indices, (axis,), numbers.start_index_map, operand.array.shape[axis])
    sizes = [size for i, size in enumerate(params["slice_sizes"]) if i != axis]
    rest = [size for i, size in enumerate(operand.array.shape[:-1]) if i != axis]
    if not places or -1 in places or sizes != rest:
        return None
    leading = indices.array.shape[:-1]
    rows = [lax.index_in_dim(operand.array, place, axis, keepdims=False) for place in places]
    found = lax.reshape(lax.concatenate([lax.expand_dims(x, (0,)) for x in rows], 0), (*leading, *rest, num_lanes))
    others = [i for i in range(found.ndim) if i not in numbers.offset_dims]  # where the axes of `leading` and lanes go
    return jnp.moveaxis(found, range(found.ndim), (*others[:-1], *numbers.offset_dims, found.ndim - 1))


def _scatter_add(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array | None:
    """Rows added at known places along the first axis, each to a slice."""
    numbers, (operand, indices, updates) = params["dimension_numbers"], values
    if numbers.operand_batching_dims or indices.rank != 2 or numbers.inserted_window_dims != (0,):
        return None
    if tuple(numbers.update_window_dims) != tuple(range(1, updates.rank)):
        return None
    base, added = _spread(operand, num_lanes), _spread(updates, num_lanes)
    places = _row_places(indices, (0,), numbers.scatter_dims_to_operand_dims, base.shape[0])
    if places is None or base.shape[0] > MOST_ROWS or base.shape[1:] != added.shape[1:]:
        return None
    if -1 in places and params["mode"] != lax.GatherScatterMode.FILL_OR_DROP:
        return None
    rows = [lax.index_in_dim(base, place, 0) for place in range(base.shape[0])]
    for row, place in enumerate(places):
        if place >= 0:
            rows[place] = lax.add(rows[place], lax.index_in_dim(added, row, 0))
    return lax.concatenate(rows, 0)


def _reduction(join: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[..., jax.Array | None]:
    """Few numbers, written out.

    XLA would hand larger ones to a library, YNNPACK, whose kernel crashed on sums along the axis before the lanes
    (halfcheetah with 256 lanes on one device, jaxlib 0.10.2).
    """

    def reduced(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array | None:
        array, axes = values[0].array, [int(axis) for axis in params["axes"]]
        kept = [axis for axis in range(values[0].rank) if axis not in axes]
        length = int(np.prod([array.shape[axis] for axis in axes], dtype=int))
        if not 1 <= length <= MOST_ROWS:
            return None
        rows = lax.transpose(array, (*axes, *kept, values[0].rank))
        rows = lax.reshape(rows, (length, *(array.shape[axis] for axis in kept), num_lanes))
        return functools.reduce(join, [lax.index_in_dim(rows, i, 0, keepdims=False) for i in range(length)])

    return reduced


def _broadcast_in_dim(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array:
    shape = params["shape"]
    return lax.broadcast_in_dim(values[0].array, (*shape, num_lanes), (*params["broadcast_dimensions"], len(shape)))


def _slice(params: dict[str, Any], values: list[_Value], num_lanes: int) -> jax.Array:
    strides = None if params["strides"] is None else (*params["strides"], 1)
    return lax.slice(values[0].array, (*params["start_indices"], 0), (*params["limit_indices"], num_lanes), strides)


_RULES: dict[str, Callable[[dict[str, Any], list[_Value], int], jax.Array | None]] = {
    **{name: _reduction(join) for name, join in REDUCTIONS.items()},
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": lambda params, values, num: lax.concatenate([_spread(x, num) for x in values], params["dimension"]),
    "dot_general": _dot_general,
    "gather": _gather,
    "reshape": lambda params, values, num: lax.reshape(values[0].array, (*params["new_sizes"], num)),
    "scatter-add": _scatter_add,
    "slice": _slice,
    "squeeze": lambda params, values, num: lax.squeeze(values[0].array, params["dimensions"]),
    "stack": lambda params, values, num: lax.concatenate(
        [lax.expand_dims(_spread(x, num), (params["axis"],)) for x in values], params["axis"]
    ),
    "transpose": lambda params, values, num: lax.transpose(
        values[0].array, (*params["permutation"], len(params["permutation"]))
    ),
}


# What indices are computed with: `(params, *arrays)` to the array, a list of them where the primitive returns several;
# None where it does not fit.


def _fold_broadcast(params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _fold_slice(params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * x.ndim
    return x[tuple(map(slice, params["start_indices"], params["limit_indices"], strides))]


def _fold_gather(params: dict[str, Any], x: np.ndarray, indices: np.ndarray) -> np.ndarray | None:
    numbers = params["dimension_numbers"]
    places = _row_places(_Value(indices, False), numbers.collapsed_slice_dims, numbers.start_index_map, len(x))
    trailing = tuple(range(indices.ndim - 1, indices.ndim + x.ndim - 2))
    if places is None or -1 in places or numbers.start_index_map != (0,) or tuple(numbers.offset_dims) != trailing:
        return None
    if tuple(params["slice_sizes"]) != (1, *x.shape[1:]):
        return None
    return x[indices[..., 0]]


_FOLDED: dict[str, Callable[..., np.ndarray | list[np.ndarray] | None]] = {
    "add": lambda params, x, y: x + y,
    "and": lambda params, x, y: x & y,
    "broadcast_in_dim": _fold_broadcast,
    "concatenate": lambda params, *xs: np.concatenate(xs, params["dimension"]),
    "convert_element_type": lambda params, x: x.astype(params["new_dtype"]),
    "eq": lambda params, x, y: x == y,
    "gather": _fold_gather,
    "ge": lambda params, x, y: x >= y,
    "gt": lambda params, x, y: x > y,
    "le": lambda params, x, y: x <= y,
    "lt": lambda params, x, y: x < y,
    "max": lambda params, x, y: np.maximum(x, y),
    "min": lambda params, x, y: np.minimum(x, y),
    "mul": lambda params, x, y: x * y,
    "ne": lambda params, x, y: x != y,
    "or": lambda params, x, y: x | y,
    "rem": lambda params, x, y: np.fmod(x, y),
    "reshape": lambda params, x: x.reshape(params["new_sizes"]),
    "select_n": lambda params, which, *cases: np.choose(which, cases) if which.ndim else cases[int(which)],
    "sign": lambda params, x: np.sign(x),
    "slice": _fold_slice,
    "squeeze": lambda params, x: x.squeeze(tuple(params["dimensions"])),
    "stack": lambda params, *xs: np.stack(xs, params["axis"]),
    "sub": lambda params, x, y: x - y,
    "transpose": lambda params, x: x.transpose(params["permutation"]),
    "unstack": lambda params, x: list(np.moveaxis(x, params["axis"], 0)),
}
