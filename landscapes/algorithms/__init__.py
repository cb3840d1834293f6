"""Learning algorithms, one file each, as records of pure functions.

Knows how an algorithm is found by name; each file knows itself and none knows another.
"""

from landscapes.algorithms.registry import ALGORITHMS, make_algorithm

__all__ = ["ALGORITHMS", "make_algorithm"]
