"""Return landscapes of policies: train, measure the neighbourhood, walk to a calmer one.

Knows the two functions that a notebook starts from; importing this package imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscapes.loading import load as load
    from landscapes.storage.dataframes import to_dataframe as to_dataframe

__version__ = "0.1.0"
__all__ = ["load", "to_dataframe"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from landscapes.loading import load

        return load
    if name == "to_dataframe":
        from landscapes.storage.dataframes import to_dataframe

        return to_dataframe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
