"""Learning algorithms, one file each, as records of pure functions.

Knows how an algorithm is found by name; each file knows itself and none knows another.
"""

from landscapes.algorithms.registry import make_algorithm
from landscapes.settings.algorithms import ALGORITHMS

__all__ = ["ALGORITHMS", "make_algorithm"]
