"""Statistics of returns against closed forms, SciPy, and numbers worked out by hand.

Knows `landscapes.statistics` only; nothing here touches a policy or a file.
"""

import math
import time
from functools import partial
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats

from landscapes import statistics

EVERY_STATISTIC = [
    statistics.mode,
    statistics.left_tail_probability,
    statistics.cvar,
    statistics.mean,
    statistics.median,
    statistics.std,
    statistics.skewness,
    statistics.interquartile_range,
    statistics.interquartile_mean,
    partial(statistics.quantile, probability=0.3),
]


def skewed(seed: int = 0, num_samples: int = 1000) -> np.ndarray:
    """Returns like those of a noisy neighbourhood: a peak near 2000 and a tail towards zero."""
    generator = np.random.default_rng(seed)
    return 2000.0 - generator.gamma(0.7, 400.0, num_samples)


# --- mode and left tail


def test_mode_and_left_tail_by_hand():
    # [0, 100] in 100 bins of width 1. Bin [80, 81) holds three, [0, 1) holds two: centre 80.5, floored 80.
    # Half of 80 is 40; strictly below it lie 0.0, 0.5 and 39.9 of eight; 40.0 itself does not count.
    returns = [0.0, 0.5, 39.9, 40.0, 80.0, 80.2, 80.9, 100.0]
    assert statistics.mode(returns) == 80.0
    assert statistics.left_tail_probability(returns) == 3 / 8


def test_the_first_of_equally_full_bins_is_the_mode():
    # Bins [10, 10.9) and [90.1, 91) hold two each; the width is 0.9, the centre of the first 10.45.
    returns = [10.0, 10.1, 90.5, 90.6, 100.0]
    assert statistics.mode(returns) == 10.0


def test_the_mode_is_floored_towards_minus_infinity():
    # [-100, 0]: the bin [-60, -59) holds two, its centre -59.5 is floored to -60.
    returns = [-100.0, -59.7, -59.3, 0.0]
    assert statistics.mode(returns) == -60.0


def test_half_of_a_negative_mode_is_no_left_tail():
    # Mode -60, so the published threshold is -30: three of four lie below it although nothing failed.
    returns = [-100.0, -59.7, -59.3, 0.0]
    assert math.isnan(statistics.left_tail_probability(returns))
    assert statistics.left_tail_probability(returns, published=True) == 3 / 4


def test_a_mode_of_zero_is_no_left_tail_either():
    # [-50, 50]: the bin [0, 1) holds three, centre 0.5, floored 0; one of five lies strictly below 0.
    returns = [-50.0, 0.1, 0.2, 0.3, 50.0]
    assert statistics.mode(returns) == 0.0
    assert math.isnan(statistics.left_tail_probability(returns))
    assert statistics.left_tail_probability(returns, published=True) == 1 / 5


@pytest.mark.parametrize("count", [1, 7])
def test_equal_returns_have_their_floored_value_as_mode_and_no_tail(count):
    assert statistics.mode([5.25] * count) == 5.0
    assert statistics.left_tail_probability([5.25] * count) == 0.0
    assert statistics.std([5.25] * count) == 0.0
    assert math.isnan(statistics.skewness([5.25] * count))
    assert statistics.cvar([5.25] * count) == 5.25


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("whole", [False, True], ids=["real", "whole"])
def test_mode_agrees_with_numpy_histogram(seed, whole):
    returns = skewed(seed, 500)
    returns = np.round(returns / 10) if whole else returns  # whole numbers fall on the edges of bins
    counts, edges = np.histogram(returns, bins=100)
    first_fullest = int(np.argmax(counts))
    assert statistics.mode(returns) == (edges[first_fullest] + edges[first_fullest + 1]) // 2


# --- CVaR


def test_cvar_is_the_mean_of_the_lowest_returns():
    # 20 returns, alpha 0.1: the two lowest are 1 and 2. The 0.1-quantile lies between the second and third lowest,
    # so the formula is their mean exactly.
    returns = np.random.default_rng(0).permutation(np.arange(1.0, 21.0))
    assert statistics.cvar(returns, 0.1) == pytest.approx(1.5)


def test_cvar_of_a_normal_is_its_closed_form():
    # mean - std * density(z) / alpha with z the standard normal's alpha-quantile.
    mean, std, alpha = 1000.0, 100.0, 0.1
    returns = np.random.default_rng(1).normal(mean, std, 400_000)
    standard = NormalDist()
    expected = mean - std * standard.pdf(standard.inv_cdf(alpha)) / alpha
    assert statistics.cvar(returns, alpha) == pytest.approx(expected, abs=1.5)  # its standard error is about 0.3


