"""Between which stored policies there is a straight line.

Knows the shapes of policies; knows no measurement and no algorithm, nor which policies an experiment names.
"""

import jax

from eval_policy.stored import check_comparable
from landscapes import loading, storage
from landscapes.errors import UserError
from landscapes.studies import paths


def check_alike(one: storage.Run, two: storage.Run, key: str) -> None:
    """Raises UserError under `key` unless there is a straight line from policies of one run to those of the other."""
    if one.name == two.name:
        return
    check_comparable(one, two, key)
    shapes = [jax.eval_shape(loading.rebuild(run)[1].init, jax.random.key(0)).learner.policy for run in (one, two)]
    if (difference := paths.unlike(*shapes)) is not None:
        allowed = f"no line leads there from run {one.name}: {difference}"
        raise UserError(key, two.name, allowed)
