"""The rejection loop on scripted measurements, and its compiled step on a real algorithm."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_allclose

from landscapes import statistics, training
from landscapes.loading import make_agent
from landscapes.statistics import sequential
from landscapes.studies import rejection
from landscapes.studies.rejection import Score, accepts

NAN = math.nan
KEYS = rejection.rejection_keys(0, 0)
RULE = rejection.Rule("cvar", alpha=0.1)
ROOT_ITERATION = 100


def numbers(key: Any) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


class Script:
    """States are named by the proposals that led to them; what a state is worth is read from a list, call by call."""

    def __init__(self, worths: Sequence[float] | Callable[[str, Any], float]) -> None:
        self.worths = worths
        self.advanced: list[tuple[str, int, int]] = []
        self.measured: list[str] = []
        self.advance_keys: list[tuple[int, ...]] = []
        self.measure_keys: list[tuple[int, ...]] = []

    def advance(self, key: Any, state: Any, iteration: int, num_steps: int) -> Any:
        self.advanced.append((state[0], iteration, num_steps))
        self.advance_keys.append(numbers(key))
        return [f"{state[0]}>{len(self.advanced)}"]  # a list, so that objects can be told apart

    def measure(self, key: Any, state: Any, looks: sequential.Looks | None) -> np.ndarray:
        self.measured.append(state[0])
        self.measure_keys.append(numbers(key))
        return np.full(10, self.worths(state[0], key) if callable(self.worths) else self.worths[len(self.measured) - 1])

    def walk(self, root: Any = None, **changes: Any) -> list[rejection.Proposal]:
        steps = {name: changes.pop(name, default) for name, default in (("max_steps", 4), ("check_interval", 1))}
        begins = rejection.Root(["root"] if root is None else root, ROOT_ITERATION)
        rule = RULE._replace(**changes)
        return list(rejection.reject(self.advance, self.measure, begins, KEYS, rule, **steps))


# --- deciding


def scored(heuristic: str, value: float) -> Score:
    """A score whose other two numbers would decide the other way."""
    other = Score(mean=-value, ltp=value if heuristic == "cvar" else -value, cvar=-value)
    return other._replace(**{"mean" if heuristic == "none" else heuristic: value})


@pytest.mark.parametrize(
    "heuristic, candidate, incumbent, expected",
    [
        ("cvar", 2.0, 1.0, True),
        ("cvar", 1.0, 2.0, False),
        ("cvar", 1.0, 1.0, True),
        ("cvar", NAN, 1.0, False),
        ("cvar", 1.0, NAN, True),
        ("cvar", NAN, NAN, False),
        ("ltp", 0.2, 0.1, False),
        ("ltp", 0.1, 0.2, True),
        ("ltp", 0.1, 0.1, True),
        ("ltp", NAN, 0.1, False),
        ("ltp", 0.1, NAN, True),
        ("ltp", NAN, NAN, False),
        ("none", 1.0, 2.0, True),
        ("none", 2.0, 1.0, True),
        ("none", NAN, 1.0, False),
        ("none", 1.0, NAN, True),
    ],
)
def test_who_is_accepted(heuristic, candidate, incumbent, expected):
    assert accepts(heuristic, scored(heuristic, candidate), scored(heuristic, incumbent)) is expected


def test_an_unknown_heuristic_is_no_heuristic():
    with pytest.raises(KeyError):
        accepts("mean", Score(0.0, 0.0, 0.0), Score(0.0, 0.0, 0.0))


def test_the_score_of_returns():
    # Ten returns: the lowest one is the CVaR at 0.1 up to the interpolation of the quantile; 1 of 10 below half of 100.
    returns = np.array([1.0, *[100.0] * 9], np.float32)
    found = rejection.score(returns, 0.1)
    assert_allclose(found.mean, 90.1, rtol=1e-6)
    assert found.ltp == 0.1 and found.cvar == statistics.cvar(returns, 0.1)


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_the_score_of_returns_that_are_not_finite(bad):
    found = rejection.score(np.array([1.0, bad, 2.0], np.float32), 0.1)
    assert math.isnan(found.cvar)
    for heuristic in ("cvar", "ltp"):
        assert not accepts(heuristic, found, Score(0.0, 1.0, -1e9))
    assert accepts("none", found, Score(0.0, 0.0, 0.0)) == (not math.isnan(bad))


# --- the walk


def test_refusing_keeps_the_very_same_object():
    root = ["root"]
    refused, accepted = Script([5.0, 4.0, 3.0]), Script([5.0, 6.0, 3.0])
    assert all(proposal.standing.state is root for proposal in refused.walk(root, max_steps=2))
    walk = accepted.walk(root, max_steps=2)
    assert [proposal.accepted for proposal in walk] == [True, True, False]
    assert walk[2].standing is walk[1].standing and walk[1].standing.state == ["root>1"]


def test_proposals_depart_from_what_stands():
    # Worths 5 | 6 yes | 4 no | 6 yes (a tie) | 7 yes.
    script = Script([5.0, 6.0, 4.0, 6.0, 7.0])
    walk = script.walk()
    assert [proposal.number for proposal in walk] == [0, 1, 2, 3, 4]
    assert [proposal.accepted for proposal in walk] == [True, True, False, True, True]
    assert [state for state, _, _ in script.advanced] == ["root", "root>1", "root>1", "root>1>3"]
    assert [proposal.score.cvar for proposal in walk] == [5.0, 6.0, 4.0, 6.0, 7.0]
    assert [proposal.incumbent.cvar for proposal in walk] == [5.0, 5.0, 6.0, 6.0, 6.0]
    assert [proposal.standing.num_updates for proposal in walk] == [0, 1, 1, 2, 3]
    assert all(np.array_equal(proposal.returns, np.full(10, proposal.score.mean)) for proposal in walk)


def test_a_refused_iteration_is_tried_again():
    # What is counted are accepted steps: the delayed actor step comes again until it passes.
    script = Script([5.0, 6.0, 4.0, 4.0, 7.0])
    script.walk()
    assert [iteration - ROOT_ITERATION for _, iteration, _ in script.advanced] == [0, 1, 1, 1]
    assert len(set(script.advance_keys)) == 4  # with other random numbers


def test_proposals_may_be_several_steps_and_the_last_one_fewer():
    script = Script([5.0, 6.0, 4.0, 7.0])
    walk = script.walk(max_steps=8, check_interval=3)
    assert [steps for _, _, steps in script.advanced] == [3, 3, 2]
    assert [iteration - ROOT_ITERATION for _, iteration, _ in script.advanced] == [0, 3, 3]
    assert [proposal.standing.num_updates for proposal in walk] == [0, 3, 3, 5]


def test_proposals_are_handed_out_as_they_are_decided():
    script = Script([5.0, 6.0, 4.0])
    root = rejection.Root(["root"], 0)
    walk = rejection.reject(script.advance, script.measure, root, KEYS, RULE, max_steps=2, check_interval=1)
    next(walk)
    assert len(script.measured) == 1 and not script.advanced
    next(walk)
    assert len(script.measured) == 2 and len(script.advanced) == 1


def test_nan_is_refused_and_a_root_of_nan_is_left():
    assert [p.accepted for p in Script([5.0, NAN, 4.0, 5.0]).walk(max_steps=3)] == [True, False, False, True]
    assert [p.accepted for p in Script([NAN, NAN, 1.0, 0.0]).walk(max_steps=3)] == [True, False, True, False]
    assert [p.accepted for p in Script([5.0, 1.0, NAN, 0.0]).walk(max_steps=3, heuristic="none")] == [
        *(True, True, False, True)
    ]


# --- keys


def key_at(index: int) -> tuple[int, ...]:
    return numbers(jax.random.fold_in(KEYS.measure, index))


def test_each_proposal_is_measured_under_its_own_key():
    script = Script([5.0, 6.0, 4.0, 6.0, 7.0])
    script.walk()
    assert script.measure_keys == [key_at(i) for i in range(5)]
    assert len(set(script.measure_keys)) == 5


def test_common_random_numbers_are_one_key():
    script = Script([5.0, 6.0, 4.0, 6.0, 7.0])
    script.walk(common_random_numbers=True)
    assert script.measure_keys == [key_at(0)] * 5


def test_a_remeasured_incumbent_shares_the_proposals_key():
    script = Script([5.0, 7.0, 6.0, 5.0, 8.0])  # root; proposal 6 against 7: no; proposal 8 against 5: yes
    walk = script.walk(max_steps=2, remeasure_incumbent=True)
    assert script.measured == ["root", "root", "root>1", "root", "root>2"]
    assert script.measure_keys == [key_at(i) for i in (0, 1, 1, 2, 2)]
    assert [proposal.incumbent.cvar for proposal in walk] == [5.0, 7.0, 5.0]
    assert [proposal.accepted for proposal in walk] == [True, False, True]
    assert walk[1].standing.score.cvar == 7.0  # the newer number stands


def test_under_common_random_numbers_measuring_again_would_change_nothing():
    script = Script([5.0, 6.0, 4.0])
    script.walk(max_steps=2, common_random_numbers=True, remeasure_incumbent=True)
    assert script.measured == ["root", "root>1", "root>1>2"]


def test_decisions_never_use_a_fresh_key():
    fresh = {numbers(jax.random.fold_in(KEYS.fresh, i)) for i in range(50)} | {numbers(KEYS.fresh)}
    for common, again in itertools.product([False, True], repeat=2):
        script = Script([1.0] * 200)
        script.walk(max_steps=40, common_random_numbers=common, remeasure_incumbent=again)
        assert not fresh & {*script.measure_keys, *script.advance_keys}
        assert not {*script.measure_keys} & {*script.advance_keys}


def test_walks_share_no_keys():
    walks = [rejection.rejection_keys(random_seed, seed) for random_seed in (0, 1) for seed in (0, 1)]
    assert len({numbers(key) for walk in walks for key in walk}) == 12


# --- refusing early


def looked_at(returns: np.ndarray, looks: sequential.Looks | None) -> np.ndarray:
    """As many of the returns as a measurement that may end early takes."""
    for size in () if looks is None else looks.sizes:
        if looks.enough(returns[:size]):
            return returns[:size]
    return returns


class LookingScript(Script):
    """A script whose proposals may end early; every sample of a state is worth the same."""

    def __init__(self, worths: Callable[[str, Any], float]) -> None:
        super().__init__(worths)
        self.taken: list[tuple[str, int]] = []

    def measure(self, key: Any, state: Any, looks: sequential.Looks | None) -> np.ndarray:
        returns = looked_at(super().measure(key, state, looks), looks)
        self.taken.append((state[0], len(returns)))
        return returns


def early(hopeless: Callable[[int, np.ndarray, Score], bool], *looks: int) -> rejection.EarlyRefusal:
    return rejection.EarlyRefusal(10, looks, hopeless)


def test_a_proposal_is_sampled_until_it_is_hopeless():
    seen: list[tuple[int, int, float]] = []

    def hopeless(number: int, returns: np.ndarray, incumbent: Score) -> bool:
        seen.append((number, len(returns), incumbent.cvar))
        return (number, len(returns)) in {(1, 2), (2, 5)}

    script = LookingScript(lambda state, key: 5.0)
    walk = script.walk(max_steps=3, early=early(hopeless, 2, 5))
    assert [len(proposal.returns) for proposal in walk] == [10, 2, 5, 10]
    # A proposal refused early stays refused, though what was seen of it would do; the last one was seen whole.
    assert [proposal.accepted for proposal in walk] == [True, False, False, True]
    assert seen == [(1, 2, 5.0), (2, 2, 5.0), (2, 5, 5.0), (3, 2, 5.0), (3, 5, 5.0)]
    assert script.taken == [("root", 10), ("root>1", 2), ("root>2", 5), ("root>3", 10)]
    assert script.measure_keys[1:] == [key_at(i) for i in (1, 2, 3)]


def test_where_nothing_is_hopeless_decisions_are_those_of_all_samples():
    def worth(state: str, key: Any) -> float:
        return float(sum(numbers(key)) % 7)

    whole = Script(worth).walk(max_steps=30)
    looking = LookingScript(worth).walk(max_steps=30, early=early(lambda *_: False, 3, 7))
    unlooked = LookingScript(worth).walk(max_steps=30, early=early(lambda *_: True))
    for other in (looking, unlooked):
        assert [p.accepted for p in other] == [p.accepted for p in whole]
        assert [p.score for p in other] == [p.score for p in whole]


def test_a_remeasured_incumbent_is_measured_whole_and_first():
    script = LookingScript(lambda state, key: 5.0)
    script.walk(max_steps=1, remeasure_incumbent=True, early=early(lambda *_: True, 4))
    assert script.taken == [("root", 10), ("root", 10), ("root>1", 4)]


def test_a_walk_that_refuses_early_decides_as_the_whole_one():
    """Normal returns, of proposals far better and far worse than what stands: the rule takes fewer samples only."""

    def measure(key: Any, state: Any, looks: sequential.Looks | None) -> np.ndarray:
        random = np.random.default_rng(numbers(key))
        worth = 50.0 * random.integers(-2, 3) if ">" in state[0] else 0.0
        return looked_at(random.normal(worth, 10.0, 200), looks)

    root = rejection.Root(["root"], 0)
    decisions, taken = [], []
    for when in (None, rejection.make_early_refusal(0.1, 200, 0.05, (0, 0))):
        script, rule = Script([]), RULE._replace(early=when)
        walk = list(rejection.reject(script.advance, measure, root, KEYS, rule, max_steps=20, check_interval=1))
        decisions.append([proposal.accepted for proposal in walk])
        taken.append(sum(len(proposal.returns) for proposal in walk))
    assert decisions[0] == decisions[1]
    assert taken[1] < 0.7 * taken[0] == 0.7 * 21 * 200


# --- the ratchet


def noisy(state: str, key: Any) -> float:
    """The same true worth for every state, measured with noise that depends on the key and the state."""
    seed = [*numbers(key), sum(map(ord, state))]
    return float(np.random.default_rng(seed).normal())


def test_the_published_rule_ratchets_and_measuring_again_does_not():
    """All states are worth 0. The kept score is a maximum over noisy ones: of 200 proposals only records pass, and of
    those Σ 1/i ≈ 6 are expected. Against a new measurement every other one passes."""
    published = Script(noisy).walk(max_steps=200)
    num_accepted = sum(proposal.accepted for proposal in published[1:])
    assert 1 <= num_accepted <= 15
    assert published[-1].standing.score.cvar > 1.5
    scores = [proposal.standing.score.cvar for proposal in published]
    assert scores == sorted(scores)
    again = Script(noisy).walk(max_steps=200, remeasure_incumbent=True)
    assert 70 <= sum(proposal.accepted for proposal in again[1:]) <= 130
    assert abs(np.mean([proposal.incumbent.cvar for proposal in again[1:]])) < 0.3


# --- control and the compiled step


def test_the_control_makes_as_many_updates_under_the_same_keys():
    walked, controlled = Script([5.0, 1.0, 2.0, 3.0]), Script([])
    walk = walked.walk(max_steps=7, check_interval=3, heuristic="none")
    root = rejection.Root(["root"], ROOT_ITERATION)
    final = rejection.control(controlled.advance, root, KEYS, num_updates=7, check_interval=3)
    assert controlled.advanced == walked.advanced and controlled.advance_keys == walked.advance_keys
    assert final == walk[-1].standing.state
    assert [steps for _, _, steps in controlled.advanced] == [3, 3, 1]


def test_a_control_without_updates_is_the_root():
    root = ["root"]
    script = Script([])
    state = rejection.control(script.advance, rejection.Root(root, 0), KEYS, num_updates=0, check_interval=1)
    assert state is root and not script.advanced


def test_advance_is_training_compiled_once_and_leaves_the_old_state():
    env, calls = probes.counted(probes.line(episode_length=5))
    settings = {
        "hidden_dims": [8],
        "actor_batch_size": 4,
        "critic_batch_size": 4,
        "learning_starts": 2,
        "replay_capacity": 16,
    }
    algorithm = make_agent("td3", settings, env)
    root = jax.jit(algorithm.init)(jax.random.key(0))
    advance = rejection.make_updater(algorithm).advance
    root = advance(jax.random.key(1), root, 0, 4)  # two of warm-up, two of training: one actor step
    traced, before = dict(calls), trees.copied(root)
    assert int(root.learner.actor_opt_state.count) == 1 and int(root.log.count) == 4

    once = advance(jax.random.key(2), root, 4, 1)
    assert int(once.learner.actor_opt_state.count) == 1 and int(once.learner.critic_opt_state.count) == 3
    twice = advance(jax.random.key(2), root, 4, 2)
    assert int(twice.learner.actor_opt_state.count) == 2
    # Iteration 5 is an actor step however often it is tried, from whatever key.
    for i in range(3):
        again = advance(jax.random.key(10 + i), once, 5, 1)
        assert int(again.learner.actor_opt_state.count) == 2
        assert int(again.log.count) == 6  # rows are appended to those of the accepted state
    trees.assert_same(root, before)
    assert calls == traced

    key = jax.random.fold_in(jax.random.key(2), 0)
    by_hand = jax.jit(lambda state: training.iteration(algorithm, key, state, np.uint32(4))[0])(root)
    trees.assert_close(once, by_hand, rtol=1e-5, atol=1e-6)


def test_a_walk_that_refuses_nothing_is_the_control_bit_for_bit():
    env = probes.bowl()
    algorithm = probes.quadratic(probes.Config(), env)
    root = rejection.Root(jax.jit(algorithm.init)(jax.random.key(0)), 0)
    advance = rejection.make_updater(algorithm).advance

    def measure(key: Any, state: Any, looks: None) -> np.ndarray:
        return -(np.asarray(state.learner.policy.params["point"]) ** 2)

    rule = rejection.Rule("none", alpha=0.1)
    walk = list(rejection.reject(advance, measure, root, KEYS, rule, max_steps=5, check_interval=2))
    final = rejection.control(advance, root, KEYS, num_updates=5, check_interval=2)
    trees.assert_same(walk[-1].standing.state, final)
    assert int(final.learner.opt_count) == 5
