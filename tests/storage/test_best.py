"""The best checkpoint of a seed, by the evaluation nearest to each."""

from pathlib import Path

import numpy as np
import pytest

from landscapes import storage
from landscapes.errors import UserError
from tests.support import layouts


def with_checkpoints(tmp_path: Path, steps: dict[int, list[int]]) -> storage.Run:
    run = layouts.make_run(tmp_path, num_seeds=len(steps))
    for seed, of_seed in steps.items():
        run.seed_directory(seed).mkdir()
        for step in of_seed:
            run.checkpoint_path(seed, step).touch()
    return run


def add_returns(run: storage.Run, steps: list[int], returns: list[list[float]]) -> None:
    """`returns` of each evaluation, one for each seed."""
    storage.merge_hdf5(run.curves_path, {"steps": np.array(steps), "returns": np.array(returns, np.float32)}, {})


def test_each_checkpoint_has_the_return_of_the_evaluation_nearest_to_it(tmp_path: Path) -> None:
    run = with_checkpoints(tmp_path, {0: [90, 210, 290], 1: [90, 210, 290]})
    add_returns(run, [0, 100, 200, 300], [[99.0, 0.0], [5.0, 7.0], [6.0, 7.0], [4.0, 1.0]])
    assert storage.best_checkpoints(run) == {
        0: storage.Best(210, 200, 6.0),  # 99 at step 0 is of no checkpoint
        1: storage.Best(90, 100, 7.0),  # of equals the first
    }
    assert storage.check_best(run, 0, "checkpoints") == 210


def test_between_two_evaluations_the_earlier_counts(tmp_path: Path) -> None:
    run = with_checkpoints(tmp_path, {0: [150]})
    add_returns(run, [100, 200], [[1.0], [2.0]])
    assert storage.best_checkpoint(run, 0) == storage.Best(150, 100, 1.0)


def test_what_is_not_finite_is_not_the_best(tmp_path: Path) -> None:
    run = with_checkpoints(tmp_path, {0: [100, 200], 1: [100]})
    add_returns(run, [100, 200], [[1.0, np.nan], [np.nan, np.nan]])
    assert storage.best_checkpoints(run) == {0: storage.Best(100, 100, 1.0)}
    with pytest.raises(UserError, match=r"^checkpoints=best: seed 1 of run calm has no evaluation that says"):
        storage.check_best(run, 1, "checkpoints")


def test_without_evaluations_or_checkpoints_there_is_none(tmp_path: Path) -> None:
    run = with_checkpoints(tmp_path, {0: [100], 1: []})
    assert storage.best_checkpoints(run) == {}
    add_returns(run, [100], [[1.0, 2.0]])
    assert storage.best_checkpoints(run) == {0: storage.Best(100, 100, 1.0)}


def test_a_checkpoint_may_be_named_by_a_word(tmp_path: Path) -> None:
    run = with_checkpoints(tmp_path, {0: [100, 200, 300], 1: []})
    add_returns(run, [100, 200, 300], [[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]])
    assert [storage.find_checkpoint(run, 0, asked, "ckpt") for asked in (100, "last", "best")] == [100, 300, 200]
    with pytest.raises(UserError, match=r"^ckpt=150: seed 0 of run calm has checkpoints"):
        storage.find_checkpoint(run, 0, 150, "ckpt")
    with pytest.raises(UserError, match=r"^ckpt=last: seed 1 of run calm has no checkpoints yet"):
        storage.find_checkpoint(run, 1, "last", "ckpt")
