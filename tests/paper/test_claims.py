"""The rule that chooses roots and pairs, and the claims, on distributions whose answer is known."""

import math

import numpy as np
import pytest

from landscapes.paper import claims, cloning, rejection
from landscapes.paper.claims import Path
from landscapes.paper.cloning import Clones
from landscapes.paper.rejection import Walk
from landscapes.paper.roots import Measured, choose_pairs, choose_roots, tail_of
from landscapes.statistics.corrected import Interval
from landscapes.storage import PolicyName


def measured(seed: int, step: int, returns: np.ndarray, run: str = "calm") -> Measured:
    return Measured(PolicyName(run, seed, step), returns)


def bumps(low_share: float, num: int = 500, seed: int = 0) -> np.ndarray:
    """A high bump at 1000, and a share of the returns in a narrower one at 100."""
    generator = np.random.default_rng(seed)
    low = round(low_share * num)
    return np.concatenate([generator.normal(100.0, 30.0, low), generator.normal(1000.0, 60.0, num - low)])


# Roots


def test_a_tail_counts_by_the_published_measure_or_where_that_is_blind_by_the_median() -> None:
    calm, some, blind = (measured(0, 1, bumps(share)) for share in (0.0, 0.05, 0.4))
    assert tail_of(calm) is None
    assert tail_of(some) == (some.policy, 0.05, "LTP")
    root = tail_of(blind)
    assert root is not None, "its mode is the failing bump, so nothing lies below half of it"
    assert root == (blind.policy, 0.4, "median"), "not the few per cent below half of that bump"
    assert tail_of(measured(0, 1, bumps(0.02, num=50))) is None, "one sample of fifty is no tail for sure"
    assert tail_of(measured(0, 1, np.full(9, np.nan))) is None


def test_roots_are_the_largest_tails_three_of_a_seed_at_most_and_all_are_counted() -> None:
    shares = {(0, step): 0.1 + step / 100 for step in range(5)} | {(1, 0): 0.05, (1, 1): 0.0, (2, 0): 0.45}
    group = [measured(seed, step, bumps(share)) for (seed, step), share in shares.items()]
    choice = choose_roots(group, 10)
    assert [root.policy[1:] for root in choice.roots] == [(2, 0), (0, 4), (0, 3), (0, 2), (1, 0)]
    assert (choice.num_measured, choice.num_with_ltp, choice.num_with_median) == (8, 6, 1)
    assert choose_roots(group[::-1], 2).roots == choice.roots[:2], "the order in which they are found is nothing"
    assert choose_roots([], 10).roots == ()


# Claims


def normal(mean: float, std: float, seed: int, num: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, num)


def test_a_pair_of_one_mean_is_seen_only_where_its_ratio_survives_the_number_of_looks() -> None:
    noise = {"flat": [measured(s, 0, normal(1000.0, 50.0, s, num=40)) for s in range(30)]}
    calm = claims.like_means(noise)
    assert calm.verdict != "seen", "the widest of thirty equal spreads is no finding"
    assert "435 pairs" in calm.told
    unlike = {"two": [measured(0, 0, normal(1000.0, 20.0, 0)), measured(1, 0, normal(1000.0, 200.0, 1))]}
    assert claims.like_means(unlike).verdict == "seen"
    both = claims.like_means({**unlike, "one": [measured(0, 0, bumps(0.0))]})
    assert both.verdict == "seen", "a single policy is no evidence either way"
    apart = {"apart": [measured(0, 0, normal(1000.0, 20.0, 0)), measured(1, 0, normal(3000.0, 200.0, 1))]}
    assert claims.like_means(apart).verdict == "not seen"
    assert choose_pairs(apart["apart"], 3) == []


