"""Early refusal: completions against exact probabilities, and its error by simulation where it is hardest to hold."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from landscapes import statistics
from landscapes.statistics import sequential
from landscapes.studies import rejection

CVAR = partial(statistics.cvar, alpha=0.1)
LTP = partial(statistics.left_tail_probability, published=True)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- when to look


def test_when_one_looks():
    assert sequential.look_sizes(1000) == (128, 256, 512, 768)
    assert sequential.look_sizes(400) == (64, 128, 256, 320)
    assert sequential.look_sizes(200) == (64, 128)
    assert sequential.look_sizes(100) == (64,)
    assert sequential.look_sizes(64) == sequential.look_sizes(1) == ()


@pytest.mark.parametrize("num_samples", [81, 130, 256, 999, 10_000])
def test_looks_rise_and_each_could_save_something(num_samples):
    looks = sequential.look_sizes(num_samples)
    assert list(looks) == sorted(set(looks))
    assert looks[0] >= 64 and looks[-1] <= 0.8 * num_samples


def test_a_smaller_error_takes_more_completions():
    assert [sequential.num_completions(error) for error in (0.4, 0.01, 0.005, 1e-9)] == [999, 1999, 3999, 19_999]


def test_a_share_must_be_resolved_to_be_hopeless():
    none = np.zeros(999, bool)
    assert sequential.is_hopeless(none, 0.001) and not sequential.is_hopeless(none, 0.0009)
    assert not sequential.is_hopeless(~none, 0.999)


# --- completions


def test_a_completion_holds_what_was_seen_and_nothing_new():
    returns = np.array([3.0, 1.0, 2.0, 1.0])
    rows = sequential.completions(returns, 9, 50, generator())
    assert rows.shape == (50, 9) and rows.dtype == np.float64
    assert_array_equal(rows, np.sort(rows, axis=1))
    for row in rows:
        assert {*row} == {1.0, 2.0, 3.0}
        assert (row == 1.0).sum() >= 2
    assert len({tuple(row) for row in rows}) > 10


def test_every_way_to_complete_is_equally_likely():
    # Draws from a Polya urn fall on its balls in every possible way equally often: here 4 balls and 2 draws, 10 ways.
    rows = sequential.completions(np.array([1.0, 2.0, 4.0]), 5, 20_000, generator())
    found = dict(zip(*np.unique(rows.sum(axis=1) - 7.0, return_counts=True), strict=True))
    # Balls 1, 2, 4 and the added 4.
    expected: dict[float, float] = {}
    for two in itertools.combinations_with_replacement((1.0, 2.0, 4.0, 4.1), 2):
        total = float(sum(map(math.floor, two)))
        expected[total] = expected.get(total, 0.0) + 2_000
    assert found.keys() == expected.keys()
    for total, times in expected.items():
        assert abs(found[total] - times) < 5.0 * math.sqrt(times)


@pytest.mark.parametrize("statistic", [CVAR, LTP, statistics.mean, statistics.mode, statistics.median, np.ptp])
def test_statistics_of_completions_are_those_of_the_completed_samples(statistic):
    returns = np.round(generator().normal(300.0, 40.0, 70), 1)
    values = sequential.completed(statistic, returns, 200, 40, generator(7))
    rows = sequential.completions(returns, 200, 40, generator(7))
    assert_array_equal(values, [statistic(generator(i).permutation(row)) for i, row in enumerate(rows)])


def test_completions_come_in_blocks_of_bounded_size(monkeypatch):
    returns = generator().normal(size=30)
    monkeypatch.setattr(sequential, "_ELEMENTS_AT_ONCE", 100 * 7)
    values = sequential.completed(CVAR, returns, 100, 50, generator())
    assert values.shape == (50,) and len({*values}) > 25


def hypergeometric_tail(num_samples: int, failures: int, seen: int, at_least: int) -> float:
    """Chance that `seen` of `num_samples` drawn without replacement hold `at_least` of the `failures`."""
    ways = sum(
        math.comb(failures, k) * math.comb(num_samples - failures, seen - k)
        for k in range(at_least, min(failures, seen) + 1)
    )
    return ways / math.comb(num_samples, seen)


@pytest.mark.parametrize("bad, seen, limit, num_samples", [(3, 10, 4, 40), (2, 5, 5, 40), (5, 6, 8, 20), (1, 8, 1, 30)])
def test_of_two_values_the_share_is_the_exact_p_value(bad, seen, limit, num_samples):
    """The share of completions with at most `limit` failures is the chance of a beginning with so many of them, if
    the whole has `limit`; without the added return it would be less."""
    returns = np.array([0.0] * bad + [1.0] * (seen - bad))
    rows = sequential.completions(returns, num_samples, 40_000, generator())
    share = ((rows == 0.0).sum(axis=1) <= limit).mean()
    exact = hypergeometric_tail(num_samples, limit, seen, bad)
    assert_allclose(share, exact, atol=5.0 * math.sqrt(exact / 40_000))


# --- the error, where it is hardest to hold


def failing(share):
    def draw(random, size):
        return np.where(random.random(size) < share, random.normal(90.0, 15.0, size), random.normal(300.0, 8.0, size))

    return draw


POPULATIONS = {
    "normal": lambda random, size: random.normal(300.0, 20.0, size),
    "heavy": lambda random, size: 300.0 + 10.0 * random.standard_t(2.0, size),
    "left": lambda random, size: 300.0 - 20.0 * random.pareto(1.5, size),
    "few failures": failing(0.03),
    "more failures": failing(0.10),
    "two values": lambda random, size: np.where(random.random(size) < 0.08, 0.0, 1.0),
    "seven values": lambda random, size: 50.0 * random.integers(0, 7, size),
}


def refused(draw, slack, *, num_decisions=100, num_samples=130, error=0.2, alpha=0.1):
    """The share refused early of proposals that pass with `slack` to spare: at 0 the score needed is just theirs."""
    early = rejection.make_early_refusal(alpha, num_samples, error, (5,))
    random, count = generator(3), 0
    for number in range(num_decisions):
        returns = draw(random, num_samples)
        incumbent = rejection.Score(0.0, 0.0, statistics.cvar(returns, alpha) - slack)
        count += any(early.hopeless(number, returns[:look], incumbent) for look in early.looks)
    return count / num_decisions


@pytest.mark.parametrize("name", POPULATIONS)
def test_of_proposals_that_just_pass_no_more_than_the_stated_error_are_refused(name):
    """A large error leaves a small sample of decisions power: 0.2 of 100 has a standard deviation of 0.04."""
    assert refused(POPULATIONS[name], 0.0) <= 0.2 + 2.0 * 0.04


def test_this_check_has_power():
    """Where the method does not hold the check says so: means of returns of which a few are enormous."""

    def rarely_enormous(random, size):
        return np.where(random.random(size) < 0.02, 1000.0, 0.0) + random.normal(size=size)

    with pytest.raises(ValueError, match=r"alpha=1.0: must be in \(0, 0.5\]"):
        rejection.make_early_refusal(1.0, 130, 0.2, ())
    random, wrong = generator(), 0
    for _ in range(50):
        returns = rarely_enormous(random, 130)
        values = sequential.completed(statistics.mean, returns[:64], 130, 999, random)
        wrong += sequential.is_hopeless(values >= statistics.mean(returns), 0.05)
    assert wrong / 50 > 0.05 + 4.0 * math.sqrt(0.05 * 0.95 / 50)


@pytest.mark.parametrize("name", ["normal", "few failures"])
def test_the_hopeless_are_refused(name):
    """Against a score that the whole sample misses by far nearly all are refused at the first look."""
    assert refused(POPULATIONS[name], -200.0, num_decisions=20, error=0.05) >= 0.9


# --- the rule


def rule(num_samples=256, error=0.05, seeds=(1, 2)):
    return rejection.make_early_refusal(0.1, num_samples, error, seeds)


def score(cvar):
    return rejection.Score(mean=math.nan, ltp=math.nan, cvar=cvar)


def test_the_same_seeds_decide_alike():
    returns = generator().normal(size=64)
    doubtful = score(CVAR(returns) + 0.32)
    decisions = [[rule(seeds=seeds).hopeless(n, returns, doubtful) for n in range(30)] for seeds in [(1, 2), (1, 2)]]
    assert decisions[0] == decisions[1]


def test_what_cannot_pass_and_what_cannot_fail():
    good = np.linspace(0.0, 1.0, 64)
    assert rule().hopeless(1, np.append(good, np.nan), score(-1e9))
    assert rule().hopeless(1, np.append(good, -np.inf), score(math.nan))
    assert not rule().hopeless(1, good, score(math.nan))  # any score beats one that is NaN
    assert not rule().hopeless(1, good, score(CVAR(good)))
    assert rule().hopeless(1, good, score(2.0))


def test_ties_pass():
    equal = np.full(64, 7.0)
    assert not rule().hopeless(1, equal, score(CVAR(np.full(256, 7.0))))


def test_an_error_too_small_to_resolve_refuses_nothing():
    assert not rule(error=1e-6).hopeless(1, np.zeros(64), score(1.0))
