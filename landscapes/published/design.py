"""What one published experiment is, read from its file: settings of trainings, what varies, what is done of the runs.

Knows the form of these files, in conf/published/ or the user's own; knows no key of a training and runs nothing.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from landscapes.errors import UserError
from landscapes.machine.folders import CONF
from landscapes.settings.fields import closest, shown

FOLDER = CONF / "published"

_IN_NAMES = re.compile(r"[A-Za-z0-9_.-]+")

_PARTS = ("about", "source", "train", "vary", "then", "figures", "sizes")
_VARIED = ("train", "vary", "then", "figures")
"""What a size may have otherwise."""


@dataclass(frozen=True)
class Figures:
    """Kinds of figures that show runs together, one set for each combination of the values of `apart`."""

    only: tuple[str, ...]
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Design:
    """One experiment in one size."""

    name: str
    about: str
    source: str
    train: Mapping[str, Any]
    """Settings of every run."""
    vary: Mapping[str, Sequence[Any]]
    """Settings that tell the runs apart: one for each combination of their values, the last one varying fastest."""
    then: Mapping[str, Mapping[str, Any]]
    """By the name of a stage, settings of a measurement of all of these runs."""
    figures: Sequence[Figures]

    @property
    def members(self) -> list[dict[str, Any]]:
        """What varies, of each run."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]

    def with_settings(self, **settings: Sequence[Any]) -> "Design":
        """The same under other values, each a list: of what varies, or of all runs, which it tells apart if it has
        several."""
        train, vary = dict(self.train), dict(self.vary)
        for key, values in settings.items():
            if len(values) > 1 or key in vary:
                train.pop(key, None)
                vary[key] = list(values)
            else:
                train[key] = values[0]
        return Design(self.name, self.about, self.source, train, vary, self.then, self.figures)


def names() -> list[str]:
    """The experiments of ours."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_file(name: str) -> dict[str, Any]:
    """The file of an experiment of ours, or one of the user's own that ends in .yaml; raises UserError for a name that
    there is not, and for a file that is none."""
    own = name.endswith((".yaml", ".yml"))
    path = Path(name).expanduser() if own else FOLDER / f"{name}.yaml"
    if not own and name not in names():
        raise UserError(
            "published", name, f"no such experiment; {closest(name, names())} A file of yours ends in .yaml"
        )
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        told = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError("published", name, f"cannot be read: {told}") from error
    if not isinstance(found, dict):
        raise UserError("published", name, f"must say {', '.join(_PARTS)}")
    _check(name, found, _PARTS)
    for part, needed in (("about", str), ("source", str), ("train", dict), ("sizes", dict)):
        if not isinstance(found.get(part, {} if part == "sizes" else None), needed):
            raise UserError(f"{name}: {part}", shown(found.get(part)), f"must be {_WORDS[needed]}")
    for size, changes in (found.get("sizes") or {}).items():
        _check(f"{name}: sizes.{size}", changes or {}, _VARIED)
    return found


def sizes_of(found: Mapping[str, Any]) -> list[str]:
    """The sizes that a file offers; one without any is as it says."""
    return list(found.get("sizes") or {"published": {}})


def make_design(name: str, found: Mapping[str, Any], size: str) -> Design:
    """The experiment in that size; raises UserError naming the part of the file that cannot be."""
    changes = (found.get("sizes") or {}).get(size) or {}
    parts = {part: _merged(found.get(part), changes.get(part)) for part in _VARIED}
    train, vary, then = ({} if parts[part] is None else parts[part] for part in ("train", "vary", "then"))
    if "experiment" not in train:
        raise UserError(f"{name}: train", shown(train), "must say the experiment, as train_ppo")
    for key, values in vary.items():
        if not isinstance(values, list) or not values or len({str(value) for value in values}) < len(values):
            raise UserError(f"{name}: vary.{key}", shown(values), "must be a list of values, each once")
        for value in values:
            if not _IN_NAMES.fullmatch(shown(value)):
                allowed = "must be words or numbers, of letters, digits, '_', '.' and '-': runs are called by them"
                raise UserError(f"{name}: vary.{key}", shown(value), allowed)
    for stage, settings in then.items():
        if not isinstance(settings, dict) or "experiment" not in settings:
            raise UserError(f"{name}: then.{stage}", shown(settings), "must be settings, the experiment among them")
    figures = [_figures(name, each, vary) for each in parts["figures"] or ()]
    stem = Path(name).stem
    return Design(stem, str(found["about"]), str(found["source"]), train, vary, then, figures)


def _figures(name: str, told: Any, vary: Mapping[str, Any]) -> Figures:
    key = f"{name}: figures"
    if not isinstance(told, dict) or not isinstance(told.get("only"), list):
        raise UserError(key, shown(told), "must be {only: [KIND, ...], apart: [KEY, ...]}")
    _check(key, told, ("only", "apart"))
    apart = tuple(told.get("apart") or ())
    for each in apart:
        if each not in vary:
            raise UserError(f"{key}.apart", shown(each), f"does not vary; {closest(str(each), list(vary))}")
    return Figures(tuple(map(str, told["only"])), apart)


def _merged(before: Any, changes: Any) -> Any:
    """Settings with those of a size in their place, group by group."""
    if isinstance(before, dict) and isinstance(changes, dict):
        return {**before, **{key: _merged(before.get(key), value) for key, value in changes.items()}}
    return before if changes is None else changes


_WORDS: dict[type, str] = {str: "text", dict: "a group of settings"}


def _check(where: str, found: Any, allowed: Sequence[str]) -> None:
    if not isinstance(found, dict):
        raise UserError(where, shown(found), f"must be a group of {', '.join(allowed)}")
    for key in found:
        if key not in allowed:
            raise UserError(where, shown(key), f"no such part; {closest(str(key), list(allowed))}")
