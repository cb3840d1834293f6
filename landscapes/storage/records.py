"""What was measured of a run, as records: which policies and settings it is of, and where its numbers lie.

Knows the names of files, groups and data sets in them; opens no file.

`to_dataframe()` of a record reads its numbers into a pandas frame with the columns that `tables.KINDS` describes. It
raises UserError for a damaged file, and ModuleNotFoundError where pandas is not installed.
"""

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas

NO_NOISE = "none"
"""What stands for the kind of perturbation of a path that was measured without one."""

OWN_RATE = "own"
"""What stands for the amount of updates at the run's own rate, which a command line calls null."""


TEST_KINDS = MappingProxyType({"test_mode": "mode", "test_sampled": "sampled"})
"""Kinds of distributions that are test episodes of a policy itself and no neighbourhood: how it acts."""


class ResultFile(NamedTuple):
    """One file of results in the folder of one seed; `step` is None where the name gives no checkpoint."""

    seed: int
    step: int | None
    folder: str
    name: str

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def size(self) -> int:
        """Bytes; raises OSError where it has gone."""
        return os.stat(f"{self.folder}/{self.name}").st_size


class ResultFiles(NamedTuple):
    """The files of results of a run, by what they hold; in the order of seeds and checkpoints."""

    checkpoints: tuple[int, ...]
    """The steps at which any seed has a checkpoint, ascending."""
    curves: Path | None
    purds: tuple[ResultFile, ...]
    paths: tuple[ResultFile, ...]
    slices: tuple[ResultFile, ...]
    walks: tuple[ResultFile, ...]
    trajectories: tuple[ResultFile, ...]


class PolicyName(NamedTuple):
    """A stored policy: a checkpoint of a seed of a run."""

    run: str
    seed: int
    step: int


class PurdRecord(NamedTuple):
    """Where the undiscounted returns `[num_samples]` of one PURD lie, or those of the test episodes of a policy."""

    policy: PolicyName
    kind: str
    amount: str
    """As the user's number printed: it is part of the name."""
    num_samples: int
    path: Path
    dataset: str

    @property
    def is_test(self) -> bool:
        """Whether it is of the policy itself, and of no neighbourhood."""
        return self.kind in TEST_KINDS

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each sample."""
        return dataframe(self, "tests" if self.is_test else "purds")


class PathRecord(NamedTuple):
    """Where the returns of a path lie: `[num_samples, num_points]`, without noise `[num_points]`; column 0 is `two`."""

    one: PolicyName
    two: PolicyName
    num_points: int
    kind: str
    """`NO_NOISE` for single returns of the policies themselves."""
    amount: str
    num_samples: int
    learner_from: int | None
    path: Path
    dataset: str
    alpha_dataset: str

    @property
    def same_seed(self) -> bool:
        """Whether both ends are of the same seed of the same run."""
        return self.one[:2] == self.two[:2]

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each sample at each point."""
        return dataframe(self, "paths")


class SliceRecord(NamedTuple):
    """Where a slice lies: a group with returns `[num_x, num_y, num_samples]`, x, y and the policies in it."""

    centre: PolicyName
    directions: str
    num_x: int
    num_y: int
    kind: str
    amount: str
    num_samples: int
    path: Path
    group: str

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each sample at each point."""
        return dataframe(self, "slices")


class WalkRecord(NamedTuple):
    """Where a walk that began at `root` lies: a group with one entry for each proposal."""

    root: PolicyName
    heuristic: str
    check_interval: int
    max_steps: int
    seed: int
    path: Path
    group: str

    def to_dataframe(self, kind: str = "walks") -> "pandas.DataFrame":
        """One row for each proposal; as `walk_purds` or `walk_fresh` one for each sample."""
        return dataframe(self, kind)


class TrajectoryRecord(NamedTuple):
    """Where a recorded roll-out lies: a group with rewards, and positions and rotations or frames; `scene` is in the
    file's root."""

    policy: PolicyName
    kind: str
    amount: str
    num_samples: int
    role: str
    """`median` or `left_tail`."""
    rank: int
    """0 is the nearest to the median, or the lowest return."""
    path: Path
    group: str

    def to_dataframe(self, kind: str = "trajectories") -> "pandas.DataFrame":
        """One row for each step and link; as `rewards` one for each step."""
        return dataframe(self, kind)


class Measurements(NamedTuple):
    """All that was measured of a run."""

    curves: Path | None
    purds: tuple[PurdRecord, ...]
    tests: tuple[PurdRecord, ...]
    """Test episodes, which lie in the same files."""
    paths: tuple[PathRecord, ...]
    slices: tuple[SliceRecord, ...]
    walks: tuple[WalkRecord, ...]
    trajectories: tuple[TrajectoryRecord, ...]
    unreadable: tuple[str, ...]
    """One line for each file that is damaged, or holds results that stand on a run which was since replaced."""

    def to_dataframe(self, kind: str) -> "pandas.DataFrame":
        """All of one kind, as `landscapes.to_dataframe` has it of a run by its name."""
        from landscapes.storage.dataframes import measurements_frame

        return measurements_frame([self], kind)


def amount_name(amount: float | None) -> str:
    """How names of data sets spell an amount: as the user's number prints, an integer staying one."""
    return OWN_RATE if amount is None else str(amount)


def typed_amount(name: str) -> str:
    """The way back: what a command line would say."""
    return "null" if name == OWN_RATE else name


def dataframe(of: Any, kind: str) -> "pandas.DataFrame":
    """What `of` holds of one kind; pandas is imported only now."""
    from landscapes.storage.dataframes import record_frame

    return record_frame(of, kind)
