"""Writing where the user has said: to a file, through links; to a pipe or device as it is; `-` is standard output.

Knows paths and what lies there; knows nothing of what is written, and no run folder.
"""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from landscapes.errors import UserError
from landscapes.machine import streams
from landscapes.storage.files import write_whole

_STDOUT = "-"


class Output:
    """One file that was named, found writable before anything is computed for it."""

    def __init__(self, key: str, target: str | Path) -> None:
        """Raises UserError under `key` where nothing can be written; writes and makes nothing."""
        self.key, self.target = key, str(target)
        self.path = Path(target).expanduser().absolute()
        self.is_stdout = self.target == _STDOUT
        self._is_file = False
        if self.is_stdout:
            return
        try:
            self._look()
        except OSError as error:
            raise self._refused(error) from error

    def _look(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # nothing there, or a link to where no file is yet
            found = os.stat(self.path)
            with contextlib.suppress(OSError, ValueError):  # /dev/stdout by whatever name; no number, no such name
                self.is_stdout = os.path.samestat(found, os.fstat(sys.stdout.fileno()))
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(None, "it is a folder")
            if not os.access(self.path, os.W_OK):
                raise PermissionError(None, "permission denied")
            if self.is_stdout or not stat.S_ISREG(found.st_mode):
                return
        self._is_file = True
        folder = self._end.parent if self._end.parent.is_dir() else self._end.parent.parent
        tempfile.TemporaryFile(dir=folder).close()

    @property
    def _end(self) -> Path:
        """Where links lead to."""
        return Path(os.path.realpath(self.path))

    def write(self, data: bytes) -> None:
        """Writes all of it: a file is replaced whole or not at all, and keeps its permissions.

        Raises UserError where that fails, BrokenPipeError where nobody reads.
        """
        if self.is_stdout:
            streams.write_bytes(data)
        elif self._is_file:
            try:
                write_whole(self._end, lambda temporary: self._fill(temporary, data))
            except UserError as error:
                raise UserError(self.key, self.target, error.allowed) from error
        else:
            try:
                with open(self.path, "wb") as stream:
                    stream.write(data)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise self._refused(error) from error

    def _fill(self, temporary: Path, data: bytes) -> None:
        temporary.write_bytes(data)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(self._end, temporary)

    def _refused(self, error: OSError) -> UserError:
        return UserError(self.key, self.target, f"cannot be written: {error.strerror or error}")
