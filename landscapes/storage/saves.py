"""Where a run stands between its checkpoints, so that the same command continues it after any kind of end.

Knows the folder `resume/` of a run; knows neither what the arrays of a save mean nor when one is made.

A save is one file, written whole, and the tail: the rows of the replay log that are in no segment yet, in files of
their own, so that each save writes new rows only. The save before is kept until the next one, in case the disk fails.
"""

import contextlib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscapes.errors import UserError
from landscapes.experience.replay import Replay
from landscapes.storage.hdf5 import Attributes, Datasets, read_hdf5, write_hdf5
from landscapes.storage.replay_log import fill_ring, load_log, log_end
from landscapes.storage.runs import Run
from landscapes.types import Transition

SAVE_SCHEMA_VERSION = 1

_KEY = "save"
_START_OVER = "overwrite=true starts over"
_LATEST, _BEFORE = "state.h5", "state_before.h5"
_ROWS = re.compile(r"rows_([0-9]+)_([0-9]+)\.h5")
_log = logging.getLogger(__name__)


class Save(NamedTuple):
    """What a save holds."""

    datasets: Datasets
    attributes: Attributes


def write_save(run: Run, datasets: Mapping[str, np.ndarray], attributes: Mapping[str, object]) -> Path:
    """Makes these arrays and attributes the latest save of the run; the one that was is kept beside it.

    Append the tail first: a save must not wait for its rows.
    """
    folder = _folder(run)
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder / _LATEST, folder / _BEFORE)
    about = {**run.provenance(), **attributes, "schema_version": SAVE_SCHEMA_VERSION}
    return write_hdf5(folder / _LATEST, datasets, about)


def read_save(run: Run) -> Save | None:
    """The latest save that is whole, None where there is none. Raises UserError where there are only damaged ones."""
    damage: UserError | None = None
    for name in (_LATEST, _BEFORE):
        path = _folder(run) / name
        if not path.exists():
            continue
        try:
            datasets, attributes = read_hdf5(path, _KEY)
        except UserError as error:
            _log.warning("%s", error)
            damage = error
            continue
        version = attributes.get("schema_version")
        if not isinstance(version, int) or not 1 <= version <= SAVE_SCHEMA_VERSION:
            raise UserError(
                _KEY, path, f"its schema_version is {version}; known are versions up to {SAVE_SCHEMA_VERSION}"
            )
        if damage is not None:  # or the next save would keep it as the one before
            (_folder(run) / _LATEST).unlink()
        return Save(datasets, attributes)
    if damage is not None:
        raise UserError("run_name", run.name, f"no save of it can be read ({damage}); {_START_OVER}")
    return None


def append_tail(run: Run, first: int, data: Transition) -> Path:
    """`resume/rows_{first}_{end}.h5` with rows `first` .. `end - 1` of all seeds; arrays `[num_seeds, num_rows, ...]`.

    What the tail already has from `first` on, of a save that was never completed, is removed before.
    """
    arrays = {name: np.asarray(values) for name, values in data._asdict().items()}
    end = first + arrays["reward"].shape[1]
    for path, _, stale_end in _tail(run):
        if stale_end > first:
            path.unlink()
    attributes = {"schema_version": SAVE_SCHEMA_VERSION, "first": first, "end": end}
    return write_hdf5(_folder(run) / f"rows_{first}_{end}.h5", arrays, {**run.provenance(), **attributes})


def drop_tail(run: Run, before: int) -> None:
    """Removes the files of the tail all of whose rows are below `before`."""
    for path, _, end in _tail(run):
        if end <= before:
            path.unlink()


def load_logs(run: Run, count: int, template: Replay) -> list[Replay]:
    """The logs of all seeds after `count` insertions, from their segments and the tail, as NumPy arrays.

    `template` gives shapes and capacity. Raises UserError where rows are missing, naming them, or a file is damaged.
    """
    try:
        return _load_logs(run, count, template)
    except UserError as error:
        raise UserError("run_name", run.name, f"its replay log cannot be read ({error}); {_START_OVER}") from error


def _load_logs(run: Run, count: int, template: Replay) -> list[Replay]:
    capacity = template.data.reward.shape[0]
    oldest = max(0, count - capacity)
    ends = [min(log_end(run, seed), count) for seed in range(run.num_seeds)]
    logs = [load_log(run, seed, end, capacity, template) for seed, end in enumerate(ends)]
    needed = max(min(ends), oldest)
    for path, first, end in _tail(run):
        if end <= needed or first >= count:
            continue
        if first > needed:
            break
        rows, _ = read_hdf5(path, _KEY)
        for seed, log in enumerate(logs):
            own = {name: values[seed] for name, values in rows.items()}
            fill_ring(log.data._asdict(), own, first, max(ends[seed], oldest), count)
        needed = end
    if needed < count:
        raise UserError(_KEY, _folder(run), f"rows {needed}..{count - 1} of the replay log are missing")
    return [Replay(log.data, np.uint32(count % 2**32)) for log in logs]  # type: ignore[arg-type]  # NumPy for JAX


def _folder(run: Run) -> Path:
    return run.path / "resume"


def _tail(run: Run) -> Sequence[tuple[Path, int, int]]:
    """Path, first row and end of each file of the tail, ascending."""
    folder = _folder(run)
    names = os.listdir(folder) if folder.is_dir() else []
    found = [(folder / match[0], int(match[1]), int(match[2])) for match in map(_ROWS.fullmatch, names) if match]
    return sorted(found, key=lambda entry: entry[1:])