def test_left_tails_are_a_majority_over_seeds() -> None:
    left = {"left": [measured(s, step, bumps(0.1, seed=s)) for s in range(4) for step in range(3)]}
    claim = claims.left_tails(left)
    assert claim.verdict == "seen"
    assert claim.rows[0][1] == "12"
    assert claim.rows[0][4] == "12", "all twelve have a tail for sure, corrected for twelve"
    right = {"right": [measured(s, 0, 3000.0 - bumps(0.1, seed=s)) for s in range(4)]}
    assert claims.left_tails(right).verdict == "not seen"
    two = {"two": [measured(s, 0, bumps(0.1, seed=s)) for s in range(2)]}
    assert claims.left_tails(two).verdict == "undecided", "two seeds may agree by chance"
    one = {"one": [measured(0, 0, bumps(0.1))]}
    assert claims.left_tails(one).verdict == "undecided", "one seed says nothing about seeds"
    assert claims.left_tails({}).verdict == "not measured"


def paths(deep_across: bool, num_seeds: int = 6) -> list[Path]:
    flat, sunken = np.array([100.0, 105.0, 110.0]), np.array([100.0, 20.0, 110.0])
    found = [Path("calm", s, True, flat + s) for s in range(num_seeds)]
    return found + [Path("calm", s, False, (sunken if deep_across else flat) + s) for s in range(num_seeds)]


def test_valleys_are_across_and_not_within() -> None:
    assert claims.valleys(paths(True)).verdict == "seen"
    assert claims.valleys(paths(True)).rows[0][1:5] == ["0 of 6", "0.000", "6 of 6", "0.781"]
    assert claims.valleys(paths(False)).verdict == "undecided", "none on either side"
    assert claims.valleys(paths(True, 1)).verdict == "undecided"
    assert claims.valleys([]).verdict == "not measured"
    within = [path for path in paths(True) if path.same_seed]
    assert claims.valleys(within).verdict == "not measured", "half of it says nothing"


def walk(seed: int, improved: np.ndarray, control: np.ndarray, algorithm: str = "td3") -> Walk:
    root = bumps(0.3, seed=seed)
    fresh = {"root": root, "improved": improved, "control": control}
    return Walk(algorithm, f"seed {seed}", ("calm", seed), 5, 20, root, fresh)


def test_rejection_is_judged_beside_its_control_at_equal_mean() -> None:
    better = [walk(s, bumps(0.02, seed=s), bumps(0.3, seed=s)) for s in range(4)]
    claim = rejection.rejection(better, "d", ["td3"])
    assert claim.verdict == "seen"
    assert "4 roots (10 were wanted" in claim.told
    assert "corrected for 8 comparisons" in claim.told
    same = [walk(s, bumps(0.3, seed=s), bumps(0.3, seed=s + 50)) for s in range(4)]
    assert rejection.rejection(same, "d", ["td3"]).verdict != "seen"
    poorer = [walk(s, 0.5 * bumps(0.02, seed=s), bumps(0.1, seed=s)) for s in range(4)]
    assert rejection.rejection(poorer, "d", ["td3"]).verdict == "not seen", "a calm that costs half of the mean is none"
    assert rejection.rejection(better, "e", ["sac", "ppo"]).verdict == "not measured"


@pytest.mark.parametrize("stds, side", [((10.0, 100.0), "behaviour"), ((50.0, 50.0), "weights")])
def test_noise_follows_what_the_clones_keep(stds: tuple[float, float], side: str) -> None:
    clones = [[normal(1000.0, std, 10 * k + i) for i in range(5)] for k, std in enumerate(stds)]
    claim = cloning.cloning([Clones("pair", normal(1000.0, 10.0, 0), normal(1000.0, 100.0, 1), *clones)])
    assert claim.verdict == f"{side} in 1"
    assert cloning.cloning([]).verdict == "not measured"


def test_verdicts_are_where_the_interval_lies() -> None:
    assert claims.verdict(Interval(2.0, 1.0, 3.0), 0.5) == "seen"
    assert claims.verdict(Interval(2.0, 1.0, 3.0), 2.0) == "undecided"
    assert claims.verdict(Interval(2.0, 1.0, 3.0), 4.0) == "not seen"
    assert claims.verdict(Interval(-2.0, -3.0, -1.0), 0.0, above=False) == "seen"
    assert claims.verdict(Interval(2.0, math.nan, math.nan), 0.5) == "undecided"
    assert claims.together(["seen", "seen"]) == "seen"
    assert claims.together(["seen", "not seen", "seen"]) == "seen in 2, not seen in 1"
