"""Functions with their lanes last, beside what `jax.vmap` makes of them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.envs import lanes, make_environment
from landscapes.envs.lanes import lanes_last

NUM_LANES = 6
PARENTS = np.array([-1, 0, 0, 2])


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (NUM_LANES, *shape))


def both(f: Callable[..., Any], *args: Any, axes: Any = 0) -> tuple[Any, Any]:
    return jax.vmap(lanes_last(f), axes)(*args), jax.vmap(f, axes)(*args)


def assert_close(results: tuple[Any, Any]) -> None:
    ours, plain = results
    assert jax.tree.structure(ours) == jax.tree.structure(plain)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=2e-6)


def primitives(f: Callable[..., Any], *args: Any) -> list[str]:
    """The names of all primitives in the program of `f` that take an array with lanes, also inside of others."""
    num_lanes = len(args[0])

    def inside(jaxpr: Any) -> list[str]:
        names: list[str] = []
        for equation in jaxpr.eqns:
            if any(num_lanes in atom.aval.shape for atom in equation.invars):
                names.append(equation.primitive.name)
            for param in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
                program = getattr(param, "jaxpr", param)
                names += inside(program) if hasattr(program, "eqns") else []
        return names

    return inside(jax.make_jaxpr(f)(*args).jaxpr)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x @ y[0],
        lambda x, y: jax.vmap(jnp.dot)(x, y),
        lambda x, y: x @ y.T,
        lambda x, y: jnp.einsum("ij,kj->ki", x, y),
        lambda x, y: jnp.einsum("ij,kl->iljk", x, y),
        lambda x, y: x @ jnp.arange(3.0),
        lambda x, y: jnp.eye(4) @ y,
    ],
    ids=["vector", "rows", "matrices", "turned", "outer", "known vector", "known matrix"],
)
def test_small_products_are_written_out(f: Callable[..., Any]) -> None:
    x, y = normal(0, 4, 3), normal(1, 4, 3)
    assert_close(both(f, x, y))
    assert "dot_general" not in primitives(jax.vmap(lanes_last(f)), x, y)


def test_reductions_are_written_out() -> None:
    def f(x: jax.Array) -> Any:
        return x.sum(1), x.max(0), x.min(), x.prod((0, 1)), (x > 0).all(1), (x > 2).any(), x[None].sum(0)

    x = normal(0, 4, 3)
    assert_close(both(f, x))
    assert not any(name.startswith("reduce_") for name in primitives(jax.vmap(lanes_last(f)), x))


def test_large_products_stay_with_the_library() -> None:
    x, y = normal(0, 5, 20), normal(1, 20, 7)
    assert_close(both(jnp.matmul, x, y))
    assert "dot_general" in primitives(jax.vmap(lanes_last(jnp.matmul)), x, y)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[jnp.array(PARENTS)],
        lambda x: x[:, jnp.array([2, 0])],
        lambda x: x[jnp.array([[3, 1], [0, 0]])],
        lambda x: x.reshape(-1)[jnp.array([11, 0, 5])],
        lambda x: jnp.take(x, jnp.array(PARENTS + 1), axis=0, mode="fill"),
        lambda x: jax.ops.segment_sum(x, jnp.array(PARENTS), 3),
        lambda x: [x[i] for i in jnp.array([[2, 0], [1, 3]])],
        lambda x: x[jnp.stack(list(jnp.array([[2, 0], [1, 3]])), 1)],
        lambda x: jnp.zeros((2, 3)).at[jnp.array([1, 7, 0, 1])].add(x),
        lambda x: jax.ops.segment_sum(x[:, 0], jnp.array([1, 0, 1, 1]) % 2, 2),
    ],
    ids=[
        "rows",
        "columns",
        "a table of rows",
        "numbers",
        "filled",
        "segments",
        "rows of a table",
        "stacked",
        "dropped",
        "segments of numbers",
    ],
)
def test_known_places_are_slices(f: Callable[..., Any]) -> None:
    x = normal(0, 4, 3)
    assert_close(both(f, x))
    assert not {"gather", "scatter-add"} & set(primitives(jax.vmap(lanes_last(f)), x))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[i],
        lambda x, i: x.at[i].add(1.0),
        lambda x, i: x.at[jnp.array([1, 3])].set(x[:2]),
        lambda x, i: x[jnp.array([0, 5]), jnp.array([1, 1])],
        lambda x, i: jax.lax.dynamic_slice(x, (i, 0), (2, 3)),
        lambda x, i: jnp.linalg.cholesky(x.T @ x + jnp.eye(3)),
        lambda x, i: jnp.sort(x, axis=0),
        lambda x, i: jnp.cumsum(x, axis=0),
        lambda x, i: jax.lax.cond(i > 1, lambda x: x + 1, lambda x: x * 2, x),
        lambda x, i: jax.lax.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 1, c[1] * 1.5), (i, x))[1],
        lambda x, i: jax.lax.fori_loop(0, 3, lambda k, c: c * 0.5 + k, x),
        lambda x, i: jnp.where(i > 1, x, 0.0).astype(jnp.int32),
        lambda x, i: jnp.clip(x, -0.5, jnp.float32(0.5)),
        lambda x, i: (x.argmax(0), x.max(), (x > 0).any(1), jnp.prod(x)),
        lambda x, i: jnp.concatenate([x, jnp.ones((2, 3)), jnp.tile(x[:1], (2, 1))]),
        lambda x, i: jnp.pad(x, ((1, 0), (0, 2))),
        lambda x, i: jax.nn.relu(x) + jax.nn.softplus(x),
        lambda x, i: (jnp.arange(3), 2.0, x[::2, None]),
        lambda x, i: (jnp.stack([x, jnp.ones((4, 3)), x * i], 1), [row * i for row in x], jnp.unstack(x, axis=1)),
        lambda x, i: (jnp.stack([i, 2, i]), jnp.log2(x * x + 1), jnp.arctanh(jnp.tanh(x))),
    ],
)
def test_whatever_else_a_program_holds(f: Callable[..., Any]) -> None:
    assert_close(both(f, normal(0, 4, 3), jnp.arange(NUM_LANES) % 4))


@pytest.mark.parametrize("reverse, length", [(False, 3), (True, 1)])
def test_loops_of_any_parts(reverse: bool, length: int) -> None:
    """Constants, what is carried and rows are told apart, be there none of them, in lanes and not, of any rank."""

    def f(x: jax.Array, key: jax.Array, rows: jax.Array) -> Any:
        scan = functools.partial(jax.lax.scan, reverse=reverse, length=length)
        known, shared = jnp.arange(length), jnp.arange(3.0 * length).reshape(length, 3)
        return (
            scan(lambda carry, _: (carry * 0.5 + x[:1].sum(), None), x),
            scan(lambda carry, row: (None, row @ jnp.eye(3) + x.sum()), None, rows),
            scan(lambda carry, _: (None, x.T), None),
            scan(
                lambda carry, row: ((carry[0] + 1, row[0]), (carry[0], x[0], row[1])),
                (0, x[0, 0]),
                (shared[:, 0], known),
            ),
            scan(lambda key, _: (jax.random.split(key)[0], jax.random.normal(key, (2,))), key)[1],
        )

    rows = normal(1, length, 2, 3)
    assert_close(both(f, normal(0, 4, 3), jax.random.split(jax.random.key(0), NUM_LANES), rows))


def test_a_program_that_is_not_known_runs_by_vmap(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a newer JAX may make one; a line says so once, and another mistake of a function stays its own."""
    x, y = normal(0, 4, 3), normal(1, 4, 3)
    monkeypatch.setattr(lanes, "_told", False)
    assert_close(both(lambda x, y: x + y[0], x, y, axes=(0, None)))
    assert caplog.messages == []
    monkeypatch.setattr(lanes, "INLINED", {"jit": "program"})
    for f in (lambda x, y: jnp.clip(x @ y.T, -1), lambda x, y: {"b": jnp.linalg.norm(x), "a": y}):
        for axes in (0, (0, None)):
            ours, plain = both(f, x, y if axes == 0 else y[0], axes=axes)
            jax.tree.map(np.testing.assert_array_equal, ours, plain)
    (said,) = caplog.messages
    assert said.startswith(
        f"jax {jax.__version__} makes programs that landscapes.envs.lanes does not know (KeyError: 'pr"
    )
    with pytest.raises(TypeError, match="incompatible shapes"):
        jax.vmap(lanes_last(lambda x, y: x + y[:2]))(x, y)


