"""How many programs were compiled, and how many had been before, by a job that ran earlier or beside this one.

Knows JAX's own events, from when it is first imported; knows no program.
"""

from collections import Counter
from typing import Any, NamedTuple

import jax


class Programs(NamedTuple):
    """Numbers of programs, of those whose compilation takes long enough to be kept."""

    compiled: int
    found: int


_EVENTS = {"/jax/compilation_cache/cache_misses": "compiled", "/jax/compilation_cache/cache_hits": "found"}
_counts: Counter[str] = Counter()


def _count(event: str, **_: Any) -> None:
    if event in _EVENTS:
        _counts[_EVENTS[event]] += 1


jax.monitoring.register_event_listener(_count)


def take_counts() -> Programs:
    """Since this was last asked."""
    taken = Programs(_counts["compiled"], _counts["found"])
    _counts.clear()
    return taken
