"""What a killed process left of a wandb run: the files of its pieces, cut back to what is whole.

Knows the format of wandb's own files; neither imports wandb nor talks to it.
"""

import os
import struct
from pathlib import Path

_FILE_HEADER = 7
_BLOCK = 32 * 1024
_PART = struct.Struct("<IHB")
"""Checksum, length, kind."""
_LAST_PARTS = (1, 4)
"""Kinds of parts with which a record ends: a whole one, and the last of several."""


def mend_pieces(directory: Path, run_id: str) -> None:
    """Cuts off what a killed process left unfinished at the end of its file: `wandb sync` would stop there for good."""
    for piece in directory.glob(f"wandb/*-{run_id}/run-{run_id}.wandb"):
        data = piece.read_bytes()
        whole = _whole_records(data)
        if whole == 0:
            piece.unlink()
        elif whole < len(data):
            os.truncate(piece, whole)


def _whole_records(data: bytes) -> int:
    """Where the last whole record of a wandb file ends; 0 without any.

    Its format is LevelDB's log, behind a header: blocks, each of parts of records that never pass its end.
    """
    end, position = 0, _FILE_HEADER
    while position + _PART.size <= len(data):
        room = _BLOCK - position % _BLOCK
        if room < _PART.size:
            position += room
            continue
        _, length, kind = _PART.unpack_from(data, position)
        position += _PART.size + length
        if position <= len(data) and kind in _LAST_PARTS:
            end = position
    return end
