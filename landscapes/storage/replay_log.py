"""The growing log of one seed's transitions: immutable segments that follow each other from row 0.

Knows rows and the ring in which `Replay` keeps them; knows no algorithm and does not decide when to append.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscapes.errors import UserError
from landscapes.experience.replay import Replay
from landscapes.storage.checkpoints import checkpoint_attributes
from landscapes.storage.files import flush_folder, write_whole
from landscapes.storage.hdf5 import Datasets, read_hdf5, write_hdf5
from landscapes.storage.runs import Run
from landscapes.types import Transition

SEGMENT_SCHEMA_VERSION = 1

_KEY = "replay log"
_SEGMENT = re.compile(r"replay_([0-9]+)_([0-9]+)\.h5")


class _Segment(NamedTuple):
    """Rows `first` .. `end - 1`."""

    first: int
    end: int
    path: Path


def append_segment(run: Run, seed: int, first: int, data: Transition) -> Path:
    """`seed{seed}/replay_{first}_{end}.h5` with rows `first` .. `end - 1`; `data` holds arrays `[end - first, ...]`.

    A segment of the very same rows is replaced: a resumed run draws again what it had drawn after its last save. Where
    else the log already reaches past `first`, the segments from `first` on are removed before. Raises ValueError where
    `first` leaves a gap or lies inside a segment, where a stored checkpoint sees rows that would be removed, or where
    the arrays of `data` are empty or of different lengths.
    """
    arrays = {name: np.asarray(values) for name, values in data._asdict().items()}
    lengths = {len(values) for values in arrays.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"a segment needs arrays of one length above 0, not {sorted(lengths)}")
    end = first + lengths.pop()
    path = _segment_path(run, seed, first, end)
    if not path.exists():
        _remove_from(run, seed, first)
    attributes = {"schema_version": SEGMENT_SCHEMA_VERSION, "seed": seed, "first": first, "end": end}
    return write_hdf5(path, arrays, {**run.provenance(), **attributes})


def log_end(run: Run, seed: int) -> int:
    """How many rows are stored without a gap from row 0 on."""
    return _end(_segments(run, seed))


def load_log(run: Run, seed: int, count: int, capacity: int, template: Replay | None = None) -> Replay:
    """The log as it was after `count` insertions into a ring of `capacity` rows, as NumPy arrays.

    Row i lies at `i % capacity` for the last `capacity` rows before `count`; zeros elsewhere. `template` gives the
    shapes of a log that has no rows yet and checks those of one that has. Raises UserError where rows are missing,
    naming them, or a segment is damaged or does not fit.
    """
    segments = _segments(run, seed)
    oldest = max(0, count - capacity)
    if _end(segments) < count:
        raise UserError(_KEY, run.seed_directory(seed), f"rows {_end(segments)}..{count - 1} are missing")
    ring = None if template is None else _empty_ring(template.data._asdict(), capacity)
    for segment in segments:
        if segment.first < count and segment.end > oldest:
            rows = _read_segment(segment)
            ring = _empty_ring(rows, capacity) if ring is None else ring
            _check_fit(segment, rows, ring)
            fill_ring(ring, rows, segment.first, oldest, count)
    if ring is None:
        raise UserError(_KEY, run.seed_directory(seed), "has no rows, so their shapes are unknown")
    return Replay(Transition(**ring), np.uint32(count % 2**32))  # type: ignore[arg-type]  # NumPy stands for JAX


def discard_log(run: Run, seed: int, first: int) -> None:
    """Removes the segments that hold rows from `first` on."""
    for segment in reversed(_all_segments(run, seed)):  # from the end, so that a job killed here leaves no gap
        if segment.end > first:
            segment.path.unlink()


def link_prefix(source_run: Run, source_seed: int, target_run: Run, target_seed: int, end: int) -> list[Path]:
    """The target's segments of rows 0 .. `end - 1`, hard-linked to the source's (copied where links are impossible).

    Segments never change, so neither run can disturb the other, and either can be removed. Those that the target has
    already are kept. Raises UserError where rows are missing or `end` is not the end of a segment.
    """
    segments = [segment for segment in _segments(source_run, source_seed) if segment.end <= end]
    if _end(segments) != end:
        folder = source_run.seed_directory(source_seed)
        raise UserError(_KEY, folder, f"rows {_end(segments)}..{end - 1} are missing or not a segment of their own")
    target_run.seed_directory(target_seed).mkdir(exist_ok=True)
    links = [_link(segment, _segment_path(target_run, target_seed, segment.first, segment.end)) for segment in segments]
    flush_folder(target_run.seed_directory(target_seed))
    return links


def _segment_path(run: Run, seed: int, first: int, end: int) -> Path:
    return run.seed_directory(seed) / f"replay_{first}_{end}.h5"


def _segments(run: Run, seed: int) -> list[_Segment]:
    """The stored segments that follow each other from row 0, up to the first gap."""
    chain: list[_Segment] = []
    for segment in _all_segments(run, seed):
        if segment.first == _end(chain) < segment.end:
            chain.append(segment)
    return chain


def _all_segments(run: Run, seed: int) -> list[_Segment]:
    folder = run.seed_directory(seed)
    names = os.listdir(folder) if folder.is_dir() else []
    matches = filter(None, map(_SEGMENT.fullmatch, names))
    return sorted(_Segment(int(match[1]), int(match[2]), folder / match[0]) for match in matches)


def _end(chain: list[_Segment]) -> int:
    return chain[-1].end if chain else 0


def _remove_from(run: Run, seed: int, first: int) -> None:
    chain = _segments(run, seed)
    if first != _end(chain) and first not in {segment.first for segment in chain}:
        raise ValueError(f"rows up to {_end(chain)} are stored in segments of which none begins at row {first}")
    if not any(segment.end > first for segment in _all_segments(run, seed)):
        return
    for step in run.checkpoint_steps(seed):
        if int(str(checkpoint_attributes(run, seed, step)["log_rows"])) > first:
            raise ValueError(f"checkpoint {step} of seed {seed} sees rows from {first} on; they cannot be replaced")
    discard_log(run, seed, first)


def _read_segment(segment: _Segment) -> Datasets:
    rows, _ = read_hdf5(segment.path, _KEY)
    if sorted(rows) != sorted(Transition._fields):
        raise UserError(_KEY, segment.path, f"holds {', '.join(rows)} instead of {', '.join(Transition._fields)}")
    if any(values.shape[:1] != (segment.end - segment.first,) for values in rows.values()):
        raise UserError(_KEY, segment.path, f"does not hold the {segment.end - segment.first} rows that its name says")
    return rows


def _empty_ring(like: dict[str, np.ndarray], capacity: int) -> Datasets:
    return {name: np.zeros((capacity, *values.shape[1:]), values.dtype) for name, values in like.items()}


def _check_fit(segment: _Segment, rows: Datasets, ring: Datasets) -> None:
    for name, values in rows.items():
        if (values.dtype, values.shape[1:]) != (ring[name].dtype, ring[name].shape[1:]):
            found, needed = (f"{array.dtype} rows of shape {array.shape[1:]}" for array in (values, ring[name]))
            raise UserError(_KEY, segment.path, f"its {name} are {found}; the log needs {needed}")


def fill_ring(
    ring: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], first: int, oldest: int, end: int
) -> None:
    """Puts those of the rows first, first + 1, ... that lie in oldest .. end - 1 where a ring keeps them, in place."""
    for name, values in rows.items():
        seen = np.arange(max(first, oldest), min(first + len(values), end))
        ring[name][seen % len(ring[name])] = values[seen - first]


def _link(segment: _Segment, target: Path) -> Path:
    if target.exists():
        return target
    try:
        os.link(segment.path, target)
    except OSError:  # another file system, or one without links
        write_whole(target, lambda temporary: shutil.copyfile(segment.path, temporary))
    return target
