"""Corrected intervals against closed forms and printed tables."""

import math
from functools import partial

import numpy as np
import pytest

from landscapes import statistics
from landscapes.statistics.corrected import (
    corrected_difference,
    corrected_ratio,
    difference_of_shares,
    mean_of_groups,
    normal_quantile,
    share_of_groups,
    standard_error,
    student_quantile,
    wilson,
)


def test_quantiles_are_those_of_the_tables():
    assert normal_quantile(1) == pytest.approx(1.95996, abs=1e-5)
    assert normal_quantile(50) == pytest.approx(3.29053, abs=1e-5)  # 0.0005 on each side
    for freedom, expected in ((1, 12.706), (2, 4.3027), (3, 3.1824), (9, 2.2622), (30, 2.0423)):
        assert student_quantile(freedom) == pytest.approx(expected, rel=1e-3)
    assert student_quantile(4, looks=5) == pytest.approx(4.6041, rel=1e-3), "the 99 % quantile"
    assert math.isnan(student_quantile(0))


def test_the_standard_error_of_a_mean_is_its_formula():
    sample = np.random.default_rng(0).normal(5.0, 2.0, 400)
    found = standard_error([sample], lambda rows: rows.mean(axis=1))
    assert found == pytest.approx(sample.std() / 20, rel=0.1)


def test_pairs_cancel_what_they_share():
    shared = np.random.default_rng(1).normal(0.0, 100.0, 200)
    found = corrected_difference(shared, shared + 1.0, statistics.mean, looks=1)
    assert found.value == pytest.approx(1.0)
    assert found.high - found.low < 1e-6


@pytest.mark.parametrize("looks", [1, 100])
def test_so_many_intervals_of_nothing_hold_together(looks):
    """Of 60 repetitions of `looks` comparisons without a difference, few have any that excludes it."""
    generator = np.random.default_rng(2)
    wrong = 0
    for _ in range(200 // looks * 3 if looks == 1 else 6):
        samples = generator.normal(0.0, 1.0, (looks, 2, 80))
        each = [corrected_difference(one, two, statistics.mean, looks) for one, two in samples]
        wrong += any(interval.low > 0 or interval.high < 0 for interval in each)
    assert wrong <= (0.09 * 600 if looks == 1 else 2)


def test_a_ratio_of_stds_holds_the_true_one():
    generator = np.random.default_rng(3)
    found = corrected_ratio(generator.normal(0, 1, 900), generator.normal(0, 4, 300), statistics.std, looks=1)
    assert found.low < 4.0 < found.high
    wider = corrected_ratio(generator.normal(0, 1, 900), generator.normal(0, 4, 300), statistics.std, looks=1000)
    assert math.log(wider.high / wider.low) > 1.5 * math.log(found.high / found.low)
    assert math.isnan(corrected_ratio(np.zeros(5), np.arange(5.0), statistics.std, looks=1).low), "a spread of nothing"


def test_only_groups_are_independent():
    values, groups = [1.0, 1.0, 1.0, 3.0], ["a", "a", "a", "b"]
    found = mean_of_groups(values, groups)
    assert found.value == 2.0
    assert found.high - found.value == pytest.approx(student_quantile(1) * math.sqrt(2.0) / math.sqrt(2.0))
    assert math.isnan(mean_of_groups([1.0, 2.0], ["a", "a"]).low)
    assert math.isnan(mean_of_groups([], []).value)


def test_what_cannot_be_told_is_nan_and_what_is_wrong_raises():
    assert math.isnan(standard_error([np.array([1.0])], lambda rows: rows.mean(axis=1)))
    assert math.isnan(corrected_difference([1.0, np.nan], [1.0, 2.0], partial(statistics.cvar, alpha=0.1), 1).low)
    with pytest.raises(ValueError, match="looks=0"):
        normal_quantile(0)
    with pytest.raises(ValueError, match="differ in length"):
        corrected_difference([1.0, 2.0], [1.0], statistics.mean, 1)


def test_wilson_is_that_of_the_book():
    # Newcombe (1998), table I: 81 of 263, 95 %.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20)[0] == pytest.approx(0.0, abs=1e-12)
    assert all(map(math.isnan, wilson(math.nan, 20)))
    assert wilson(0.5, 100, looks=100) == pytest.approx(wilson(0.5, 100, confidence=0.9995))


def test_few_that_agree_may_do_so_by_chance():
    agreed = share_of_groups([1.0, 1.0, 1.0], ["a", "b", "b"])
    assert (agreed.value, agreed.low) == (1.0, pytest.approx(wilson(1.0, 2)[0]))
    assert math.isnan(share_of_groups([1.0], ["a"]).low)
    assert share_of_groups([0.3, 0.9], ["a", "b"])[1:] == (0.0, 1.0), (
        "Student's of two reaches far beyond what shares can be"
    )
    apart = difference_of_shares([0.0] * 5, [1.0] * 5)
    # Newcombe: both ends of the two intervals of width w = 3.84 / 8.84 add as squares.
    assert apart.low == pytest.approx(1.0 - math.sqrt(2.0) * 3.8415 / 8.8415, abs=1e-4)
    assert difference_of_shares([0.2, 0.1], [0.3, 0.9])[1:] == (-1.0, 1.0)
    same = difference_of_shares([0.0] * 5, [0.0] * 5)
    assert same.low < 0.0 < same.high
