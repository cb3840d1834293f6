"""A PURD measured block by block, so that a job that is stopped loses a block at most.

Knows the measurement and the file in which blocks wait; knows no experiment, and not where the whole is stored.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from landscapes import storage
from landscapes.statistics.sequential import Looks
from landscapes.studies import measurement, paths
from landscapes.types import Key, TrainState


def unfinished_purd(
    overwrite: bool,
    folder: Path,
    about: Mapping[str, object],
    measure: measurement.Measure,
    key: Key,
    amount: float | None,
) -> storage.Unfinished:
    """Where in `folder` the blocks of a PURD wait; where `overwrite` starts over, nothing does any more.

    `about` says which state it is of (of which run, by its id), and all else that its numbers depend on beside the last
    three.
    """
    identity = {
        **about,
        "key": jax.random.key_data(key).tolist(),
        "amount": None if amount is None else float(amount),
        "program_shape": measure.program_shape,
        "versions": storage.package_versions(),
    }
    unfinished = storage.Unfinished(folder, identity)
    if storage.starts_over(overwrite):
        unfinished.discard()
    return unfinished


class Samples(NamedTuple):
    """Which samples of which PURD: `num_samples` of them from `first` on, as `measurement.Measure` takes them."""

    key: Key
    state: TrainState
    amount: float | None
    num_samples: int
    first: int = 0
    points: paths.Points | None = None
    looks: Looks | None = None


def measure_by_blocks(
    measure: measurement.Measure,
    samples: Samples,
    progress: measurement.Progress,
    unfinished: storage.Unfinished,
    save_interval: float,
) -> measurement.Purd:
    """`measure.measure` of these samples, to the same bits, going on where `unfinished` stands.

    Finished blocks are written every `save_interval` seconds and when the job is stopped. The caller discards
    `unfinished` as soon as the whole is on disk.
    """
    key, state, amount, count, first, points, looks = samples
    waiting = unfinished.read()
    parts = [measurement.Purd(*(waiting[name] for name in measurement.Purd._fields))] if waiting else []
    done = sum(len(part.returns) for part in parts)
    if done:
        progress(first + done, float(np.mean(parts[0].returns)))
        looks = None if looks is None else looks.after(parts[0].returns)
    saved_at, num_saved = time.monotonic(), done

    def save() -> None:
        nonlocal saved_at, num_saved
        if num_saved < done:
            unfinished.write(measurement.joined(parts)._asdict())
            saved_at, num_saved = time.monotonic(), done

    def keep(block: measurement.Purd) -> None:
        nonlocal done
        parts.append(block)
        done += len(block.returns)
        if done < count and time.monotonic() - saved_at >= save_interval:
            save()

    try:
        if done < count:
            left, listeners = range(first + done, first + count), measurement.Listeners(progress, keep)
            measure.measure(key, state, amount, points, left, looks, listeners)
    except BaseException:
        save()
        raise
    return measurement.joined(parts)
