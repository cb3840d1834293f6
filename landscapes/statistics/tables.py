"""PURDs and their differences as rows of a table.

Knows which statistics a reader is shown and how many digits they deserve; knows neither files nor terminals.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from landscapes import statistics

_DIGITS = {"mean": 1, "std": 1, "ltp": 3, "cvar": 1}


def with_interval(value: float, low: float, high: float, form: str = ".1f") -> str:
    """`value (low .. high)` in a format such as `+,.1f`. An interval of nan is left out: of one seed there is none, nor
    where a resample has no such statistic."""
    if math.isnan(value):
        return "not defined"
    return f"{value:{form}}" + ("" if math.isnan(low) else f" ({low:{form}} .. {high:{form}})")


def purd_columns(alpha: float) -> list[str]:
    """Names of the columns that `purd_cells` and `difference_cells` fill."""
    return ["mean", "std", "LTP", f"CVaR {alpha}"]


def purd_cells(summary: Mapping[str, float]) -> list[str]:
    """`statistics.summarize` as cells: each statistic with its 95 % interval, as far as there is one."""
    return [_cell(summary, name, f".{digits}f") for name, digits in _DIGITS.items()]


def _cell(summary: Mapping[str, float], name: str, form: str = ".1f") -> str:
    low, high = (summary.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return with_interval(summary[name], low, high, form)


def episode_summary(returns: np.ndarray, lengths: np.ndarray, intervals: bool = True) -> dict[str, float]:
    """`statistics.summarize` of the returns `[n]` of test episodes, with their lowest and highest, and the mean of
    `lengths` `[n]` as `length`."""
    extremes = {"lowest": float(np.min(returns)), "highest": float(np.max(returns))}
    return {**statistics.summarize(returns, intervals=intervals), **extremes, "length": float(np.mean(lengths))}


def episode_columns() -> list[str]:
    """Names of the columns that `episode_cells` fills."""
    return ["mean", "std", "median", "lowest .. highest", "length"]


def episode_cells(summary: Mapping[str, float]) -> list[str]:
    """`episode_summary` as cells: the mean with its 95 % interval over episodes, as far as there is one."""
    spread = [f"{summary[name]:.1f}" for name in ("std", "median")]
    range_of_returns = f"{summary['lowest']:.1f} .. {summary['highest']:.1f}"
    return [_cell(summary, "mean"), *spread, range_of_returns, f"{summary['length']:.1f}"]


def difference_cells(one: np.ndarray, two: np.ndarray, alpha: float) -> list[str]:
    """Each statistic of `two` minus that of `one` with its paired 95 % interval; both `[n]` on the same keys."""
    functions: dict[str, Callable[[np.ndarray], float]] = {
        "mean": statistics.mean,
        "std": statistics.std,
        "ltp": statistics.left_tail_probability,
        "cvar": partial(statistics.cvar, alpha=alpha),
    }
    cells = []
    for name, digits in _DIGITS.items():
        function = functions[name]
        low, high = statistics.paired_bootstrap_interval(one, two, function)
        cells.append(with_interval(function(two) - function(one), low, high, f"+.{digits}f"))
    return cells
