"""JAX's compiler: programs compiled side by side; how many were, and how many had been before, by an earlier job.

Knows JAX's own events, from when it is first imported; knows no program of ours.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

T = TypeVar("T")


class Program(NamedTuple):
    """A function that `jax.jit` made, and the arguments it will be called with: arrays, or their shapes (with their
    shardings, where they are spread over devices)."""

    function: Any
    arguments: tuple[Any, ...]


def strongly_typed(tree: T) -> T:
    """The same arrays without weak types, for a traced function whose results are its arguments again: one that has a
    weak type where the argument had none would be an argument of another program, which would be compiled."""

    def strong(x: jax.Array) -> jax.Array:
        return x if jnp.issubdtype(x.dtype, jax.dtypes.extended) else jax.lax.convert_element_type(x, x.dtype)

    return jax.tree.map(strong, tree)


def compile_together(programs: Sequence[Program]) -> None:
    """Compiles the programs at the same time; calls of them with such arguments then find them compiled.

    Most of XLA's compiler for CPUs uses one core. Give the one that takes longest first: Python traces one after the
    other, and the first is compiled meanwhile.
    """
    with compiling(), ThreadPoolExecutor(len(programs)) as threads:
        compiled = [threads.submit(program.function.lower(*program.arguments).compile) for program in programs]
        for one in compiled:
            one.result()


_watchers: list[Callable[[str], AbstractContextManager[None]]] = []


@contextmanager
def told_to(watcher: Callable[[str], AbstractContextManager[None]]) -> Iterator[None]:
    """Inside, `watcher("compiling")` is entered while programs are compiled, and left after that."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def compiling() -> Iterator[None]:
    """Around what compiles: `compile_together`, or the first call of a program that was not compiled by it."""
    with ExitStack() as stack:
        for watcher in _watchers:
            stack.enter_context(watcher("compiling"))
        yield


class Programs(NamedTuple):
    """Numbers of programs, of those whose compilation takes long enough to be kept."""

    compiled: int
    found: int


_EVENTS = {"/jax/compilation_cache/cache_misses": "compiled", "/jax/compilation_cache/cache_hits": "found"}
_counts: Counter[str] = Counter()
_counting = threading.Lock()


def _count(event: str, **_: Any) -> None:
    if event in _EVENTS:
        with _counting:
            _counts[_EVENTS[event]] += 1


jax.monitoring.register_event_listener(_count)


def take_counts() -> Programs:
    """Since this was last asked."""
    taken = Programs(_counts["compiled"], _counts["found"])
    _counts.clear()
    return taken
