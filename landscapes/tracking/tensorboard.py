"""Metrics for TensorBoard: event files below the run folder, under the names that wandb has, scalars and histograms.

Knows TensorBoard's events and the framing of their files; knows nothing of what is recorded.
"""

import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landscapes import commands
from landscapes.tracking.local_files import replace_whole
from landscapes.tracking.tracker import Told

_HEADER = struct.Struct("<QI")
"""Length of a record, and a checksum of that."""
_CHECKSUM = 4
"""Bytes behind a record."""

_Key = tuple[int, str]


def tensorboard_folder(told: Told) -> Path:
    """Where the event files of a job lie: `tensorboard/`, of a study of a run a folder in it that is called as the
    study is."""
    folder = told.directory / "tensorboard"
    return folder if told.makes_run else folder / told.file_name


class TensorboardTracker:
    """Writes event files; its methods raise OSError where that fails, so put it into a `Forgiving` one.

    A value that is told again takes the place of the one before, in the files themselves: no reader sees both.
    """

    def __init__(self, told: Told) -> None:
        self._tensorboard, self._folder = told.directory / "tensorboard", tensorboard_folder(told)
        self._in_order = told.in_order
        self._writer: Any = None
        self._present: set[_Key] = set()
        self.run_id: str | None = None
        self.where: Mapping[str, str] = {"tensorboard": commands.line(["tensorboard", "--logdir", self._tensorboard])}

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        # Not by tensorboardX's own functions, which put other letters for blanks and brackets of a name.
        self._write([Summary.Value(tag=name, simple_value=float(x)) for name, x in metrics.items()], int(step))

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Also records `{name}/num_not_finite` where there are such values, as a histogram cannot hold them."""
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.summary import make_histogram

        flat = np.array(values, np.float64).ravel()
        finite = flat[np.isfinite(flat)]
        told = []
        if finite.size:
            told.append(Summary.Value(tag=name, histo=make_histogram(finite, "auto", 512)))
        if finite.size < flat.size:
            told.append(Summary.Value(tag=f"{name}/num_not_finite", simple_value=float(flat.size - finite.size)))
        self._write(told, int(step))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Numbers only, at step 0: TensorBoard has no place for what describes a whole run."""
        self.log({name: float(value) for name, value in values.items() if isinstance(value, Real)}, 0)

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Does nothing."""

    def finish(self, error: BaseException | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, values: list[Any], step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        if self._writer is None:
            self._open(step)
        keys = {(step, value.tag) for value in values}
        if keys & self._present:
            self.finish()
            self._drop(keys)
            self._open(step)
        self._present |= keys
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._writer.flush()

    def _open(self, step: int) -> None:
        """A new file, after those that are there; without what an earlier attempt told from `step` on."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        starts = not self._present and self._in_order
        for folder in (self._tensorboard, self._folder):  # not the run folder: one that was removed stays removed
            folder.mkdir(exist_ok=True)
        if not self._present:
            self._present = self._drop(set(), from_step=step if self._in_order else None)
        # Names tell the second; two files of one second, or of two processes, must not be one.
        suffix = f".{time.time_ns():020d}.{os.getpid()}"
        self._writer = EventsWriter(str(self._folder / "events"), suffix)
        if starts:
            # What a TensorBoard that is running has read already, it forgets from here on.
            restart = SessionLog(status=SessionLog.START)
            self._writer.write_event(Event(wall_time=time.time(), step=step, session_log=restart))

    def _drop(self, keys: set[_Key], from_step: int | None = None) -> set[_Key]:
        """Removes from the files in the folder what is of these steps and names, or of `from_step` and later ones;
        answers with what is left.

        A file that has lost nothing is not written again, as another process may be writing it.
        """
        from tensorboardX.proto.event_pb2 import Event

        left: set[_Key] = set()
        for path in sorted(self._folder.glob("events.out.tfevents.*")):
            data, kept, changed = path.read_bytes(), [], False
            for framed in _framed(data):
                stays = framed
                event = Event.FromString(framed[_HEADER.size : -_CHECKSUM])
                if event.HasField("summary"):
                    values = [value for value in event.summary.value if _stays(event.step, value.tag, keys, from_step)]
                    left |= {(event.step, value.tag) for value in values}
                    if len(values) < len(event.summary.value):
                        changed = True
                        del event.summary.value[:]
                        event.summary.value.extend(values)
                        stays = _frame(event.SerializeToString()) if values else b""
                kept.append(stays)
            whole = b"".join(kept)
            # In order there is but one process: what is unfinished then, was left so by one that was killed.
            if changed or (self._in_order and whole != data):
                replace_whole(path, whole)
        return left


def _stays(step: int, tag: str, keys: set[_Key], from_step: int | None) -> bool:
    return (step, tag) not in keys and (from_step is None or step < from_step)


def _framed(data: bytes) -> Iterator[bytes]:
    """The whole records of an event file, each with its header and checksums."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, _ = _HEADER.unpack_from(data, position)
        start, position = position, position + _HEADER.size + length + _CHECKSUM
        if position <= len(data):
            yield data[start:position]


def _frame(record: bytes) -> bytes:
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked_crc32c(length)) + record + struct.pack("<I", masked_crc32c(record))
