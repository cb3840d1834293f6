"""Command lines as one would type them: what is printed to be pasted into a shell.

Knows how a POSIX shell and Hydra's grammar quote; knows no key and no command, and runs nothing.
"""

import re
import shlex
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.-]*")
_OTHER_THAN_TEXT = ("null", "true", "false", "nan", "inf")


def line(words: Iterable[object]) -> str:
    """A command line that a shell takes apart into these words again."""
    return shlex.join(map(str, words))


def python(module: str, *words: object) -> str:
    """The command line of one of our modules."""
    return line(["python", "-m", module, *words])


def setting(key: str, text: str) -> str:
    """The word `key=value` from which Hydra reads that very text: no number, no list, no interpolation."""
    if _PLAIN.fullmatch(text) and text.lower() not in _OTHER_THAN_TEXT:
        return f"{key}={text}"
    # Backslashes count only where they stand before something that they could escape.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    escaped = re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + match[2].replace("'", r"\'"), escaped)
    return f"{key}='{escaped}'"
