"""Names of runs: which there may be, and how those are made that nobody has typed.

Knows the grammar of names and SLURM's numbers; knows no folder, no job and nothing of what a run is.
"""

import hashlib
import os
import re
import secrets

from landscapes.errors import UserError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|[0-9]+|[0-9]+_[0-9]+")
_LONGEST = 200
RESERVED = ("sweeps", "published")
"""What lies beside the runs, in the results directory, under a name that a run could have."""

_ADJECTIVES = (
    "amber",
    "brisk",
    "calm",
    "clear",
    "early",
    "fair",
    "gentle",
    "keen",
    "lucid",
    "mellow",
    "quiet",
    "swift",
)
_NOUNS = ("badger", "birch", "cedar", "crane", "fern", "finch", "heron", "lark", "maple", "otter", "raven", "willow")


def is_run_name(name: str) -> bool:
    """Whether a folder of that name can be a run's."""
    return bool(_NAME.fullmatch(name)) and len(name) <= _LONGEST and name.lower() not in RESERVED


def check_run_name(name: object, key: str = "run_name") -> str:
    """`name`, if it can name a run folder, else UserError under `key`.

    A letter, then letters, digits, '_', '.' and '-'; or the number of a SLURM job, alone or with '_' and a task.
    """
    if not isinstance(name, str):
        quoting = f"""name a run by text; a number in a command line needs both quotes: {key}="'16904957_3'\""""
        raise UserError(key, name, quoting)
    if not _NAME.fullmatch(name):
        raise UserError(key, name, "a name is a letter, then letters, digits, '_', '.' or '-'")
    if len(name) > _LONGEST:
        raise UserError(key, name, f"a name has at most {_LONGEST} characters")
    # In any case: some file systems do not tell one from the other.
    if name.lower() in RESERVED:
        raise UserError(key, name, "this name is reserved: the results directory has a folder of its own so called")
    return name


def check_new_name(name: str, key: str = "run_name") -> str:
    """`name`, if a user may give it to a new run, else UserError under `key`: as above, but never a number alone."""
    if name[:1].isdecimal():
        like = _begun_with_a_letter(_cleaned(name))
        raise UserError(key, name, f"the name of a new run must begin with a letter, as in {key}={like}")
    return check_run_name(name, key)


def member_name(name: str, index: int) -> str:
    """What member `index` of a sweep is called whose run name is `name`."""
    return f"{name}_{index}"


def child_name(parent: str, seed: int, step: int, made: str) -> str:
    """The run that is made from checkpoint `step` of seed `seed` of run `parent`; `made` says how: `0.1cvar_3`.

    A number alone, as SLURM names runs, gets a `run_` before it. Of a parent whose name leaves no room for the rest
    only the beginning is kept, with digits that tell it from others which begin alike.
    """
    ending = f"_s{seed}_c{step}_{made}"
    stem = _begun_with_a_letter(parent)
    room = _LONGEST - len(ending)
    if len(stem) > room:
        digits = _digest(parent, 8)
        stem = f"{stem[: room - len(digits) - 1]}-{digits}"
    return stem + ending


def unique_run_name(stem: str) -> str:
    """A name like `td3-hopper-calm-otter-3f2a91`: readable, and random without any seed."""
    return _ended(stem, f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{secrets.token_hex(3)}")


def slurm_member_name() -> str | None:
    """`{array_job}_{task}` or `{job}`: what a member of a sweep is called that SLURM runs; None outside SLURM."""
    array_job, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if array_job and task:
        return f"{array_job}_{task}"
    return os.environ.get("SLURM_JOB_ID") or None


def allocation_run_name(stem: str, command: str) -> str | None:
    """A name like `td3-hopper-4711-3f2a91c0`, of the SLURM job that this process is in and of what it is told to do.

    The job finds it again when SLURM has put it back into its queue; another `command` in the same job has another
    name. None outside SLURM.
    """
    allocation = slurm_member_name()
    return None if allocation is None else _ended(stem, f"{_cleaned(allocation)}-{_digest(command, 8)}")


def _ended(stem: str, ending: str) -> str:
    readable = _begun_with_a_letter(_cleaned(stem))
    return f"{readable[: _LONGEST - len(ending) - 1]}-{ending}" if readable else f"run-{ending}"


def _begun_with_a_letter(name: str) -> str:
    return name if not name or re.match("[A-Za-z]", name) else f"run_{name}"


def _cleaned(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
