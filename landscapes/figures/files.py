"""Reading what a figure shows from a result file, and naming what is not there.

Knows h5py; knows nothing of what the data sets mean, and writes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from landscapes.errors import UserError
from landscapes.storage import PurdRecord


def read(path: Path, dataset: str) -> NDArray[Any]:
    """The data set as an array; raises UserError naming what is missing and, for a data set, what is there."""
    with _opened(path) as file:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset):
            raise UserError("dataset", dataset, f"not in {path}, which holds {_listed(_datasets(file))}")
        return np.asarray(found[()])


def read_returns(purd: PurdRecord) -> NDArray[np.float64]:
    """The returns `[n]` of a PURD; raises UserError where they are of another shape or are not there."""
    returns = read(purd.path, purd.dataset).astype(np.float64)
    check_distribution(returns, purd.path, purd.dataset)
    return returns


def check_distribution(returns: NDArray[Any], path: Path, dataset: str) -> None:
    """Raises UserError unless returns are `[n]` with n >= 1."""
    if returns.ndim != 1 or returns.size == 0:
        raise UserError("dataset", dataset, f"has shape {returns.shape} in {path}; a distribution is [n], n >= 1")


def read_group(path: Path, group: str) -> dict[str, NDArray[Any]]:
    """Every data set below a group by its path inside it; raises UserError naming what is missing."""
    with _opened(path) as file:
        found = file.get(group)
        if not isinstance(found, h5py.Group):
            groups = sorted({name.rpartition("/")[0] for name in _datasets(file)} - {""})
            raise UserError("group", group, f"not in {path}, which holds {_listed(groups)}")
        return {name: np.asarray(found[name][()]) for name in _datasets(found)}


def read_attribute(path: Path, name: str, otherwise: str) -> str:
    """The text of one of the file's own attributes; `otherwise` where it has none of that name."""
    with _opened(path) as file:
        return str(file.attrs.get(name, otherwise))


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not Path(path).is_file():
        raise UserError("file", path, "no such file")
    with h5py.File(path, "r", locking=False) as file:
        yield file


def _datasets(group: h5py.Group) -> list[str]:
    names: list[str] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    group.visititems(note)
    return names


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most]) or "nothing"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
