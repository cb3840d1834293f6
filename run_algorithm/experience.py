"""The replay logs of all members of a run, as they leave the device for files.

Knows the members' states and the ring that a log is; knows no file and no schedule.
"""

from typing import Any

from landscapes import training
from landscapes.experience import replay
from landscapes.types import TrainState


class MemberLogs:
    """Reads the logs of a run's members. Members insert in step, so that one count tells of all of them."""

    def __init__(self, template: TrainState, num_seeds: int) -> None:
        """`template` is the state of one member, shapes and dtypes only."""
        log = template.log
        self.template: replay.Replay | None = log if isinstance(log, replay.Replay) else None
        self.capacity: int | None = None if self.template is None else int(self.template.data.reward.shape[0])
        self.num_seeds = num_seeds

    def count(self, members: training.Members) -> int:
        """Rows that each member has inserted; 0 where the algorithm keeps no log."""
        return 0 if self.template is None else int(members.part(lambda state: state.log.count).member(0))

    def oldest(self, count: int) -> int:
        """The first row that the rings still hold after `count` were inserted."""
        return 0 if self.capacity is None else max(0, count - self.capacity)

    def rows(self, members: training.Members, first: int, end: int) -> list[Any]:
        """Transitions first .. end - 1 of each member on the host, oldest first; the rings must hold them."""
        assert self.capacity is not None
        places = replay.places(self.capacity, first, end)
        data = members.part(lambda state: state.log.data)
        return [data.rows(seed, places) for seed in range(self.num_seeds)]
