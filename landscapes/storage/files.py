"""Whole-or-nothing writing of single files, and the lock of those that several processes add to.

Knows paths, temporary names, fsync and flock; knows no file format and no folder layout.
"""

import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from landscapes.errors import UserError

_NO_FLOCK = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
_log = logging.getLogger(__name__)


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """`path`, holding what `write(temporary)` wrote: readers see the old file or the new one, never a part of one.

    The parent folder is made if only it is missing (a run folder that was removed meanwhile stays removed). A process
    killed half-way leaves the old file and a stray hidden `.NAME.*.tmp`, which nothing reads. Raises UserError where
    the file system refuses.
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(exist_ok=True)
        write(temporary)
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError("results_dir", path, f"cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    flush_folder(path.parent)
    return path


def temporary_name(path: Path) -> Path:
    """A hidden name that nobody else uses, in the folder of `path` (a rename cannot cross file systems)."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut; file systems that cannot flush a folder are left alone."""
    with contextlib.suppress(OSError):
        _flush(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of `path` without waiting: raises UserError for `what` (a run) where another process has it.

    Where the file system has no flock, goes on without one and logs it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, timeout=0))
        except Timeout as error:
            raise UserError("run_name", what, "another process is working on this run just now") from error
        yield


@contextlib.contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of `path` (an flock on `path` + '.lock', freed by the kernel when its holder dies).

    A second process waits, `timeout` seconds at most (below 0: as long as it takes), then raises filelock's Timeout.
    Where the file system has no flock, goes on without one and logs it: a file is whole then too, but of two processes
    adding to it at the same moment one may be lost.
    """
    lock = FileLock(f"{path}.lock", fallback_to_soft=False, timeout=timeout)
    try:
        path.parent.mkdir(exist_ok=True)
        lock.acquire()
    except Timeout:  # an OSError too, but not the file system's
        raise
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise UserError("results_dir", path, f"cannot be locked: {error.strerror or error}") from error
        _log.warning("%s: this file system has no locks; let only one process at a time write to it", path.parent)
        yield
        return
    try:
        yield
    finally:
        lock.release()
