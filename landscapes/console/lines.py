"""Lines of text and tables on a stream: as rich shows them on a terminal; elsewhere plain, and whole at any width.

Knows streams; knows nothing of what the lines say.
"""

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 100_000
"""Columns of what is not a terminal: wider than any line, so that nothing is wrapped or cut."""


def console_on(stream: TextIO | None) -> Console:
    """A console that shows text as it is; off a terminal it is wider than any line and has no colour."""
    stream = stream or sys.stdout
    is_terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if is_terminal else _PLAIN_WIDTH,
        force_terminal=is_terminal,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_lines(console: Console, *renderables: Text | Table) -> None:
    """Prints and flushes; off a terminal without the blanks with which rich fills a table's last column.

    Text is left to the terminal to wrap, so that a path that is copied from there holds no line breaks.
    """
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable, soft_wrap=isinstance(renderable, Text))
    text = capture.get()
    if not console.is_terminal:
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    console.file.write(text)
    console.file.flush()
