"""What `--help` shows: every key of the chosen experiment with its value, its meaning, unit and range.

Knows how a dataclass documents its fields; knows no key by name.
"""

import dataclasses
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast, get_type_hints

from landscapes.config.job import SharedSettings
from landscapes.config.kinds import KINDS
from landscapes.config.training import Training, own_keys
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import Documented, documented, shown

_NARROWEST, _WIDEST = 60, 140
_NARROWEST_TEXT = 24
_LONGEST_VALUE = 24

_HOW = (
    'Settings are given as key=value; with --multirun several values as key=a,b or key="range(5)".',
    "experiment=NAME --help shows another experiment's; job_config= how a sweep runs.",
    "--cfg job shows the configuration without running it, --hydra-help Hydra's own flags.",
)

_PLAIN = (
    ("a list such as [a,b] with each entry an integer", "a list of integers"),
    ("a list such as [a,b] with each entry a number", "a list of numbers"),
    ("a list such as [a,b] with each entry text", "a list of texts"),
    ("a list such as [a,b] with each entry ", "a list of "),
    (f", at most {2**31 - 1}", ""),  # of arrays: nobody comes near
    (f", at most {2**32 - 1}", ""),
    (f", from 0 to {2**32 - 1}", ", at least 0"),
    (", not empty", ""),
)
"""What is said shorter in a table than in a message about a mistake."""


class Row(NamedTuple):
    """A key, its value in the composed configuration, and what may be said of it."""

    key: str
    value: str
    meaning: str
    allowed: str


def experiment_rows(entry_point: str, values: Mapping[str, Any]) -> list[Row]:
    """One for each key below `experiment.`, whose composed `values` are given."""
    schema = KINDS[entry_point][str(values["kind"])]
    if schema is not Training:
        return list(_rows(documented(schema), values, schema))
    keys = [each for each in documented(Training) if each.name != "settings"]
    algorithm = values["algorithm"]
    return list(_rows([*keys, *(own_keys(algorithm) if algorithm in ALGORITHMS else [])], values, Training))


def shared_rows(values: Mapping[str, Any]) -> list[Row]:
    """One for each key that all experiments have in common."""
    return list(_rows(documented(SharedSettings), values, SharedSettings))


def text(header: str, experiment: str, experiments: Sequence[str], rows: Sequence[Row], shared: Sequence[Row]) -> str:
    """The whole help, as wide as the terminal."""
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    keys = max(len(row.key) for row in [*rows, *shared])
    values = min(max(len(row.value) for row in [*rows, *shared]), _LONGEST_VALUE)

    indent = 2 + keys + 2 + values + 2
    beside = width - indent >= _NARROWEST_TEXT

    def lines(rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            head = f"  {row.key:<{keys}}  {row.value:<{values}}  "
            said = "; ".join(filter(None, [row.meaning, row.allowed]))
            if beside:
                yield textwrap.fill(f"{head}{said}", width, subsequent_indent=" " * indent)
            else:
                yield f"  {row.key}  {row.value}"
                yield textwrap.fill(said, width, initial_indent=" " * 6, subsequent_indent=" " * 6)

    listed = textwrap.fill(f"Experiments: {', '.join(experiments)}", width, subsequent_indent="  ")
    parts = [
        textwrap.fill(header, width),
        listed,
        "",
        f"experiment={experiment}",
        *lines(rows),
        "",
        "Every job",
        *lines(shared),
    ]
    return "\n".join([*parts, "", *(textwrap.fill(each, width, subsequent_indent="  ") for each in _HOW)])


def _rows(fields: Sequence[Documented], values: Mapping[str, Any], schema: Any, prefix: str = "") -> Iterator[Row]:
    hints = get_type_hints(schema)
    for each in fields:
        inner, value = hints.get(each.name), values.get(each.name)
        if dataclasses.is_dataclass(inner) and isinstance(value, Mapping):
            yield from _rows(documented(inner), value, cast(Any, inner), f"{prefix}{each.name}.")
        else:
            yield Row(f"{prefix}{each.name}", _short(value), each.comment, _plain(each.allowed))


def _plain(allowed: str) -> str:
    for long, short in _PLAIN:
        allowed = allowed.replace(long, short)
    return "" if allowed in ("true or false", "text", "text, or null") else allowed


def _short(value: Any) -> str:
    """As it would be typed; the middle of a long list is left out."""
    whole = shown(value)
    if isinstance(value, float) and value >= 1000 and value == int(value):
        whole = f"{value:g}".replace("+0", "")
    if isinstance(value, list) and len(whole) > _LONGEST_VALUE:
        return f"[{shown(value[0])},...,{shown(value[-1])}]"
    return "required" if whole == "???" else whole
