"""The settings of each algorithm: one file each with a dataclass `Config`, the only place where they stand.

Knows which algorithms there are, by the files in this folder; knows none from inside.
"""

import importlib
import pkgutil

from landscapes.errors import UserError
from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.fields import closest, shown

ALGORITHMS = tuple(sorted(each.name for each in pkgutil.iter_modules(__path__)))
"""Each has a module of its name here and one in landscapes/algorithms/."""


def config_class(name: str) -> type[AlgorithmConfig]:
    """The settings of the algorithm of that name, one of ALGORITHMS."""
    found: type[AlgorithmConfig] = importlib.import_module(f"{__name__}.{name}").Config
    return found


def check_is_algorithm(name: str, key: str) -> None:
    """Raises UserError under `key` unless there is such an algorithm, or the name is a dotted path."""
    if name not in ALGORITHMS and "." not in name:
        allowed = f"no such algorithm; {closest(name, ALGORITHMS)}, or the dotted path to a make of your own"
        raise UserError(key, shown(name), allowed)