def test_cvar_extrapolates_where_alpha_n_is_below_one():
    # 0, 10, .., 40 and alpha 0.1: the quantile sits at 0.4 of the way to the second, q = 4; only 0 lies below:
    # 4 + (-4 / 5) / 0.1 = -4, less than the least return, as the docstring warns.
    assert statistics.cvar([0.0, 10.0, 20.0, 30.0, 40.0], 0.1) == pytest.approx(-4.0)


def test_cvar_of_everything_is_the_mean():
    assert statistics.cvar(skewed(), 1.0) == pytest.approx(statistics.mean(skewed()))


# --- the others, against SciPy and NumPy


@pytest.mark.parametrize("num_values", [1, 3, 4, 5, 20, 101])
def test_interquartile_mean_is_scipys_trimmed_mean(num_values):
    values = skewed(2, num_values)
    assert statistics.interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25))


def test_interquartile_mean_flattens_tasks_as_rliable_does():
    values = skewed(3, 60).reshape(20, 3)
    assert statistics.interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25, axis=None))


def test_moments_and_quantiles_agree_with_scipy_and_numpy():
    returns = skewed(4)
    probabilities = [0.0, 0.05, 0.1, 0.25, 0.5, 0.777, 0.95, 1.0]
    assert statistics.skewness(returns) == pytest.approx(scipy.stats.skew(returns))
    assert statistics.skewness(returns) < 0
    assert statistics.std(returns) == pytest.approx(np.std(returns))
    assert statistics.interquartile_range(returns) == pytest.approx(scipy.stats.iqr(returns))
    assert np.array_equal(statistics.quantiles(returns, probabilities), np.quantile(returns, probabilities))


# --- what is not a sample of returns


@pytest.mark.parametrize("statistic", EVERY_STATISTIC)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_return_that_is_not_finite_is_never_dropped(statistic, wrong):
    returns = [1.0, 2.0, wrong, 4.0]
    assert math.isnan(statistic(returns))
    assert all(math.isnan(end) for end in statistics.bootstrap_interval(returns, statistic))


def test_a_summary_of_returns_that_are_not_finite_is_nan_throughout():
    summary = statistics.summarize([1.0, np.nan, 3.0])
    assert summary.pop("num_samples") == 3
    assert all(math.isnan(value) for value in summary.values())


@pytest.mark.parametrize("wrong", [[], [[1.0, 2.0]], 3.0])
def test_another_shape_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        statistics.mode(wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda: statistics.cvar([1.0, 2.0], 0.0),
        lambda: statistics.cvar([1.0, 2.0], 1.5),
        lambda: statistics.quantile([1.0, 2.0], -0.1),
        lambda: statistics.bootstrap_interval([1.0, 2.0], statistics.mean, confidence=1.0),
        lambda: statistics.bootstrap_interval([1.0, 2.0], statistics.mean, num_resamples=0),
        lambda: statistics.bootstrap_interval([1.0, 2.0], partial(statistics.cvar, alpha=2.0)),
        lambda: statistics.paired_bootstrap_interval([1.0, 2.0], [1.0, 2.0, 3.0], statistics.mean),
        lambda: statistics.iqm_interval([]),
        lambda: statistics.summarize([1.0, 2.0], alpha=0.0),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"must be|differ in length"):
        call()


# --- intervals


@pytest.mark.parametrize("statistic", EVERY_STATISTIC)
def test_the_fast_bootstrap_is_the_plain_one(statistic):
    returns = skewed(5, 200)
    plain = statistics.bootstrap_interval(returns, lambda sample: statistic(sample), num_resamples=100)
    assert statistics.bootstrap_interval(returns, statistic, num_resamples=100) == pytest.approx(plain, rel=1e-12)


def test_the_bootstrap_does_not_depend_on_how_much_it_holds_at_once(monkeypatch):
    returns = skewed(5, 100)
    whole = statistics.bootstrap_interval(returns, statistics.mean, num_resamples=200)
    monkeypatch.setattr("landscapes.statistics.intervals._ELEMENTS_AT_ONCE", 700)
    assert statistics.bootstrap_interval(returns, statistics.mean, num_resamples=200) == whole


