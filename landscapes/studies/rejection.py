"""Rejection: propose updates, measure where they lead, refuse those that worsen the lower tail.

Knows states as opaque objects, the algorithm record and the heuristics; knows no concrete algorithm and no file.
Algorithm 1 of Rahn, D'Oro et al. (2023). A host loop: nothing is selected inside a compiled program, refusing means
keeping the accepted object.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from landscapes import statistics, training
from landscapes.machine.compilation import Program, strongly_typed
from landscapes.statistics import sequential
from landscapes.types import Agent, Key, TrainState

HEURISTICS = ("cvar", "ltp", "none")


class Score(NamedTuple):
    """Of one PURD: mean, left-tail probability as published, CVaR."""

    mean: float
    ltp: float
    cvar: float


class Root(NamedTuple):
    """Where a walk begins: a state, and its iteration, counted from the start of the run it comes from."""

    state: TrainState
    iteration: int


class Accepted(NamedTuple):
    """The state that stands: `num_updates` counts the train steps from the root, `score` is what it was measured at."""

    state: TrainState
    score: Score
    num_updates: int


class Proposal(NamedTuple):
    """One proposal: its PURD `[num_samples]`, its score, what it was compared with, and what came of it.

    A proposal that was refused early has fewer returns, and the score of those.
    """

    number: int
    returns: np.ndarray
    score: Score
    incumbent: Score
    accepted: bool
    standing: Accepted


def score(returns: np.ndarray, alpha: float) -> Score:
    """The three numbers that decisions and traces need; NaN where a return is NaN."""
    return Score(
        float(np.mean(returns, dtype=np.float64)),
        statistics.left_tail_probability(returns, published=True),
        statistics.cvar(returns, alpha) if np.isfinite(returns).all() else math.nan,
    )


def accepts(heuristic: str, candidate: Score, incumbent: Score) -> bool:
    """Whether the candidate passes: `cvar` refuses a fallen CVaR, `ltp` a risen LTP, `none` nothing; ties pass.

    A candidate whose score is NaN is always refused; one that is not always beats an incumbent whose score is.
    """
    name = {"cvar": "cvar", "ltp": "ltp", "none": "mean"}[heuristic]
    new, old = getattr(candidate, name), getattr(incumbent, name)
    if math.isnan(new):
        return False
    if math.isnan(old) or heuristic == "none":
        return True
    return bool(new >= old if heuristic == "cvar" else new <= old)


class EarlyRefusal(NamedTuple):
    """When the measurement of a proposal may end before its `num_samples`.

    After each of `looks` (rising, below num_samples) `hopeless(proposal number, returns so far, incumbent)` says
    whether it is refused there. No proposal is accepted before all its samples are taken.
    """

    num_samples: int
    looks: tuple[int, ...]
    hopeless: Callable[[int, np.ndarray, Score], bool]

    def looks_at(self, number: int, incumbent: Score) -> sequential.Looks:
        """Those at one proposal."""
        return sequential.Looks(self.looks, lambda returns: self.hopeless(number, returns, incumbent))


def make_early_refusal(alpha: float, num_samples: int, error: float, seeds: Sequence[int]) -> EarlyRefusal:
    """For `cvar`: of proposals that all samples would accept, at most a share `error` is refused early.

    The error is shared evenly among the looks (union bound); `sequential` says what it means. There is none for `ltp`:
    one return that stretches the histogram can move the mode from one end to the other, so that no beginning tells.

    Args: alpha at most 0.5 (above it the highest returns count as well, and no sample bounds those still to come).
    Random: the completions, drawn from `seeds`, the proposal's number and the number of its samples alone.
    """
    if not 0.0 < alpha <= 0.5:
        raise ValueError(f"alpha={alpha}: must be in (0, 0.5]")
    looks = sequential.look_sizes(num_samples)
    cvar = partial(statistics.cvar, alpha=alpha)

    def hopeless(number: int, returns: np.ndarray, incumbent: Score) -> bool:
        if not np.isfinite(returns).all():
            return True  # the score is NaN, whatever is still to come
        if math.isnan(incumbent.cvar):
            return False
        error_here = error / len(looks)
        generator = np.random.default_rng([*seeds, number, len(returns)])
        count = sequential.num_completions(error_here)
        values = sequential.completed(cvar, returns, num_samples, count, generator)
        return sequential.is_hopeless(values >= incumbent.cvar, error_here)

    return EarlyRefusal(num_samples, looks, hopeless)


class Rule(NamedTuple):
    """How proposals are decided: what is compared (`accepts`), and under which random numbers it is measured.

    Proposal p is measured under `fold_in(measure key, p)`, or all under one key with `common_random_numbers`. As
    published the incumbent keeps the score it was accepted with, a maximum over noisy numbers; `remeasure_incumbent`
    measures it again under the proposal's own key, before the proposal.
    """

    heuristic: str
    """One of `HEURISTICS`."""
    alpha: float
    """Of CVaR."""
    common_random_numbers: bool = False
    remeasure_incumbent: bool = False
    early: EarlyRefusal | None = None
    """None: all samples of every proposal are taken."""


Advance = Callable[[Key, TrainState, int, int], TrainState]


class Updater(NamedTuple):
    """`advance(key, state, iteration, num_steps)`: that many iterations of training, the old state left as it was.

    `iteration` counts from the start of the run the state comes from; it decides the phase of a delayed update.
    `program(key, state)` is what `advance` calls.
    """

    program: Callable[[Key, TrainState], Program]
    advance: Advance


def make_updater(agent: Agent) -> Updater:
    """Training of any state of `agent`, compiled once."""

    @jax.jit
    def step(key: Key, state: TrainState, index: jax.Array) -> TrainState:
        return strongly_typed(training.iteration(agent, key, state, index)[0])

    def advance(key: Key, state: TrainState, iteration: int, num_steps: int) -> TrainState:
        for i in range(num_steps):
            state = step(jax.random.fold_in(key, i), state, np.uint32(iteration + i))
        return state

    return Updater(lambda key, state: Program(step, (key, state, np.uint32(0))), advance)


class RejectionKeys(NamedTuple):
    """Keys of one rejection experiment by use; fresh PURDs share none with decisions."""

    advance: Key
    measure: Key
    fresh: Key


def rejection_keys(random_seed: int, seed: int) -> RejectionKeys:
    """Everything that walk `seed` of a job with this `random_seed` draws from."""
    return RejectionKeys(*jax.random.split(jax.random.fold_in(jax.random.key(random_seed), seed), 3))


def reject(
    advance: Advance,
    measure: Callable[..., np.ndarray],
    root: Root,
    keys: RejectionKeys,
    rule: Rule,
    *,
    max_steps: int,
    check_interval: int,
) -> Iterator[Proposal]:
    """Yields the root's own measurement (number 0, accepted) and then every proposal as it is decided.

    Each proposal is `check_interval` train steps from the accepted state (the last one fewer, if `max_steps` is no
    multiple).

    `measure(key, state, looks)` gives the returns of a PURD: all of them, but for proposals where the rule has `early`,
    whose `looks` may be satisfied with the first of them.
    """
    alpha, early = rule.alpha, rule.early

    def key_of(index: int) -> Key:
        return jax.random.fold_in(keys.measure, 0 if rule.common_random_numbers else index)

    returns = measure(key_of(0), root.state, None)
    standing = Accepted(root.state, score(returns, alpha), 0)
    yield Proposal(0, returns, standing.score, standing.score, True, standing)
    for index, first in enumerate(range(0, max_steps, check_interval), start=1):
        num_steps = min(check_interval, max_steps - first)
        key = jax.random.fold_in(keys.advance, index)
        state = advance(key, standing.state, root.iteration + standing.num_updates, num_steps)
        if rule.remeasure_incumbent and not rule.common_random_numbers:
            standing = standing._replace(score=score(measure(key_of(index), standing.state, None), alpha))
        incumbent = standing.score
        returns = measure(key_of(index), state, None if early is None else early.looks_at(index, incumbent))
        candidate = score(returns, alpha)
        refused = early is not None and len(returns) < early.num_samples
        accepted = not refused and accepts(rule.heuristic, candidate, incumbent)
        if accepted:
            standing = Accepted(state, candidate, standing.num_updates + num_steps)
        yield Proposal(index, returns, candidate, incumbent, accepted, standing)


def control(advance: Advance, root: Root, keys: RejectionKeys, *, num_updates: int, check_interval: int) -> TrainState:
    """The root after `num_updates` train steps of which none was refused, under the keys that proposals draw from."""
    state = root.state
    for index, first in enumerate(range(0, num_updates, check_interval), start=1):
        num_steps = min(check_interval, num_updates - first)
        state = advance(jax.random.fold_in(keys.advance, index), state, root.iteration + first, num_steps)
    return state
