"""Checkpoints: everything one more update needs, one file per seed and step.

Knows the record `TrainState` and that its log is stored elsewhere; knows no algorithm and no config.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from landscapes.errors import UserError
from landscapes.experience.replay import Replay
from landscapes.storage.hdf5 import read_attributes, read_hdf5, write_hdf5
from landscapes.storage.runs import Run
from landscapes.storage.trees import flatten_tree, restore_tree
from landscapes.types import PyTree, TrainState

CHECKPOINT_SCHEMA_VERSION = 2
"""In version 1 the algorithms held what are the trainer's lanes now."""

_KEY = "checkpoint"


def save_checkpoint(run: Run, seed: int, step: int, state: TrainState, attributes: Mapping[str, object]) -> Path:
    """`seed{seed}/ckpt_{step}.h5` with the learner and the lanes of one seed's state (no seed axis).

    The log is not in it: `log_rows` says how many of the seed's stored rows the state has seen, `log_capacity` how
    many its ring holds (0 and 0 without a log). Append those rows first; a checkpoint must not wait for its data.
    The attributes are the run's provenance, then `attributes`, then the checkpoint's own.
    """
    rows, capacity = _log_size(state.log)
    own = {
        "schema_version": CHECKPOINT_SCHEMA_VERSION,
        "step": step,
        "seed": seed,
        "log_rows": rows,
        "log_capacity": capacity,
    }
    datasets = flatten_tree(_stored_part(state))
    return write_hdf5(run.checkpoint_path(seed, step), datasets, {**run.provenance(), **attributes, **own})


def load_checkpoint(run: Run, seed: int, step: int, template: TrainState) -> TrainState:
    """The stored state, with `template`'s structure, NumPy arrays as leaves and `template`'s own log.

    The caller fills the log with `load_log(run, seed, checkpoint_attributes(run, seed, step)["log_rows"], capacity)`.
    Raises UserError where the file is missing or damaged, or does not fit `template`.
    """
    path = run.checkpoint_path(seed, step)
    datasets, attributes = read_hdf5(path, _KEY)
    _check_version(path, attributes)
    stored = restore_tree(_stored_part(template), datasets, path)
    return TrainState(stored["learner"], template.log, stored["lanes"])


def checkpoint_attributes(run: Run, seed: int, step: int) -> dict[str, object]:
    """The attributes of a checkpoint: `step`, `seed`, `log_rows`, `log_capacity`, `config` and so on."""
    path = run.checkpoint_path(seed, step)
    attributes = read_attributes(path, _KEY)
    _check_version(path, attributes)
    return attributes


def _stored_part(state: TrainState) -> dict[str, PyTree]:
    return {"learner": state.learner, "lanes": state.lanes}


def _log_size(log: PyTree) -> tuple[int, int]:
    if not isinstance(log, Replay):
        return 0, 0
    return int(np.asarray(log.count)), int(log.data.reward.shape[0])


def _check_version(path: Path, attributes: Mapping[str, object]) -> None:
    version = attributes.get("schema_version")
    if version != CHECKPOINT_SCHEMA_VERSION:
        known = f"this version reads {CHECKPOINT_SCHEMA_VERSION} only: train the run again, or use the version it is of"
        raise UserError(_KEY, path, f"its schema_version is {version}; {known}")
