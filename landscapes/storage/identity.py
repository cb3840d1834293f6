"""Which policies a result stands on, so that numbers of one run are never taken for those of another of its name.

Knows runs and what results record of the policies behind them; knows no study, and not what any number means.

A run has an id from its creation to its removal, wherever it is moved to and however often it goes on. A run that is
started over, or made again under the same name, has another. Results of versions that recorded no ids count as those of
the runs that these versions made, and of no others.
"""

from collections.abc import Iterable
from typing import Any

from landscapes.errors import UserError
from landscapes.storage.runs import Run, find_run

STANDS_ON = "stands_on"
"""The attribute of a data set that holds the policies which its numbers depend on."""


def footing(policies: Iterable[tuple[Run, int, int]]) -> list[dict[str, object]]:
    """What a result records of the policies (run, seed, checkpoint) that it stands on, ready for JSON."""
    return [{"run": run.name, "seed": seed, "ckpt": ckpt, "id": run.id} for run, seed, ckpt in policies]


def replaced_run(recorded: Any, runs: Iterable[Run]) -> str | None:
    """The name of the first of `runs` that is not the run of its name which a result was made from; None if all are.

    `recorded` is what `footing` gave when it was made; None of a result that says nothing.
    """
    ids = {entry["run"]: entry.get("id") for entry in recorded or ()}
    return next((run.name for run in runs if not _is_that(run, ids.get(run.name))), None)


def check_not_replaced(recorded: Any, runs: Iterable[Run], what: object, remedy: str) -> None:
    """Raises UserError, naming the run, where one of `runs` has taken the name of the one that `what` was made from."""
    name = replaced_run(recorded, runs)
    if name is not None:
        raise UserError("run", name, f"{what} stands on an earlier run of this name, since replaced; {remedy}")


def check_still_there(run: Run) -> None:
    """Raises UserError where `run` was replaced or removed since it was opened: what was measured of it must not be
    written into the folder of the run that took its name."""
    now = find_run(run.path.parent, run.name)
    if now is None or now.id != run.id:
        raise UserError("run", run.name, "was replaced or removed while it was measured; nothing was written of it")


def replaced_beside(run: Run, recorded: Any, names: Iterable[str]) -> str | None:
    """As `replaced_run`, of the runs of these names that lie beside `run`.

    One that is not there, or cannot be read, has not been replaced; nor has `run` itself, whose folder holds the result
    and would have gone with it.
    """
    return replaced_run(recorded, filter(None, (_beside(run, name) for name in names if name != run.name)))


def _beside(run: Run, name: str) -> Run | None:
    try:
        return find_run(run.path.parent, name)
    except UserError:
        return None


def _is_that(run: Run, recorded: Any) -> bool:
    return not run.has_own_id if recorded is None else run.id == recorded
