"""Parts of a result that wait beside it until the whole is there.

Knows names of files and what tells one unfinished result from another; knows nothing of how a part is measured.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscapes.errors import UserError
from landscapes.storage.hdf5 import plain, read_hdf5, write_hdf5

UNFINISHED_SCHEMA_VERSION = 1

_FOLDER = "unfinished"


@dataclass(frozen=True)
class Unfinished:
    """One result on its way. `identity` holds everything that its numbers depend on: what differs in any of it has a
    file of its own, so that no part is ever taken for that of another result."""

    folder: Path
    identity: Mapping[str, object]

    @property
    def path(self) -> Path:
        told = json.dumps(self.identity, sort_keys=True, default=plain)
        return self.folder / _FOLDER / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.h5"

    def read(self) -> dict[str, np.ndarray]:
        """The parts so far, joined along their first axis; none where nothing waits, or the file is damaged."""
        if not self.path.exists():
            return {}
        try:
            return read_hdf5(self.path, "file")[0]
        except UserError:
            return {}  # it is only time that is lost

    def write(self, parts: Mapping[str, np.ndarray]) -> None:
        """Replaces what waits."""
        write_hdf5(self.path, parts, {"schema_version": UNFINISHED_SCHEMA_VERSION, **self.identity})

    def discard(self) -> None:
        """To be called as soon as the whole result is on disk."""
        self.path.unlink(missing_ok=True)