def test_loops_with_known_and_unknown_parts() -> None:
    def f(x: jax.Array, rows: jax.Array) -> Any:
        places = jnp.array(PARENTS)

        def body(carry: tuple[jax.Array, jax.Array], row: Any) -> Any:
            (state, count), (own, shared) = carry, row
            state = state.at[places].add(own) @ jnp.eye(3) * shared
            return (state, count + 1), state.sum(axis=1)

        return jax.lax.scan(body, (x, 0), (rows, jnp.arange(1.0, 3.0)), reverse=True)

    x, rows = normal(0, 4, 3), normal(1, 2, 4, 3)
    assert_close(both(f, x, rows))
    assert not {"dot_general", "scatter-add"} & set(primitives(jax.vmap(lanes_last(f)), x, rows))


def test_what_is_shared_by_all_lanes() -> None:
    def f(key: jax.Array, x: dict[str, jax.Array], scale: float) -> Any:
        return {"noisy": x["a"] + scale * jax.random.normal(key, (3,)), "scale": scale * jnp.ones(2)}

    keys, x = jax.random.split(jax.random.key(0), NUM_LANES), {"a": normal(0, 3)}
    assert_close(both(f, keys, x, 2.0, axes=(0, 0, None)))
    assert_close(both(f, jax.random.key(1), {"a": x["a"][0]}, jnp.arange(6.0), axes=(None, None, 0)))


