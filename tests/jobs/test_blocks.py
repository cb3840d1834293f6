"""A PURD measured block by block: stopped anywhere and gone on with, it is the one that nothing interrupted."""

import sys
from pathlib import Path
from typing import Any

import jax
import probes
import pytest
import trees

from landscapes import storage
from landscapes.jobs import blocks
from landscapes.studies import measurement
from landscapes.types import TrainState

KEY = jax.random.key(0)
AMOUNT = 0.1
NUM_SAMPLES = 50


class Stop(BaseException):
    """Stands for a request to stop, which a progress callback raises."""


@pytest.fixture(scope="module")
def study() -> tuple[measurement.Measure, TrainState]:
    env = probes.bowl(num_axes=2)
    algorithm = probes.quadratic(probes.Config(), env)
    measure = measurement.make_measure(
        env, algorithm, measurement.Sampling("quadratic_optimization", NUM_SAMPLES, amount_sets_rate=True), 8, 0.9
    )
    return measure, algorithm.init(jax.random.key(9))


def unfinished(folder: Path, study: Any, amount: float = AMOUNT, overwrite: bool = False) -> storage.Unfinished:
    return blocks.unfinished_purd(overwrite, folder, {"ckpt": 3}, study[0], KEY, amount)


def measured(
    study: Any,
    waiting: storage.Unfinished,
    stop_at: int | None = None,
    interval: float = 60.0,
    first: int = 0,
    count: int = NUM_SAMPLES,
) -> tuple[measurement.Purd, list[int]]:
    """The PURD, and the samples at which progress was told; stopped as soon as it tells of `stop_at`."""
    told: list[int] = []

    def progress(done: int, mean: float | None) -> None:
        told.append(done)
        if stop_at is not None and done >= stop_at:
            raise Stop

    measure, state = study
    samples = blocks.Samples(KEY, state, AMOUNT, count, first)
    return blocks.measure_by_blocks(measure, samples, progress, waiting, interval), told


@pytest.mark.parametrize("first, count", [(0, NUM_SAMPLES), (16, 20)])
def test_stopped_twice_it_has_the_numbers_of_the_whole(study: Any, tmp_path: Path, first: int, count: int) -> None:
    measure, state = study
    whole = measure.measure(KEY, state, AMOUNT, entries=range(first, first + count))
    waiting = unfinished(tmp_path, study)
    for stop_at in (first + 9, first + 17):
        with pytest.raises(Stop):
            measured(study, waiting, stop_at, first=first, count=count)
    purd, told = measured(study, waiting, first=first, count=count)
    assert told[0] == first + 16  # two blocks of eight were finished when it was stopped
    trees.assert_same(purd, whole)


def test_a_killed_job_finds_what_was_saved_by_the_clock(study: Any, tmp_path: Path, monkeypatch: Any) -> None:
    waiting = unfinished(tmp_path, study)
    with monkeypatch.context() as once:
        once.setattr(storage.Unfinished, "write", _dying_at_the_end(storage.Unfinished.write))
        with pytest.raises(Stop):
            measured(study, waiting, 25, interval=0.0)
    _, told = measured(study, waiting)
    assert told[0] == 24


def _dying_at_the_end(write: Any) -> Any:
    """Writes while the job runs; does nothing as it is torn down, as where the process is gone."""

    def only_alive(self: storage.Unfinished, parts: Any) -> None:
        if not isinstance(sys.exception(), Stop):
            write(self, parts)

    return only_alive


def test_parts_of_another_purd_are_not_taken(study: Any, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        measured(study, unfinished(tmp_path, study, amount=0.2), 20)
    _, told = measured(study, unfinished(tmp_path, study))
    assert told[0] <= 8


def test_a_job_that_starts_over_takes_no_parts(study: Any, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        measured(study, unfinished(tmp_path, study), 20)
    _, told = measured(study, unfinished(tmp_path, study, overwrite=True))
    assert told[0] <= 8


def test_a_damaged_file_costs_time_only(study: Any, tmp_path: Path) -> None:
    waiting = unfinished(tmp_path, study)
    with pytest.raises(Stop):
        measured(study, waiting, 20)
    waiting.path.write_bytes(waiting.path.read_bytes()[:-20])
    measure, state = study
    purd, _ = measured(study, waiting)
    trees.assert_same(purd, measure.measure(KEY, state, AMOUNT))


def test_discarding_leaves_nothing(study: Any, tmp_path: Path) -> None:
    waiting = unfinished(tmp_path, study)
    waiting.discard()
    with pytest.raises(Stop):
        measured(study, waiting, 20)
    waiting.discard()
    assert not list(tmp_path.rglob("*.h5"))
