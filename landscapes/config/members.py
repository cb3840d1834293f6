"""Which members a sweep has: the product of the values that its arguments list.

Knows Hydra's sweep functions, and counts before it enumerates; composes nothing.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep

from landscapes.errors import UserError
from landscapes.settings.fields import shown

MOST_MEMBERS = 100_000
"""A sweep of more has been mistyped; all members are composed and checked before the first is launched."""


def sweep_members(parsed: Sequence[Override]) -> list[list[str]]:
    """The arguments of each member, without those for Hydra itself; the last key given varies fastest.

    Raises UserError for values that cannot be enumerated, for none at all and for far too many.
    """
    counts = {}
    for override in parsed:
        count = _num_values(override) if override.is_sweep_override() else 1
        counts[override.get_key_element()] = count  # of a key given twice the last one counts
        if count > 1 and override.is_hydra_override():
            raise _refused(override, "cannot be swept over; give one value")
        if math.prod(counts.values()) > MOST_MEMBERS:
            raise _refused(override, f"makes a sweep of more than {MOST_MEMBERS} members; a sweep has fewer")
    ours = [override for override in parsed if not override.is_hydra_override()]
    return BasicSweeper.split_arguments(ours, None)[0]


def listed_values(override: Override) -> list[str]:
    """The values of an argument, each as it would be typed alone; raises UserError as above."""
    if not override.is_sweep_override():
        return [shown(override.value())]
    if _num_values(override) > MOST_MEMBERS:
        raise _refused(override, f"lists more than {MOST_MEMBERS} values")
    return [text.strip("'\"") for text in override.sweep_string_iterator()]


def member_error(error: UserError, index: int, total: int) -> UserError:
    """The same error, with the member of a sweep of so many that it was found in."""
    if total == 1:
        return error
    return UserError(error.key, error.value, f"{error.allowed} (member {index} of the sweep)")


def _num_values(override: Override) -> int:
    """How many values the sweep of one argument has, at least one."""
    sweep = override.value()
    if not override.is_discrete_sweep():
        raise _refused(override, "only single values can be swept over: a,b or range(a,b)")
    if getattr(sweep, "shuffle", False):
        raise _refused(override, "members are numbered in their order, which has to be the same each time: no shuffle")
    if isinstance(sweep, RangeSweep):
        count = _num_in_range(override, sweep)
    elif isinstance(sweep, ChoiceSweep):
        count = len(sweep.list)
    else:
        assert isinstance(sweep, Glob)
        count = len(list(override.sweep_iterator()))
    if not count:
        raise _refused(override, "lists no value, which leaves nothing to run")
    return count


def _num_in_range(override: Override, sweep: RangeSweep) -> int:
    try:
        start, stop, step = (Fraction(bound) for bound in (sweep.start, sweep.stop, sweep.step))
    except (ValueError, OverflowError, TypeError) as error:
        raise _refused(override, "the bounds and the step of a range must be finite numbers") from error
    if not step:
        raise _refused(override, "the step of a range must not be 0")
    return max(0, math.ceil((stop - start) / step))


def _refused(override: Override, allowed: str) -> UserError:
    key, _, value = str(override.input_line).partition("=")
    return UserError(key, value, allowed)
