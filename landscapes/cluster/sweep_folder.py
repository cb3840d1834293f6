"""What was submitted as one sweep: a folder below the results with its record, its copy of `conf/` and its jobs' logs.

Knows `sweep.json` and the names of submitit's files; unpickles none of them, and asks no scheduler.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from landscapes.errors import UserError
from landscapes.storage.files import write_whole

SWEEP_SCHEMA_VERSION = 1

_RECORD = "sweep.json"


@dataclass(frozen=True)
class Sweep:
    """One submission. `members` are their arguments, `runs` the names that they were given beforehand, if any, and
    `directory` is where the command stood, if that is known."""

    path: Path
    entry_point: str
    arguments: list[str]
    members: list[list[str]]
    runs: list[str | None]
    directory: str | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def write(self) -> Path:
        """Writes the record into the folder, which must be there."""
        plain = {**asdict(self), "schema_version": SWEEP_SCHEMA_VERSION}
        del plain["path"]
        text = json.dumps(plain, indent=2) + "\n"
        return write_whole(self.path / _RECORD, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def jobs(self) -> list[str] | None:
        """The id of each member's job, `{array job}_{member}` (of a single one `{job}`); None before they had one."""
        try:
            names = os.listdir(self.path / ".submitit")
        except FileNotFoundError:
            return None
        array = next((name for name in names if name.isdecimal()), None)
        if array is None:
            return None
        return [array] if len(self.members) == 1 else [f"{array}_{member}" for member in range(len(self.members))]

    def has_begun(self, job: str) -> bool:
        """Whether that job has ever been given a node."""
        return self._file(job, "log.err").exists()

    def log(self, job: str, stream: str = "err") -> str:
        """What that job has written to `err` or `out`; empty where it has not begun."""
        try:
            return self._file(job, f"log.{stream}").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def has_ended(self, job: str) -> bool:
        """Whether that job has handed back its result, good or bad."""
        return self._file(job, "result.pkl").exists()

    def _file(self, job: str, ending: str) -> Path:
        return self.path / ".submitit" / job / f"{job}_0_{ending}"


def sweeps_folder(results: Path) -> Path:
    """Where the sweeps of a results directory lie."""
    return results / "sweeps"


def sweep_names(results: Path) -> list[str]:
    """The names of all sweeps, by their age, the latest last."""
    paths = sweeps_folder(results).glob(f"*/{_RECORD}")
    return [path.parent.name for path in sorted(paths, key=lambda path: path.stat().st_mtime)]


def open_sweep(results: Path, name: str) -> Sweep:
    """The sweep of that name, or in the folder of that path; raises UserError naming the latest ones, or saying what is
    wrong with its record."""
    chosen = Path(name).expanduser().absolute()
    path = chosen if (chosen / _RECORD).is_file() and "/" in name else sweeps_folder(results) / chosen.name
    try:
        record = _checked(json.loads((path / _RECORD).read_text(encoding="utf-8")))
    except OSError as error:
        present: Sequence[str] = sweep_names(results)[-5:]
        told = f"there is none of that name in {sweeps_folder(results)}; the latest are {', '.join(present) or 'none'}"
        raise UserError("sweep", name, told) from error
    except ValueError as error:
        raise UserError("sweep", name, f"{path / _RECORD} cannot be used: {error}") from error
    return Sweep(path, **{field.name: record[field.name] for field in fields(Sweep) if field.name in record})


def _checked(record: Any) -> dict[str, Any]:
    """`record`; raises ValueError unless it has what every reader relies on."""
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    version = record.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SWEEP_SCHEMA_VERSION:
        raise ValueError(f"its schema_version is {version}; known are versions up to {SWEEP_SCHEMA_VERSION}")
    members, runs = record.get("members"), record.get("runs")
    if not isinstance(record.get("entry_point"), str) or not _is_texts(record.get("arguments")):
        raise ValueError("it does not say what was submitted (entry_point, arguments)")
    if not isinstance(members, list) or not members or not all(map(_is_texts, members)):
        raise ValueError("it has no members")
    if (
        not isinstance(runs, list)
        or len(runs) != len(members)
        or not _is_texts([run for run in runs if run is not None])
    ):
        raise ValueError("it does not name a run, or null, for each member")
    if not isinstance(record.get("directory"), str | None):
        raise ValueError("its directory is not the name of one")
    return record


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
