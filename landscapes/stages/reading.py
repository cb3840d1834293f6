"""What a command of several stages is told: `key=value` words, checked before anything is done.

Knows what values may be; knows no key, no stage and no run.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from landscapes.errors import UserError
from landscapes.machine.folders import CONF

Read = Callable[[str, str], Any]
"""From a key and the text behind its `=` to a value; raises UserError."""


def read(words: Sequence[str], keys: Mapping[str, Read]) -> dict[str, Any]:
    """The values of those `key=value` words; raises UserError for the first that is none, twice there or not "
    "allowed."""
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UserError("arguments", word, f"is not key=value; keys are {', '.join(keys)}")
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"
            raise UserError(key, text, f"no such key; {hint}")
        if key in values:
            raise UserError(key, text, "is given twice")
        values[key] = keys[key](key, text)
    return values


def given_on(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for this command, and those that every job is given as they are: `hydra.KEY=VALUE`, "
    "`wandb.KEY=VALUE`."""
    on = [word for word in words if word.startswith(("hydra.", "wandb."))]
    return [word for word in words if word not in on], on


def one_of(*allowed: str) -> Read:
    """One of these words."""

    def read_one(key: str, text: str) -> str:
        if text not in allowed:
            near = difflib.get_close_matches(text, allowed, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UserError(key, text, f"must be one of {', '.join(allowed)}{hint}")
        return text

    return read_one


def several_of(*allowed: str, dotted: bool = False) -> Read:
    """Words between commas, each once: of these, or with `dotted` also a dotted path."""

    def read_several(key: str, text: str) -> tuple[str, ...]:
        words = tuple(text.removeprefix("[").removesuffix("]").split(","))
        for word in words:
            if not (dotted and "." in word.strip(".")):
                one_of(*allowed)(key, word)
        if len(set(words)) < len(words):
            raise UserError(key, text, "names one twice")
        return words

    return read_several


def words(key: str, text: str) -> tuple[str, ...]:
    """Words between commas, each once, whichever they are."""
    found = tuple(text.removeprefix("[").removesuffix("]").split(","))
    if not all(found) or len(set(found)) < len(found):
        raise UserError(key, text, "must be one word or several with commas between them, each once")
    return found


def integer(least: int) -> Read:
    """An integer, at least `least`."""

    def read_integer(key: str, text: str) -> int:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not (least <= number < float("inf") and number == int(number)):
            raise UserError(key, text, f"must be an integer, at least {least}")
        return int(number)

    return read_integer


count = integer(1)


def numbers(key: str, text: str) -> tuple[float, ...]:
    """Numbers between commas, at least 0."""
    try:
        values = tuple(float(word) for word in text.removeprefix("[").removesuffix("]").split(","))
    except ValueError:
        values = (-1.0,)
    if not all(0.0 <= value < float("inf") for value in values):
        raise UserError(key, text, "must be numbers, at least 0, with commas between them")
    return values


def truth(key: str, text: str) -> bool:
    """true or false."""
    return bool(one_of("true", "false")(key, text) == "true")


def text(key: str, text: str) -> str:
    """Any text but none."""
    if not text:
        raise UserError(key, text, "must not be empty")
    return text


def run_name(key: str, text: str) -> str:
    """What the names of runs begin with."""
    if not (text[:1].isalpha() and text.isascii() and all(letter.isalnum() or letter in "_.-" for letter in text)):
        raise UserError(key, text, "must be a letter, then letters, digits, '_', '.' or '-'")
    return text


def preset(key: str, text: str) -> str:
    """A file of conf/job_config/."""
    return str(one_of(*sorted(path.stem for path in (CONF / "job_config").glob("*.yaml")))(key, text))
