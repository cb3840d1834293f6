"""Run folders: where they lie, how they are made, found and replaced, and which files they hold.

Knows names, paths and `run.json`; knows neither what is in the HDF5 files nor how a run is computed.
"""

import contextlib
import difflib
import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscapes.errors import UserError
from landscapes.run_names import check_run_name, is_run_name
from landscapes.storage.files import flush_folder, held, temporary_name, write_whole
from landscapes.storage.hdf5 import plain

RUN_SCHEMA_VERSION = 1

_log = logging.getLogger(__name__)
_RECORD = "run.json"
_SHOWN = 10
_WITHOUT_ID = ("experiment", "environment", "num_seeds", "random_seed", "parent", "versions", "git", "machine")
"""What tells one run from another where the record has no id, and does not change as the run goes on."""
_CHECKPOINT = re.compile(r"ckpt_([0-9]+)\.h5")


@dataclass(frozen=True)
class Run:
    """One run: its folder, and what its `run.json` said when it was opened."""

    path: Path
    record: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def num_seeds(self) -> int:
        return int(self.record["num_seeds"])

    @property
    def has_own_id(self) -> bool:
        """Whether it got an id when it was made; earlier versions gave none."""
        return "id" in self.record

    @property
    def id(self) -> str:
        """What it alone has from its creation on, wherever it lies; without one, what follows from its record."""
        if self.has_own_id:
            return str(self.record["id"])
        told = {name: self.record.get(name) for name in _WITHOUT_ID}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def curves_path(self) -> Path:
        return self.path / "curves.h5"

    def seed_directory(self, seed: int) -> Path:
        return self.path / f"seed{seed}"

    def checkpoint_path(self, seed: int, step: int) -> Path:
        return self.seed_directory(seed) / f"ckpt_{step}.h5"

    def returns_path(self, seed: int, step: int) -> Path:
        return self.seed_directory(seed) / f"s0_returns_{step}.h5"

    def rejection_path(self, seed: int, step: int) -> Path:
        return self.seed_directory(seed) / f"td3_reject_ltp_{step}.h5"

    def trajectories_path(self, seed: int, step: int) -> Path:
        return self.seed_directory(seed) / f"trajectories_{step}.h5"

    def interpolation_path(self, seed: int) -> Path:
        return self.seed_directory(seed) / "policy_interpolation.h5"

    def interpolation_purd_path(self, seed: int) -> Path:
        return self.seed_directory(seed) / "policy_interpolation_purd.h5"

    def slice_path(self, seed: int) -> Path:
        return self.seed_directory(seed) / "landscape_slice.h5"

    def checkpoint_steps(self, seed: int) -> list[int]:
        """The steps of the stored checkpoints of one seed, ascending."""
        try:
            names = os.listdir(self.seed_directory(seed))
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for match in map(_CHECKPOINT.fullmatch, names) if match)

    def with_record(self, **changes: object) -> "Run":
        """This run with some entries of its record changed, but not in `run.json`."""
        return Run(self.path, json.loads(_as_json({**self.record, **changes})))

    def write_record(self, **changes: object) -> "Run":
        """This run with some entries of its record changed, in `run.json` too (replaced whole)."""
        changed = self.with_record(**changes)
        text = _as_json(changed.record)
        write_whole(self.path / _RECORD, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        return changed

    def provenance(self) -> dict[str, object]:
        """What every file of this run carries as attributes: its name, config, versions, source and machine."""
        names = ("experiment", "config", "environment", "algorithm", "random_seed", "versions", "git", "machine")
        return {"run_name": self.name, **{name: self.record[name] for name in names if name in self.record}}


# Where runs lie


def check_results_writable(results: Path) -> None:
    """Raises UserError where runs could not be stored below `results`; makes nothing, not even the folder."""
    present = nearest_present(results)
    try:
        # The nearest folder that is there is asked by making a nameless file in it: permission bits alone lie, as
        # for the superuser or on a read-only mount.
        tempfile.TemporaryFile(dir=present).close()
    except OSError as error:
        raise _unwritable(results, error) from error


def nearest_present(path: Path) -> Path:
    """`path`, or the closest of its parents that is there: where it would be made."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _unwritable(results: Path, error: OSError) -> UserError:
    return UserError("results_dir", results, f"no run can be stored there: {error.strerror or error}")


def starts_over(overwrite: bool) -> bool:
    """Whether a run of the same name is to be removed: not by a job that SLURM has put back into its queue, which would
    remove its own work."""
    return overwrite and not int(os.environ.get("SLURM_RESTART_COUNT") or 0)


# Making and finding runs


def create_run(results: Path, name: str, record: Mapping[str, object], overwrite: bool) -> Run:
    """A new run folder with its `run.json`; it appears whole or not at all.

    `record` needs `num_seeds`; `name`, `schema_version` and `id` are added. Where there is such a run, raises
    UserError, naming the settings that differ; with `overwrite` that run's folder is removed instead, and nothing else
    is. Raises UserError under `results_dir` where the folder cannot be written, having made nothing.
    """
    path = results / check_run_name(name)
    text = _as_json({**record, "schema_version": RUN_SCHEMA_VERSION, "name": name, "id": secrets.token_hex(8)})
    complete = _checked_record(json.loads(text))
    if os.path.lexists(path):
        _check_replaceable(path, complete, overwrite)
    check_results_writable(results)
    made: list[Path] = []
    try:
        _make_folders(results, made)
        _place(path, text, overwrite)
    except (OSError, UserError) as error:
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # another job may be using it by now
                folder.rmdir()
        raise error if isinstance(error, UserError) else _unwritable(results, error) from error
    return Run(path, complete)


def open_run(results: Path, name: str, key: str = "experiment.run_name") -> Run:
    """The run of that name; raises UserError under `key`, naming the runs that are there, closest first."""
    path = results / check_run_name(name, key)
    if not (path / _RECORD).is_file():
        raise UserError(key, name, f"there is no such run in {results}; {_describe_names(name, run_names(results))}")
    return Run(path, _read_record(path, key))


def find_run(results: Path, name: str) -> Run | None:
    """The run of that name, None where there is none. Raises UserError where its record is damaged, or where
    something else is in the way."""
    path = results / check_run_name(name)
    if not os.path.lexists(path):
        return None
    _check_is_run(path)
    return Run(path, _read_record(path, "run_name"))


def hold_run(run: Run) -> contextlib.AbstractContextManager[None]:
    """Keeps other processes from working on the run meanwhile; raises UserError where one does already."""
    return held(run.path / _RECORD, run.name)


def check_same_settings(run: Run, config: Mapping[str, object], may_change: Iterable[str]) -> list[str]:
    """The dotted names of those settings in which `config` differs from the run's own; raises UserError naming those
    that are not in `may_change`."""
    differing = differing_keys(run.record.get("config") or {}, config)
    refused = [key for key in differing if key not in set(may_change)]
    if refused:
        allowed = f"there is such a run, and its config differs in {_shorten(refused, len(refused))}"
        raise UserError("run_name", run.name, f"{allowed}; choose another name, or overwrite=true to start over")
    return differing


def run_names(results: Path) -> list[str]:
    """The names of all runs below `results`, sorted; none where there is no such folder."""
    if not results.is_dir():
        return []
    return sorted(path.parent.name for path in results.glob(f"*/{_RECORD}") if is_run_name(path.parent.name))


def differing_keys(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """The dotted names of the settings in which two nested configs differ, sorted; tuples and lists are equal."""
    one, other = (flat_settings(json.loads(_as_json(config))) for config in (first, second))
    absent = object()
    return sorted(key for key in {*one, *other} if one.get(key, absent) != other.get(key, absent))


def flat_settings(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """The settings of a nested config by their dotted names; an empty group counts as a setting."""
    settings: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, dict) and value:
            settings |= flat_settings(value, f"{prefix}{name}.")
        else:
            settings[prefix + name] = value
    return settings


def check_seed(run: Run, seed: int, key: str) -> None:
    """Raises UserError under `key` unless the run has such a seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < run.num_seeds:
        present = "seed 0 only" if run.num_seeds == 1 else f"seeds 0..{run.num_seeds - 1}"
        raise UserError(key, seed, f"run {run.name} has {present}")


def check_checkpoint(run: Run, seed: int, step: int, key: str) -> None:
    """Raises UserError under `key` unless that seed has a checkpoint at that step, naming the nearest that it has."""
    steps = run.checkpoint_steps(seed)
    if isinstance(step, bool) or step not in steps:
        nearest = sorted(sorted(steps, key=lambda present: abs(present - step))[:_SHOWN])
        present = f"checkpoints {_shorten(map(str, nearest), len(steps))}" if steps else "no checkpoints yet"
        raise UserError(key, step, f"seed {seed} of run {run.name} has {present}")


def _check_is_run(path: Path) -> None:
    if not (path / _RECORD).is_file():
        raise UserError("run_name", path.name, f"{path} is in the way and is not a run (no {_RECORD}); move it")


def _check_replaceable(path: Path, record: dict[str, Any], overwrite: bool) -> None:
    _check_is_run(path)
    if overwrite and path.is_symlink():
        told = f"{path} is a link to {os.path.realpath(path)}; overwrite=true removes no run behind a link"
        raise UserError("run_name", path.name, f"{told}: remove both yourself, or choose another name")
    if overwrite:
        with held(path / _RECORD, path.name):
            return
    try:
        present = _read_record(path, "run_name")
        differing = differing_keys(present.get("config") or {}, record.get("config") or {})
        state = f"its config differs in {_shorten(differing, len(differing))}" if differing else "its config is equal"
    except UserError:
        state = f"its {_RECORD} is damaged"
    raise UserError("run_name", path.name, f"there is such a run ({state}); overwrite=true starts over")


def _make_folders(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, made)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():  # else another job of the sweep was quicker
            raise
        return
    made.append(folder)


def _place(path: Path, text: str, overwrite: bool) -> None:
    """Build the folder under a hidden name and rename it: of two jobs that make one run, one is refused."""
    new, old = temporary_name(path), temporary_name(path)
    try:
        new.mkdir()
        write_whole(new / _RECORD, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        if overwrite and path.exists():
            os.rename(path, old)
        _rename_to_free(new, path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists():
            os.rename(old, path)
        raise
    flush_folder(path.parent)
    if old.exists():
        shutil.rmtree(old, onerror=_log_left_behind)


def _rename_to_free(new: Path, path: Path) -> None:
    try:
        os.rename(new, path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise UserError("run_name", path.name, f"{path} was made by another process just now") from error
        raise


def _log_left_behind(function: object, path: str, error: object) -> None:
    _log.warning("%s of the run that was started over could not be removed", path)


def _read_record(path: Path, key: str) -> dict[str, Any]:
    file = path / _RECORD
    try:
        return _checked_record(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(key, path.name, f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(key, path.name, f"{file} cannot be used: {error}") from error


def _checked_record(record: Any) -> dict[str, Any]:
    """`record`; raises ValueError unless it has what every reader relies on."""
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    version, num_seeds = record.get("schema_version"), record.get("num_seeds")
    if not isinstance(version, int) or version < 1:
        raise ValueError("it has no schema_version")
    if version > RUN_SCHEMA_VERSION:
        raise ValueError(f"it is of schema version {version}; this program reads up to {RUN_SCHEMA_VERSION}")
    if not isinstance(num_seeds, int) or num_seeds < 1:
        raise ValueError("it has no num_seeds")
    return record


def _as_json(record: Mapping[str, object]) -> str:
    return json.dumps(record, indent=2, default=plain) + "\n"


def _describe_names(name: str, present: list[str]) -> str:
    if not present:
        return "it holds no runs"
    closest = difflib.get_close_matches(name, present, n=_SHOWN, cutoff=0.0)
    return f"it holds {_shorten(closest, len(present))}"


def _shorten(words: Iterable[str], total: int) -> str:
    shown = list(words)[:_SHOWN]
    return ", ".join(shown) + (f", ... ({total} in all)" if total > len(shown) else "")
