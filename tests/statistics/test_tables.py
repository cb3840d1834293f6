"""What tables say of a statistic, its interval, and of one that is not defined."""

import math

import numpy as np

from landscapes import statistics
from landscapes.statistics import tables


def test_an_interval_that_cannot_be_told_is_left_out() -> None:
    assert tables.with_interval(1234.56, 1200.0, 1300.25, ",.1f") == "1,234.6 (1,200.0 .. 1,300.2)"
    assert tables.with_interval(-0.5, -1.0, 0.25, "+.2f") == "-0.50 (-1.00 .. +0.25)"
    assert tables.with_interval(3.0, math.nan, math.nan) == "3.0"
    assert tables.with_interval(math.nan, math.nan, math.nan) == "not defined"


def test_left_tails_of_negative_modes_are_not_defined() -> None:
    """Those of returns around 0 are, but no interval is: in some resamples the mode is negative."""
    columns = tables.purd_columns(0.1)
    costs = dict(zip(columns, tables.purd_cells(statistics.summarize(np.linspace(-300.0, -200.0, 50))), strict=True))
    assert costs["LTP"] == "not defined" and costs["mean"].startswith("-250.0 (-2")
    around = np.concatenate([np.full(20, 1.4), np.full(19, -1.4), np.linspace(-5.0, 5.0, 11)])
    cells = dict(zip(columns, tables.purd_cells(statistics.summarize(around)), strict=True))
    assert float(cells["LTP"]) == statistics.left_tail_probability(around), "a number, and nothing behind it"
    assert "nan" not in "".join([*costs.values(), *cells.values()])
    assert "nan" not in "".join(tables.difference_cells(around, around[::-1], 0.1))
