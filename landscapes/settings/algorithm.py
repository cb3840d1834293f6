"""What the settings of every algorithm have in common.

Knows how a training and an algorithm's settings depend on each other; knows no algorithm.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from landscapes.errors import UserError
from landscapes.settings.fields import Checked, shown


class AlgorithmConfig(Checked):
    """Base of the dataclass `Config` of an algorithm: its fields are the keys that a training of it may set.

    The comment behind a field, its range and its default are what help and docs say of it. Values are checked whoever
    makes one; raises UserError naming the field.
    """

    of_training: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that are no keys of their own but taken from a key of the training, by that key."""

    FORMER: ClassVar[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType({})
    """Former names of settings, as stored runs have them, and what becomes of their values."""

    def check_switch(self, switch: str, *names: str) -> None:
        """Raises UserError where one of these settings is given although `switch`, which it needs, is off."""
        for name in names:
            value = getattr(self, name)
            if value not in (None, False) and not getattr(self, switch):
                raise UserError(name, shown(value), f"acts with {switch}=true only")

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps of one iteration."""
        return 1

    @property
    def depends_on_length(self) -> bool:
        """Whether a longer training would have learned otherwise from the start: it can then not go on longer."""
        return False
