"""Return landscapes of policies: train, measure the neighbourhood, walk to a calmer one.

Knows the one function that a notebook starts from; importing this package imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscapes.loading import load as load

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from landscapes.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
