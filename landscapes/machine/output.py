"""What standard output and standard error do with text that their encoding does not have: print it all the same.

Knows encodings and streams; knows nothing of what is printed.
"""

import codecs
import sys

_HANDLER = "landscapes_escape"


def print_any_text() -> None:
    """From now on no text is refused: what an ASCII terminal or log cannot show is shown as `\\xe9`.

    Bytes of a file's name that no text stands for are printed as those bytes. May be called again; a stream that is
    not of the usual kind (in a test, in a notebook) stays as it is.
    """
    codecs.register_error(_HANDLER, _escape)
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = b""
    for character in error.object[error.start : error.end]:
        try:
            shown += character.encode("ascii", "surrogateescape")
        except UnicodeEncodeError:
            shown += character.encode("ascii", "backslashreplace")
    return shown, error.end
