"""Training in its steady state: iterations after the warm-up, from a full replay log.

Knows the algorithm record and the trainer; knows no algorithm from inside.

Weights are fresh and the log is filled with random rows: neither changes what a step costs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness import ALONE
from benchmarks.workload import Case, Workload
from benchmarks.workloads import environments
from landscapes import loading, training
from landscapes.experience.replay import Replay
from landscapes.machine.compilation import compile_together
from landscapes.types import Agent, Environment, Key, PyTree, TrainState


def make_agent(
    algorithm: str,
    config: Mapping[str, Any],
    environment: str,
    backend: str,
    episode_length: int,
    ends: str = "never",
) -> tuple[Environment, Agent]:
    """An algorithm of the suite on a task of the suite."""
    env = environments.make(environment, backend, episode_length, ends)
    return env, loading.make_agent(algorithm, config, env)


def with_full_log(states: TrainState) -> TrainState:
    """The same states with every row of their logs random, and counted as many times around as there are rows."""
    log = states.log
    if not isinstance(log, Replay):
        return states

    def filled(path: Any, rows: jax.Array) -> jax.Array:
        if rows.dtype == bool:
            return rows
        key = jax.random.key(len(jax.tree_util.keystr(path)))
        return jax.device_put(jax.random.normal(key, rows.shape, rows.dtype), rows.sharding)

    rows = jax.tree_util.tree_map_with_path(filled, log.data)
    capacity = jax.tree.leaves(jax.tree.map(lambda x: x.shape[log.count.ndim], log.data))[0]
    count = jnp.full_like(log.count, capacity)
    return states._replace(log=log._replace(data=rows, count=count))


def bytes_of(tree: PyTree) -> int:
    """Memory of its arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def trainer(
    algorithm: str, config: Mapping[str, Any], environment: str, backend: str, seeds: int, ends: str = "natural"
) -> Workload:
    """Environment steps with their updates, of all seeds together."""
    _, agent = make_agent(algorithm, config, environment, backend, 1000, ends)
    keys = training.member_keys(0, seeds)
    made = training.make_trainer(agent)

    def begin() -> training.Members:
        compile_together(made.programs(keys))  # as a job does
        members = made.init(keys.init)
        return members._replace(rounds=tuple(with_full_log(states) for states in members.rounds))

    held = _Held(made, keys.train, begin, agent.warm_up_steps)

    def run(amount: int) -> float:
        held.iterate(amount)
        return float(amount * seeds * agent.env_steps)

    return Workload(
        "seed-step" if agent.env_steps == 1 else "step",
        {ALONE: Case(run)},
        {"devices": jax.local_device_count(), "seeds": seeds},
        lambda: {"state_bytes": held.state_bytes},
    )


def update_only(agent: Agent, state: TrainState) -> Case:
    """Iterations of one member that has trained already."""
    made = training.make_trainer(agent)
    held = _Held(made, training.member_keys(0, 1).train, lambda: made.place([state]), agent.warm_up_steps)

    def run(amount: int) -> float:
        held.iterate(amount)
        return float(amount)

    return Case(run)


class _Held:
    """Members in the middle of their training, which go on from where they stand; they begin when first asked to."""

    def __init__(self, made: training.Trainer, keys: Key, begin: Callable[[], training.Members], first: int) -> None:
        self._made, self._keys, self._begin, self._done = made, keys, begin, first
        self._standing: tuple[training.Members, training.Members] | None = None
        self.state_bytes = 0

    def iterate(self, amount: int) -> None:
        """So many iterations more."""
        if self._standing is None:
            members = self._begin()
            self.state_bytes = bytes_of(members.rounds)
            self._standing = members, self._made.blank(members.num_seeds)
            del members
        standing, self._standing = self._standing, None
        end = self._done + amount
        self._standing = jax.block_until_ready(self._made.advance(self._keys, *standing, self._done, end))
        self._done = end
