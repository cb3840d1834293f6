"""How long a job will take, by how long the last one like it took on this machine; and how long it then took.

Knows the file in which paces are kept, beside the compiled programs; knows no experiment.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from landscapes import console, storage
from landscapes.errors import UserError
from landscapes.storage.files import write_whole

_FILE = "paces.json"
_LEAST_SECONDS = 1.0
"""Of work: less says nothing about more."""
_MOST_KEPT = 1000

NOT_KNOWN = "not known yet: shown as soon as it is compiled and has run a little"


class Planned(NamedTuple):
    """What was said of one job."""

    seconds: float | None
    """None: nothing like it has run here."""


_planned: list[Planned] = []


def take_planned() -> list[Planned]:
    """What was said since this was last asked, in order."""
    taken = list(_planned)
    _planned.clear()
    return taken


def told_in_all(planned: list[Planned]) -> str:
    """Of several jobs how long they take one after the other."""
    known = [each.seconds for each in planned if each.seconds is not None]
    rest = len(planned) - len(known)
    if not known:
        return NOT_KNOWN
    told = f"about {console.human_duration(sum(known))} one after the other"
    return told if not rest else f"{told}, and {rest} of which nothing is known yet"


class Pace:
    """The pace of jobs of one shape; a shape is all that programs and their speed depend on, but not their length."""

    def __init__(self, shape: Mapping[str, Any], unit: str) -> None:
        """`shape` holds what JSON can; the device and the number of them are added here."""
        devices = {"device": jax.devices()[0].device_kind, "devices": len(jax.devices())}
        self._shape = {**shape, **devices, "unit": unit}
        self._unit = unit
        self._key = hashlib.sha256(json.dumps(self._shape, sort_keys=True).encode()).hexdigest()[:16]
        self._plan: float | None = None

    def told(self, amount: int) -> str:
        """How long so many units will take, in words for a plan."""
        known = _read().get(self._key)
        self._plan = amount / known["per_second"] if known else None
        _planned.append(Planned(self._plan))
        if known is None or self._plan is None:
            return NOT_KNOWN
        rate = f"{console.human_rate(known['per_second'])} {self._unit} a second"
        return f"about {console.human_duration(self._plan)} beside compiling, at {rate} as on {known['measured']}"

    def note(self, progress: console.Progress) -> None:
        """Keeps the pace of a job that has ended, and says how long it took."""
        count, seconds = progress.worked
        told = f"took {console.human_duration(progress.elapsed)}"
        if seconds > 0:
            told += f", {console.human_duration(seconds)} of it beside compiling"
        if self._plan is not None:
            told += f"; planned {console.human_duration(self._plan)} beside compiling"
        print(told, flush=True)
        if count <= 0 or seconds < _LEAST_SECONDS:
            return
        paces = _read()
        paces.pop(self._key, None)  # the latest is the last, and the oldest go first
        paces[self._key] = {
            "per_second": count / seconds,
            "measured": time.strftime("%Y-%m-%d"),
            "shape": self._shape,
        }
        kept = dict(list(paces.items())[-_MOST_KEPT:])
        try:
            text = json.dumps(kept, indent=1) + "\n"
            write_whole(_path(), lambda temporary: temporary.write_text(text, encoding="utf-8"))
        except UserError:  # a cache that cannot be written costs no result
            return


def _path() -> Path:
    return Path(str(jax.config.values["jax_compilation_cache_dir"])) / _FILE


def _read() -> dict[str, Any]:
    """What is kept; nothing where that is damaged."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: each for key, each in found.items() if _is_pace(each)} if isinstance(found, dict) else {}


def _is_pace(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("per_second"), float) and each["per_second"] > 0


def shape_of(run: storage.Run) -> dict[str, Any]:
    """Of a stored run what the speed of roll-outs and updates depends on."""
    record = run.record
    environment = {name: record["environment"][name] for name in ("name", "backend")}
    return {"environment": environment, "algorithm": record["algorithm"]}


class Program(NamedTuple):
    """What is measured, as far as its speed depends on it."""

    kind: str
    episode_length: int
    shape: Mapping[str, Any]
    """As `measurement.Measure` has it."""


def of_measuring(job: str, run: storage.Run, program: Program, unit: str, **more: Any) -> Pace:
    """The pace of jobs called `job` that roll out neighbours of policies of `run`; `more` is what else it depends on.

    How many samples one call of the program draws is no part of that.
    """
    shape = {name: value for name, value in program.shape.items() if name != "block"}
    told = {"kind": program.kind, "episode_length": program.episode_length, "program": shape}
    return Pace({"job": job, **shape_of(run), **told, **more}, unit)
