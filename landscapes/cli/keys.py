"""The keys of the experiment that a command line has chosen so far, and what may stand behind them.

Knows dataclasses of settings and reads conf/ without composing it, which would take longer than a key may take; knows
no setting but those that choose an experiment, a task, or something stored.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from landscapes.cli import stored
from landscapes.config.job import SharedSettings
from landscapes.config.kinds import KINDS
from landscapes.config.published import KEYS, ROOT, takes_root
from landscapes.config.training import Training, own_keys
from landscapes.envs.tasks import BACKENDS, TASKS
from landscapes.machine.folders import CONF
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import documented

_ALGORITHM = ("algo", "algorithm")
_RUN = ("run", "run_name")
_WORDS = re.compile(r"one of (.*?)(?:,? or (?:null|a range .*))?$")


def names(entry_point: str, words: Sequence[str]) -> list[str]:
    """The keys that may be typed after these words, groups as `wandb.mode`."""
    experiment = _experiment(entry_point, words)
    own = [name for name, _ in _fields(entry_point, experiment, words)]
    found = ["experiment", "job_config", *own]
    if entry_point == "run_algorithm" and _chosen(words, "experiment") is None:
        found.append("algo")
    if takes_root(experiment, own):
        found.append(ROOT)
    typed = {_key(word) for word in words if "=" in word} - {"experiment"}
    return [name for name in dict.fromkeys(found) if name not in typed]


def values(entry_point: str, words: Sequence[str], key: str, typed: str) -> list[str]:
    """What may stand behind `key=`, where `typed` stands; nothing for numbers, files and whatever is not known."""
    key = key.lstrip("+~")
    short = key.removeprefix("experiment.")
    match short:
        case "experiment":
            return experiments(entry_point, words)
        case "job_config":
            return sorted(path.stem for path in (CONF / "job_config").glob("*.yaml"))
        case "algo" | "algorithm":
            return list(ALGORITHMS)
        case "env":
            return list(TASKS)
        case "backend":
            return list(TASKS.get(_chosen(words, "env") or "", BACKENDS))
    if short == ROOT:
        return stored.policies(stored.results(words), typed)
    if short.rpartition(".")[2] in _RUN:
        return stored.runs(stored.results(words))
    fields = dict(_fields(entry_point, _experiment(entry_point, words), words))
    return _words(fields.get(short, ""))


def experiments(entry_point: str, words: Sequence[str] = ()) -> list[str]:
    """Those of an entry point, of the user's own folder, too, where the words name one."""
    found = {path.stem for folder in _folders(words) for path in (folder / "experiment").glob("*.yaml")}
    return [name for name in sorted(found) if _told(name, "kind", words) in KINDS[entry_point]]


def _fields(entry_point: str, experiment: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each key with what its value must be: the experiment's own, then those of all jobs."""
    schema = KINDS[entry_point].get(str(_told(experiment, "kind", words)))
    if schema is Training:
        own = [each for each in documented(Training) if each.name not in ("settings", "algorithm")]
        algorithm = _told(experiment, "algorithm", words)
        more = own_keys(str(algorithm)) if algorithm in ALGORITHMS else []
        yield from ((each.name, each.allowed) for each in [*own, *more])
    elif schema is not None:
        of_schema = dict(_nested(schema))
        other = KEYS.get(experiment, {})
        yield from ((name, of_schema.get(meant, "")) for name, meant in other.items())
        yield from ((name, allowed) for name, allowed in of_schema.items() if name not in other.values())
    yield from _nested(SharedSettings)


def _nested(schema: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    hints = get_type_hints(schema)
    for each in documented(schema):
        if dataclasses.is_dataclass(hints[each.name]):
            yield from _nested(hints[each.name], f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}", each.allowed


def _words(allowed: str) -> list[str]:
    """The words that a key takes, from what is said after "must be"."""
    if allowed.startswith("true or false"):
        return ["true", "false"]
    match = _WORDS.search(allowed)
    return [*match[1].split(", "), *(["null"] if allowed.endswith("null") else [])] if match else []


# Which experiment


def _experiment(entry_point: str, words: Sequence[str]) -> str:
    """The one that the words choose, else the entry point's own."""
    chosen = _chosen(words, "experiment")
    algorithm = next(filter(None, (_chosen(words, key) for key in _ALGORITHM)), None)
    if chosen is None and algorithm in ALGORITHMS and entry_point == "run_algorithm":
        return f"train_{algorithm}"
    groups = (each for each in _read(CONF / f"{entry_point}.yaml").get("defaults", ()) if isinstance(each, Mapping))
    return chosen or next(str(each["experiment"]) for each in groups if "experiment" in each)


def _told(experiment: str, key: str, words: Sequence[str] = ()) -> object:
    """What the file of an experiment, or one that it is built on, says of a key; None where none does."""
    for folder in _folders(words):
        file = _read(folder / "experiment" / f"{experiment}.yaml")
        if key in file:
            return file[key]
        built_on = [each for each in file.get("defaults", ()) if isinstance(each, str) and each[:1] not in "_/"]
        for name in built_on:
            if name != experiment and (found := _told(name, key, words)) is not None:
                return found
    return None


def _folders(words: Sequence[str]) -> list[Path]:
    """Where experiments lie: a folder of the user's own first."""
    own = [word for before, word in pairwise(words) if before in ("--config-dir", "-cd")]
    own += [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
    return [*map(Path, own), CONF]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _chosen(words: Sequence[str], key: str) -> str | None:
    """The last value that was typed for a key."""
    found = [word.partition("=")[2].strip("'\"") for word in words if _key(word).removeprefix("experiment.") == key]
    return found[-1] if found else None


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