def test_alone_and_in_two_dimensions_of_lanes() -> None:
    def f(x: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(x @ x.T, jnp.array(PARENTS), 3)

    x = normal(0, 4, 3)
    np.testing.assert_array_equal(lanes_last(f)(x[0]), jax.jit(f)(x[0]))
    twice = jax.vmap(jax.vmap(lanes_last(f)))(x.reshape(2, 3, 4, 3))
    assert_close((twice.reshape(6, 3, 4), jax.vmap(f)(x)))


def test_elsewhere_than_on_a_cpu_it_is_vmap(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(0, 4, 3), normal(1, 3)[0]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    ours = jax.vmap(lanes_last(jnp.matmul), (0, None))
    assert "dot_general" in primitives(ours, x, y)
    np.testing.assert_array_equal(ours(x, y), jax.vmap(jnp.matmul, (0, None))(x, y))


def test_derivatives_of_many_lanes() -> None:
    def f(x: jax.Array) -> jax.Array:
        return jnp.sin(x @ x.T)[jnp.array(PARENTS)].sum()

    x = normal(0, 4, 3)
    assert_close(tuple(jax.grad(lambda x, g=g: jax.vmap(g)(x).sum())(x) for g in (lanes_last(f), f)))
    assert_close(tuple(jax.jvp(jax.vmap(g), (x,), (x,)) for g in (lanes_last(f), f)))


@pytest.mark.parametrize("backend", ["spring", pytest.param("generalized", marks=pytest.mark.slow)])
def test_a_simulator_in_many_lanes_is_that_in_one(backend: str) -> None:
    env = make_environment("hopper", backend, 100)
    states, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 3))
    actions = jax.random.uniform(jax.random.key(1), (3, *env.action.shape), minval=-1.0)
    many, step = jax.jit(jax.vmap(env.step))(states, actions), jax.jit(env.step)
    for lane in range(3):
        alone = step(jax.tree.map(lambda x, lane=lane: x[lane], states), actions[lane])
        for one, other in zip(jax.tree.leaves(many), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[lane], other, rtol=1e-4, atol=1e-4)


def test_a_simulator_has_no_small_products_nor_known_places_left() -> None:
    env = make_environment("halfcheetah", "spring", 100)
    state, _ = jax.eval_shape(env.reset, jax.random.key(0))
    states = jax.tree.map(lambda x: jnp.zeros((29, *x.shape), x.dtype), state)
    found = primitives(lambda actions: jax.vmap(env.step)(states, actions), jnp.zeros((29, *env.action.shape)))
    assert len(found) > 1000
    assert not {"dot_general", "gather", "scatter-add"} & set(found)
