"""What becomes of printing that nobody takes: a closed stream, a reader or a terminal that is gone, a full disk.

Knows the standard streams and how writing to them fails; knows nothing of what is printed, nor of who prints.
"""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

_NOBODY_READS = (errno.EPIPE, errno.EIO)
"""A pipe without a reader, and a terminal that is gone: nobody is there to be told."""


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Inside, no printing fails, as a job's work is worth more than its lines: what is not taken is left out.

    Of a standard output that is full or broken one line on standard error says so, once; all else is silent. A stream
    that was closed before this process began takes everything and keeps nothing, and no file gets its number.
    """
    told = False

    def tell(error: OSError) -> None:
        nonlocal told
        if not told and error.errno not in _NOBODY_READS:
            told = True
            print(f"warning: standard output is not written ({error.strerror}); the job goes on", file=sys.stderr)

    with _replaced(tell):
        yield


def as_command(main: Callable[[], int]) -> int:
    """The exit code of a command whose output is all that it is for: `main`'s own, if the output was taken.

    Where nobody reads on (`| head -1`) the process ends by SIGPIPE, without a word, as other commands do; where the
    output cannot be written 1 is returned, after one line; 130 after Ctrl-C.
    """

    def fail(error: OSError) -> None:
        raise _OutputError(error)

    with _replaced(fail):
        try:
            try:
                return main()
            finally:
                sys.stdout.flush()
        except _OutputError as error:
            refused = error.reason
        except BrokenPipeError as error:
            refused = error
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 128 + signal.SIGINT
        if refused.errno != errno.EPIPE:
            print(f"standard output: cannot be written: {refused.strerror}", file=sys.stderr)
            return 1
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE  # where somebody has blocked it


def write_bytes(data: bytes) -> None:
    """Writes to standard output what is no text, behind all that was printed; fails as printing does."""
    stream: Any = sys.stdout
    with stream.caught() if isinstance(stream, _Stream) else contextlib.nullcontext():
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()


class _OutputError(BaseException):
    """Not an Exception, so that nothing on the way takes it for a trouble of its own."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class _Stream:
    """A text stream whose errors of writing go to `failed`; in all else the stream itself."""

    def __init__(self, stream: TextIO, failed: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._failed = failed

    def write(self, text: str) -> int:
        with self.caught():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self.caught():
            self._stream.flush()

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _replaced(failed: Callable[[OSError], None]) -> Iterator[None]:
    """Standard output with those errors, and standard error without any."""
    _open_missing()
    before = sys.stdout, sys.stderr
    ours: Any = (_Stream(sys.stdout, failed), _Stream(sys.stderr, lambda error: None))
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            _settle(stream)


def _open_missing() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(opened, number)
                os.close(opened)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _settle(stream: TextIO) -> None:
    """Nothing is left that Python would fail to write, and complain about, at the very end of the process."""
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()
