"""How a plain value from YAML or a command line becomes a field of a dataclass, or one clear line.

Knows type annotations, range checks and the comments beside fields; knows no setting, no experiment and no Hydra.
"""

import dataclasses
import difflib
import inspect
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from landscapes.errors import UserError

MISSING = "???"
"""What YAML holds for a setting that has no default."""

_INTEGERS = 2**63
"""Integers lie below this, and not below minus this: arrays and files hold no others."""

_LISTED = 40
"""Names that a message lists; more are no help."""

_QUOTED = 40
"""Characters of a number that is shown once more, within quotes: no longer one was meant as a text."""

T = TypeVar("T")


class Check(NamedTuple):
    """What a value of the right type must satisfy besides, and how to say so after the words "must be"."""

    holds: Callable[[Any], bool]
    words: str
    names_type: bool = False
    """Whether the words need no type before them."""


def at_least(minimum: float) -> Check:
    """`minimum` or more."""
    return Check(lambda value: value >= minimum, f"at least {minimum}")


def above(bound: float) -> Check:
    """More than `bound`."""
    return Check(lambda value: value > bound, f"above {bound}")


def below(bound: float) -> Check:
    """Less than `bound`."""
    return Check(lambda value: value < bound, f"below {bound}")


def at_most(maximum: float) -> Check:
    """`maximum` or less."""
    return Check(lambda value: value <= maximum, f"at most {maximum}")


def within(lowest: float, highest: float) -> Check:
    """From `lowest` to `highest`, both included."""
    return Check(lambda value: lowest <= value <= highest, f"from {lowest} to {highest}")


def one_of(*names: str) -> Check:
    """One of some names."""
    return Check(lambda value: value in names, f"one of {', '.join(names)}", names_type=True)


NOT_EMPTY = Check(lambda value: len(value) > 0, "not empty")

DISTINCT = Check(lambda value: len(set(value)) == len(value), "without repetitions")
"""1 and 1.0 are the same."""


