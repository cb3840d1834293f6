"""The stored policies that an experiment measures between or around.

Knows run folders and the shapes of policies; knows no measurement and no algorithm.
"""

from typing import NamedTuple

import jax

from landscapes import loading, storage
from landscapes.errors import UserError
from landscapes.studies import paths


class StoredPolicy(NamedTuple):
    """A checkpoint of one seed of a run."""

    run: storage.Run
    seed: int
    ckpt: int

    @property
    def key(self) -> tuple[str, int, int]:
        return self.run.name, self.seed, self.ckpt

    def __str__(self) -> str:
        return f"{self.run.name} seed {self.seed} checkpoint {self.ckpt}"


def check_stored(run: storage.Run, seed: int, ckpt: int, seed_key: str, ckpt_key: str) -> StoredPolicy:
    """That policy; raises UserError under these keys where it is not stored."""
    storage.check_seed(run, seed, seed_key)
    storage.check_checkpoint(run, seed, ckpt, ckpt_key)
    return StoredPolicy(run, seed, ckpt)


def check_alike(one: storage.Run, two: storage.Run, key: str) -> None:
    """Raises UserError under `key` unless there is a straight line from policies of one run to those of the other."""
    if one.name == two.name:
        return
    for of, name in (("environment", "name"), ("environment", "backend"), ("algorithm", "name")):
        found = [run.record[of][name] for run in (one, two)]
        if found[0] != found[1]:
            allowed = (
                f"has {of} {name} {found[1]} and run {one.name} has {found[0]}: no line leads from one to the other"
            )
            raise UserError(key, two.name, allowed)
    shapes = [jax.eval_shape(loading.rebuild(run)[1].init, jax.random.key(0)).learner.policy for run in (one, two)]
    if (difference := paths.unlike(*shapes)) is not None:
        allowed = f"no line leads there from run {one.name}: {difference}"
        raise UserError(key, two.name, allowed)