def test_a_95_percent_interval_covers_the_mean_of_a_normal_95_times_in_100():
    generator = np.random.default_rng(6)
    trials = 400
    covered = 0
    for trial in range(trials):
        low, high = statistics.bootstrap_interval(generator.normal(10.0, 3.0, 100), np.mean, 0.95, 400, seed=trial)
        covered += low <= 10.0 <= high
    # Binomial(400, 0.95) has standard deviation 4.4; the percentile bootstrap at n = 100 covers a little less.
    assert 0.915 <= covered / trials <= 0.975


def test_an_interval_widens_with_its_confidence():
    wide = statistics.bootstrap_interval(skewed(), statistics.cvar, 0.99)
    narrow = statistics.bootstrap_interval(skewed(), statistics.cvar, 0.5)
    assert wide[0] < narrow[0] < statistics.cvar(skewed()) < narrow[1] < wide[1]


def test_pairing_cancels_what_two_samples_share():
    generator = np.random.default_rng(7)
    shared = generator.normal(1000.0, 300.0, 500)
    one, two = shared + generator.normal(0.0, 1.0, 500), shared + 5.0 + generator.normal(0.0, 1.0, 500)
    low, high = statistics.paired_bootstrap_interval(one, two, statistics.mean)
    assert 4.0 < low < 5.0 < high < 6.0
    low, high = statistics.paired_bootstrap_interval(two, one, statistics.mean)
    assert -6.0 < low < -5.0 < high < -4.0
    unpaired = statistics.bootstrap_interval(one, statistics.mean)
    assert unpaired[1] - unpaired[0] > 40.0


def test_one_return_or_one_seed_has_no_interval():
    assert all(math.isnan(end) for end in statistics.bootstrap_interval([3.0], statistics.mean))
    assert all(math.isnan(end) for end in statistics.iqm_interval([3.0]))


def test_iqm_interval_over_seeds_is_the_bootstrap_of_the_interquartile_mean():
    values = skewed(8, 20)
    low, high = statistics.iqm_interval(values)
    assert low < statistics.interquartile_mean(values) < high
    assert (low, high) == pytest.approx(statistics.bootstrap_interval(values, statistics.interquartile_mean), rel=0.02)


def test_tasks_are_resampled_apart():
    # Two tasks without any spread over seeds, far apart: whatever seeds are drawn, every resample holds ten of each.
    values = np.stack([np.zeros(10), np.full(10, 100.0)], axis=1)
    assert statistics.iqm_interval(values) == (50.0, 50.0)


@pytest.mark.parametrize(
    "interval",
    [
        lambda seed: statistics.bootstrap_interval(skewed(), statistics.mean, seed=seed),
        lambda seed: statistics.bootstrap_interval(skewed(9, 50), lambda sample: sample.max(), 0.9, 50, seed=seed),
        lambda seed: statistics.paired_bootstrap_interval(skewed(1), skewed(2), statistics.mean, seed=seed),
        lambda seed: statistics.iqm_interval(skewed(9, 20), seed=seed),
        lambda seed: tuple(statistics.summarize(skewed(9, 200), seed=seed, num_resamples=200).values()),
    ],
)
def test_seeds_matter_and_repeat(interval):
    assert interval(0) == interval(0)
    assert interval(0) != interval(1)


# --- summary


def test_a_summary_holds_every_statistic_and_its_interval():
    returns = skewed()
    summary = statistics.summarize(returns, alpha=0.2, seed=3)
    names = ["mean", "std", "mode", "ltp", "cvar", "median", "q05", "q25", "q75", "q95", "iqr", "skewness"]
    assert set(summary) == {name + end for name in names for end in ("", "_low", "_high")} | {"num_samples"}
    assert all(summary[f"{name}_low"] <= summary[name] <= summary[f"{name}_high"] for name in names)
    assert summary["num_samples"] == 1000
    assert summary["cvar"] == statistics.cvar(returns, 0.2)
    assert summary["ltp"] == statistics.left_tail_probability(returns)
    alone = statistics.bootstrap_interval(returns, partial(statistics.cvar, alpha=0.2), seed=3)
    assert (summary["cvar_low"], summary["cvar_high"]) == alone


def test_a_summary_without_intervals_holds_points_only():
    points = statistics.summarize(skewed(), intervals=False)
    assert not any(name.endswith(("_low", "_high")) for name in points)


def test_a_summary_of_a_thousand_returns_is_quick():
    statistics.summarize(skewed())
    start = time.process_time()
    statistics.summarize(skewed())
    assert time.process_time() - start < 0.5


# --- points of paths and planes, histograms, pairs


