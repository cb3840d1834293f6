"""How a PURD is measured: in what order samples come, how few are enough, and what is drawn for that."""

import functools
from typing import Any

import jax
import numpy as np
import probes
import pytest
import trees
from numpy.testing import assert_array_equal

from landscapes import storage
from landscapes.jobs import blocks
from landscapes.statistics.sequential import Looks
from landscapes.studies import measurement
from landscapes.types import TrainState

KEY = jax.random.key(0)
AMOUNT = 0.3
NUM_SAMPLES = 100


@functools.cache
def made(batch_size: int, kind: str = "quadratic_optimization") -> tuple[measurement.Measure, TrainState]:
    """Episodes of this task end where the policy leads them, so that lanes come free one by one."""
    env = probes.line(limit=2.0)
    algorithm = probes.quadratic(probes.Config(start=0.5, updates_per_chunk=4), env)
    state = algorithm.init(jax.random.key(9))
    return measurement.make_measure(
        env, algorithm, measurement.Sampling(kind, NUM_SAMPLES, amount_sets_rate=True), batch_size, 0.9, lanes=4
    ), state


def first_of(purd: measurement.Purd, size: int) -> measurement.Purd:
    return measurement.Purd(*(x[:size] for x in purd))


# Of one block, and of blocks whose ends are no looks, or are.
@pytest.mark.parametrize("batch_size", [NUM_SAMPLES, 30, 20])
def test_looks_see_the_beginning_of_the_whole_and_change_nothing(batch_size: int) -> None:
    measure, state = made(batch_size)
    whole = measure.measure(KEY, state, AMOUNT)
    assert len(np.unique(whole.lengths)) > 2
    seen: list[np.ndarray] = []
    looks = Looks((1, 20, 55, 80, NUM_SAMPLES), lambda returns: bool(seen.append(returns)))
    trees.assert_same(measure.measure(KEY, state, AMOUNT, looks=looks), whole)
    assert [len(returns) for returns in seen] == [1, 20, 55, 80, NUM_SAMPLES]
    for returns in seen:
        assert_array_equal(returns, whole.returns[: len(returns)])


@pytest.mark.parametrize("kind", ["quadratic_optimization", "quadratic_with_action", "action"])
@pytest.mark.parametrize("size", [20, 55, 60])
def test_it_ends_with_as_many_as_are_enough(size: int, kind: str) -> None:
    measure, state = made(60, kind)
    whole = measure.measure(KEY, state, AMOUNT)
    looks = Looks((10, size, 70), lambda returns: len(returns) == size)
    trees.assert_same(measure.measure(KEY, state, AMOUNT, looks=looks), first_of(whole, size))


def test_little_is_drawn_and_rolled_out_for_nothing() -> None:
    measure, state = made(NUM_SAMPLES)
    told: list[int] = []
    looks = Looks((20,), lambda returns: True)
    listeners = measurement.Listeners(progress=lambda done, mean: told.append(done))
    measure.measure(KEY, state, AMOUNT, looks=looks, listeners=listeners)
    assert told[-1] < 50  # 20, and what was under way in the lanes of two devices


def test_blocks_are_told_of_as_they_end() -> None:
    measure, state = made(30)
    blocks: list[measurement.Purd] = []
    whole = measure.measure(KEY, state, AMOUNT, listeners=measurement.Listeners(keep=blocks.append))
    assert [len(block.returns) for block in blocks] == [30, 30, 30, 10]
    trees.assert_same(measurement.Purd(*(np.concatenate(x) for x in zip(*blocks, strict=True))), whole)


def test_samples_are_asked_for_one_after_the_other() -> None:
    measure, state = made(30)
    with pytest.raises(ValueError, match="steps of 1"):
        measure.measure(KEY, state, AMOUNT, entries=range(0, 30, 2))


def test_one_that_was_stopped_looks_where_it_would_have(tmp_path: Any) -> None:
    measure, state = made(30)
    whole = measure.measure(KEY, state, AMOUNT)
    seen: list[int] = []

    def enough(returns: np.ndarray) -> bool:
        seen.append(len(returns))
        assert_array_equal(returns, whole.returns[: len(returns)])
        return len(returns) == 70

    def go(stop_at: int) -> measurement.Purd:
        def progress(done: int, mean: float | None) -> None:
            if done >= stop_at:
                raise KeyboardInterrupt

        waiting = storage.Unfinished(tmp_path, {"of": "this test"})
        looks = Looks((10, 30, 50, 70, 90), enough)
        samples = blocks.Samples(KEY, state, AMOUNT, NUM_SAMPLES, looks=looks)
        return blocks.measure_by_blocks(measure, samples, progress, waiting, 60.0)

    with pytest.raises(KeyboardInterrupt):
        go(32)
    assert seen == [10, 30]
    trees.assert_same(go(1000), first_of(whole, 70))
    assert seen == [10, 30, 50, 70]
