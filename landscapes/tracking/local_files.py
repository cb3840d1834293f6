"""Small files of a tracker in the run folder, replaced whole or not at all.

Knows paths; knows no format.
"""

import contextlib
import os
import secrets
from pathlib import Path


def replace_whole(path: Path, data: bytes) -> None:
    """`path` now holds `data`, or what it held before where that fails, which raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