@pytest.mark.parametrize("statistic", EVERY_STATISTIC)
def test_each_point_of_a_plane_has_its_own_statistic(statistic):
    plane = np.stack([skewed(seed, 40) for seed in range(6)]).reshape(2, 3, 40)
    plane[1, 0, 7] = np.nan
    found = statistics.over_samples(statistic, plane)
    assert found.shape == (2, 3)
    for index in np.ndindex(2, 3):
        np.testing.assert_equal(found[index], float(statistic(plane[index])))
    assert np.isnan(found[1, 0]) and np.isfinite(np.delete(found.ravel(), 3)).all()


def test_a_plane_without_finite_points_has_no_statistic():
    assert np.isnan(statistics.over_samples(statistics.mean, np.full((2, 3), np.inf))).all()
    for shape in ((3,), (3, 0)):
        with pytest.raises(ValueError, match="must be"):
            statistics.over_samples(statistics.mean, np.zeros(shape))


def test_a_valley_lies_below_both_ends():
    assert statistics.valley([100.0, 70.0, 90.0, 80.0]) == (10.0, 10.0 / 80.0)
    assert statistics.valley([100.0, 20.0, 10.0]) == (0.0, 0.0), "falling all the way is no valley"
    assert statistics.valley([5.0, 9.0, 5.0]) == (0.0, 0.0)
    assert statistics.valley([3.0]) == (0.0, 0.0)
    depth, share = statistics.valley([-1.0, -4.0, 2.0])
    assert depth == 3.0 and math.isnan(share)
    assert all(map(math.isnan, statistics.valley([1.0, np.nan, 1.0])))


def test_shares_of_a_histogram_are_of_all_returns():
    edges = statistics.common_bins([[0.0, 4.0, np.nan], [2.0]], num_bins=4)
    np.testing.assert_array_equal(edges, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(statistics.histogram([0.0, 0.5, 4.0, np.inf], edges), [0.5, 0.0, 0.0, 0.25])
    np.testing.assert_array_equal(statistics.common_bins([[np.nan]], num_bins=1), [-0.5, 0.5])


def test_the_left_tail_of_a_plane_lies_below_half_of_its_centre():
    plane = np.array([[100.0, 50.0, 49.9], [80.0, 0.0, -20.0]])
    assert statistics.share_in_left_tail(plane, 100.0) == 0.5
    assert statistics.share_in_left_tail(plane, 200.0) == 5.0 / 6.0
    assert statistics.share_in_left_tail([100.0, np.nan], 100.0) == 0.5, "what diverged is as bad as any"
    assert np.isnan(statistics.share_in_left_tail(plane, 0.0)) and np.isnan(
        statistics.share_in_left_tail(plane, np.nan)
    )


def test_the_pairs_of_equal_mean_that_differ_most_in_spread():
    # Means 100, 100, 101, 150, 101.5; stds 1, 50, 10, 90, 5; the last has a nan. Within 2 % lie the first three and
    # the fifth. The widest apart are 0 and 1; what is left of them is 2 and 4.
    samples = [[99, 101], [50, 150], [91, 111], [60, 240], [96.5, 106.5], [100, np.nan]]
    assert statistics.same_mean_pairs(samples) == [(0, 1), (4, 2)]
    assert statistics.same_mean_pairs(samples, most=1) == [(0, 1)]
    # Within 0.6 % of each other lie 0 and 1, and 2 and 4 (0.5 of 101.5).
    assert statistics.same_mean_pairs(samples, tolerance=0.006) == [(0, 1), (4, 2)]
    assert statistics.same_mean_pairs(samples, tolerance=0.001) == [(0, 1)]


def test_no_pairs_where_there_is_nothing_to_compare():
    assert statistics.same_mean_pairs([]) == statistics.same_mean_pairs([[1.0, 2.0]]) == []
    assert statistics.same_mean_pairs([[1.0, 2.0], [1.0, 2.0]]) == [], "equal spread is no pair"
    assert statistics.same_mean_pairs([[-99, -101], [-50, -150]]) == [(0, 1)]
    with pytest.raises(ValueError, match="tolerance"):
        statistics.same_mean_pairs([[1.0]], tolerance=-0.1)


def test_a_summary_of_some_names_equals_that_of_all():
    returns = skewed(3, 200)
    every = statistics.summarize(returns, num_resamples=50)
    some = statistics.summarize(returns, num_resamples=50, names=("mean", "ltp"))
    assert sorted(some) == ["ltp", "ltp_high", "ltp_low", "mean", "mean_high", "mean_low", "num_samples"]
    assert some == {name: every[name] for name in some}
