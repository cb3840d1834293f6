"""What was submitted as one sweep: a folder below the results with its record, its copy of `conf/` and its jobs' logs.

Knows `sweep.json` and the names of submitit's files; unpickles none of them, and asks no scheduler.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from landscapes.errors import UserError
from landscapes.storage.files import write_whole

SWEEP_SCHEMA_VERSION = 1

_RECORD = "sweep.json"
_SUBMISSION = re.compile(r"([0-9]+)_submission\.sh")


@dataclass(frozen=True)
class Sweep:
    """One submission. `members` are their arguments, `runs` the names that they were given beforehand, if any."""

    path: Path
    entry_point: str
    arguments: list[str]
    members: list[list[str]]
    runs: list[str | None]

    @property
    def name(self) -> str:
        return self.path.name

    def write(self) -> Path:
        """Writes the record into the folder, which must be there."""
        plain = {**asdict(self), "schema_version": SWEEP_SCHEMA_VERSION}
        del plain["path"]
        text = json.dumps(plain, indent=2) + "\n"
        return write_whole(self.path / _RECORD, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def job(self, member: int) -> str | None:
        """The id `{array job}_{task}` of a member; None before the array was submitted."""
        names = (path.name for path in (self.path / ".submitit").glob("*/*_submission.sh"))
        array = next((match[1] for match in map(_SUBMISSION.fullmatch, names) if match), None)
        return None if array is None else f"{array}_{member}"

    def has_begun(self, job: str) -> bool:
        """Whether that job has ever been given a node."""
        return any((self.path / ".submitit").glob(f"*/{job}_0_log.err"))

    def log(self, job: str, stream: str = "err") -> str:
        """What that job has written to `err` or `out`."""
        paths = (self.path / ".submitit").glob(f"*/{job}_0_log.{stream}")
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)

    def has_ended(self, job: str) -> bool:
        """Whether that job has handed back its result, good or bad."""
        return any((self.path / ".submitit").glob(f"*/{job}_0_result.pkl"))


def sweeps_folder(results: Path) -> Path:
    """Where the sweeps of a results directory lie."""
    return results / "sweeps"


def sweep_names(results: Path) -> list[str]:
    """The names of all sweeps, by their age, the latest last."""
    paths = sweeps_folder(results).glob(f"*/{_RECORD}")
    return [path.parent.name for path in sorted(paths, key=lambda path: path.stat().st_mtime)]


def open_sweep(results: Path, name: str) -> Sweep:
    """The sweep of that name; raises UserError naming the latest ones."""
    path = sweeps_folder(results) / Path(name).name
    try:
        record = json.loads((path / _RECORD).read_text(encoding="utf-8"))
    except OSError as error:
        present: Sequence[str] = sweep_names(results)[-5:]
        told = f"there is none of that name in {sweeps_folder(results)}; the latest are {', '.join(present) or 'none'}"
        raise UserError("sweep", name, told) from error
    except ValueError as error:
        raise UserError("sweep", name, f"{path / _RECORD} cannot be used: {error}") from error
    return Sweep(path, record["entry_point"], record["arguments"], record["members"], record["runs"])