def build(schema: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    """`schema(**values)` with every value converted and checked.

    Args: values: one for every field of the dataclass `schema`, by name, and nothing else; nested groups as mappings.
    prefix: put before the names in messages. Raises UserError for the first value that does not fit.
    """
    hints = _hints(cast(Any, schema))
    names = [field.name for field in dataclasses.fields(schema)]  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in names:
            raise UserError(f"{prefix}{name}", shown(value), f"no such key; {closest(str(name), names)}")
    for name in names:
        if name not in values:
            raise UserError(f"{prefix}{name}", MISSING, f"needs a value; must be {describe(hints[name])}")
    return schema(**{name: convert(f"{prefix}{name}", values[name], hints[name]) for name in names})


class Checked:
    """A dataclass whose values are converted and checked by its annotations, whoever makes one.

    Raises UserError(name of the field, value, allowed) for the first that does not fit.
    """

    def __post_init__(self) -> None:
        for name, annotation in _hints(cast(Any, type(self))).items():
            setattr(self, name, convert(name, getattr(self, name), annotation))


class Documented(NamedTuple):
    """What a reader wants to know of one field of a dataclass."""

    name: str
    default: Any
    """MISSING where there is none."""
    allowed: str
    """After the words "must be"."""
    comment: str
    """The one beside it in the source, empty where there is none."""


def documented(schema: Any) -> list[Documented]:
    """The fields of a dataclass, in order, those of its bases first."""
    hints, comments = _hints(schema), _comments(schema)
    return [
        Documented(each.name, _default(each), describe(hints[each.name]), comments.get(each.name, ""))
        for each in dataclasses.fields(schema)
    ]


def convert(key: str, value: Any, annotation: Any) -> Any:
    """`value` as `annotation` asks for it; raises UserError(key, value, allowed) where it cannot be that.

    Integral floats pass for integers and integers for floats; booleans never pass for numbers, numbers never for text.
    """
    if isinstance(value, str) and value == MISSING:
        raise UserError(key, value, f"needs a value; must be {describe(annotation)}")
    base, checks = _split(annotation)
    converted = _convert_base(key, value, base, f"must be {describe(annotation)}{_quoting_hint(key, value, base)}")
    for check in checks:
        if not check.holds(converted):
            raise UserError(key, shown(value), f"must be {describe(annotation)}")
    return converted


def describe(annotation: Any) -> str:
    """What a value of that type may be, in words that fit after "must be"."""
    base, checks = _split(annotation)
    kind = [] if any(check.names_type for check in checks) else [_describe_base(base)]
    return ", ".join([*kind, *(check.words for check in checks)])


def shown(value: Any) -> str:
    """A value as it is written on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{shown(entry)}' for name, entry in value.items())}}}"
    return str(value)


def closest(name: str, names: Collection[str]) -> str:
    """The names spelled most like `name`, or all of them, as the second half of a message."""
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if len(names) > _LISTED:
        return f"there are {len(names)}, which --help lists"
    return f"there are {', '.join(names)}" if names else "there are none"


@cache
def _hints(schema: Any) -> dict[str, Any]:
    hints = get_type_hints(schema, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(schema)}


@cache
def _comments(schema: Any) -> dict[str, str]:
    """What stands behind `#` in the line of each field, in the class and its bases."""
    found: dict[str, str] = {}
    for each in reversed(schema.__mro__):
        if dataclasses.is_dataclass(each):
            lines = inspect.getsource(cast(Any, each)).splitlines()
            matches = (re.match(r"    (\w+): .*?  # (.*)$", line) for line in lines)
            found |= {match[1]: match[2] for match in matches if match}
    return found


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return MISSING if field.default_factory is dataclasses.MISSING else field.default_factory()


def _split(annotation: Any) -> tuple[Any, tuple[Check, ...]]:
    if get_origin(annotation) is Annotated:
        base, *checks = get_args(annotation)
        return base, tuple(checks)
    return annotation, ()


def _is_union(base: Any) -> bool:
    return get_origin(base) in (Union, types.UnionType)


def _describe_base(base: Any) -> str:
    if _is_union(base):
        # A number of either type is one thing to whoever types it.
        words = [describe(option) for option in get_args(base) if option is not int or float not in get_args(base)]
        return (", or " if any("," in each for each in words) else " or ").join(words)
    if get_origin(base) is list:
        return f"a list such as [a,b] with each entry {describe(get_args(base)[0])}"
    if dataclasses.is_dataclass(base):
        return f"a group with the keys {', '.join(field.name for field in dataclasses.fields(base))}"
    words_of: dict[Any, str] = {
        int: "an integer",
        float: "a number",
        bool: "true or false",
        str: "text",
        types.NoneType: "null",
    }
    return words_of.get(base, "a group of keys")


def _quoting_hint(key: str, value: Any, base: Any) -> str:
    options = [_split(option)[0] for option in (base, *get_args(base))]
    wants_text = str in options and not any(get_origin(option) is list for option in options)
    if wants_text and isinstance(value, (int, float)) and len(shown(value)) <= _QUOTED:
        return f"""; where the text is a number or a word like true, quote it twice: {key}="'{shown(value)}'\""""
    return ""


def _convert_base(key: str, value: Any, base: Any, allowed: str) -> Any:
    if _is_union(base):
        return _convert_union(key, value, base, allowed)
    if get_origin(base) is list and isinstance(value, (list, tuple)):
        entry = get_args(base)[0]
        return [convert(f"{key}[{i}]", element, entry) for i, element in enumerate(value)]
    if isinstance(value, Mapping):
        if dataclasses.is_dataclass(base):
            return build(base, value, f"{key}.")  # type: ignore[arg-type]
        if get_origin(base) is dict:
            return dict(value)
    is_int = type(value) is int
    # Not math.isfinite, which an integer of hundreds of digits overflows.
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if is_int and base in (int, float) and not -_INTEGERS <= value < _INTEGERS:
        allowed = f"{allowed}; integers go up to 2^63 - 1"
    elif base is int and number and value == int(value) and -_INTEGERS <= value < _INTEGERS:
        return int(value)
    elif base is float and number:
        return float(value)
    if base in (bool, str) and isinstance(value, base):
        return value
    raise UserError(key, shown(value), allowed)


def _convert_union(key: str, value: Any, base: Any, allowed: str) -> Any:
    options = get_args(base)
    if value is None:
        if types.NoneType in options:
            return None
        raise UserError(key, shown(value), allowed)
    if type(value) is int and int in options:
        return _convert_base(key, value, int, allowed)
    rest = [option for option in options if option is not types.NoneType]
    words = [option for option in rest if _split(option)[0] is str]
    if 0 < len(words) < len(rest):
        rest = words if isinstance(value, str) else [option for option in rest if option not in words]
    lists = [option for option in rest if get_origin(_split(option)[0]) is list]
    if lists:
        rest = lists if isinstance(value, (list, tuple)) else [option for option in rest if option not in lists]
    # Of `int | float` only floats are left here: an integer stays one, as the user typed it.
    chosen = float if float in rest else rest[0]
    base_of_chosen, checks = _split(chosen)
    converted = _convert_base(key, value, base_of_chosen, allowed)
    if not all(check.holds(converted) for check in checks):
        raise UserError(key, shown(value), allowed)
    return converted
