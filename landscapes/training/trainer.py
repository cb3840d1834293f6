"""Training: an algorithm's `train_step`, iterated, with many seeds in one program.

Knows the algorithm record and the environment contract; knows no concrete algorithm, no file and no logger.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.machine import devices
from landscapes.machine.compilation import Program, strongly_typed
from landscapes.training.members import MemberKeys, Members, layout, places
from landscapes.types import Agent, Key, Metrics, PyTree, TrainState


class Tally(NamedTuple):
    """Of each metric the sum over the iterations that reported it, [] float32, and how many did."""

    sums: Metrics
    weights: Metrics


def means(tallies: Members) -> dict[str, np.ndarray]:
    """Each metric's mean over the iterations that reported it, `[num_seeds]` float64; NaN if none did."""
    tally = tallies.arrays()
    with np.errstate(invalid="ignore"):
        return {name: tally.sums[name].astype(np.float64) / tally.weights[name] for name in sorted(tally.sums)}


class Trainer(NamedTuple):
    """Compiled training of all members. Members and tallies are given up to `advance`."""

    programs: Callable[[MemberKeys], tuple[Program, Program]]
    """What `advance` and what `init` will call for members with these keys, for those who compile beforehand."""
    init: Callable[[Key], Members]
    place: Callable[[Sequence[PyTree]], Members]
    """Members from their states (or tallies), one after the other (copies)."""
    blank: Callable[[int], Members]
    """The tallies of so many members before anything was counted."""
    advance: Callable[[Key, Members, Members, int, int], tuple[Members, Members]]
    """`(keys, members, tallies, start, stop)`: iterations start..stop-1 of all members, and what they add to the
    tallies. Where one call ends and the next begins changes no bit of either."""
    finite: Callable[[Members], np.ndarray]
    """`[num_seeds]` bool: whether a member's policy is free of NaN and infinity."""


@functools.lru_cache(maxsize=8)
def _traced_once(update: Callable[..., tuple[Any, Metrics]], phase: int) -> Callable[..., tuple[Any, Metrics]]:
    """`update` in that phase as a function of the rest, part of whatever program calls it. Python traces it once, and
    not again for its shapes: of an iteration, it is what takes longest to trace."""

    def updated(key: Key, learner: Any, log: PyTree, data: PyTree) -> tuple[Any, Metrics]:
        return update(key, learner, log, data, phase)

    return jax.jit(updated, inline=True)


def iteration(agent: Agent, key: Key, state: TrainState, index: jax.Array) -> tuple[TrainState, Metrics, Metrics]:
    """Iteration `index` (traced uint32, counted from the start of the run): the state, metrics, and their weights.

    It warms up or trains as `index` says and draws from `key` alone. Which phase of `update` runs depends on the index,
    which seeds share: under `vmap` over seeds only that phase runs, and the environment step, the expensive thing to
    compile, stands in the program once. A metric that this phase does not report has weight 0.
    """
    key_collect, key_update = jax.random.split(key)
    warming = index < jnp.uint32(agent.warm_up_steps) if agent.warm_up_steps else False
    state, data, collected = agent.collect(key_collect, state, uniform=warming)

    update: Callable[..., tuple[Any, Metrics]] = agent.update
    branches = [_traced_once(update, phase) for phase in range(agent.period)]
    shapes = [jax.eval_shape(branch, key_update, state.learner, state.log, data)[1] for branch in branches]
    zeros = {name: jnp.zeros(x.shape, x.dtype) for shape in shapes for name, x in sorted(shape.items())}

    def padded(branch: Callable[..., tuple[Any, Metrics]]) -> Callable[[Key, Any, PyTree], Any]:
        def run(key: Key, told: tuple[Any, Metrics, Metrics], read: PyTree) -> tuple[Any, Metrics, Metrics]:
            log, data = read
            learner, metrics = branch(key, told[0], log, data)
            return learner, zeros | metrics, {name: jnp.float32(name in metrics) for name in zeros}

        return run

    runs = [padded(branch) for branch in branches]
    told = (state.learner, zeros, {name: jnp.float32(0.0) for name in zeros})
    read = (state.log, data)
    if agent.period == 1 and not agent.warm_up_steps:
        told = runs[0](key_update, told, read)
    else:
        phase = ((index - jnp.uint32(agent.warm_up_steps)) % jnp.uint32(agent.period)).astype(jnp.int32)
        told, read = devices.run_one(jnp.where(warming, -1, phase), runs, key_update, told, read)
    learner, metrics, weights = told
    weights |= {name: jnp.float32(1.0) for name in collected}
    return TrainState(learner, read[0], state.lanes), collected | metrics, weights


def blank_tally(agent: Agent) -> Tally:
    """The tally of one member before anything was counted, as NumPy arrays."""
    key = jax.random.key(0)
    state = jax.eval_shape(agent.init, key)
    _, *told = jax.eval_shape(functools.partial(iteration, agent), key, state, np.uint32(0))
    return Tally(*jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), told))


def iterate(
    agent: Agent, key: Key, state: TrainState, tally: Tally, start: jax.Array, stop: jax.Array
) -> tuple[TrainState, Tally]:
    """Iterations start..stop-1 (traced) of one member, and the tally with theirs.

    Iteration i draws from `fold_in(key, i)`, so that a resumed run draws what an unbroken one would have drawn, and
    where one stops to look does not change the program.
    """

    def body(i: jax.Array, carry: tuple[TrainState, Tally]) -> tuple[TrainState, Tally]:
        state, tally = carry
        state, metrics, weights = iteration(agent, jax.random.fold_in(key, i), state, i)
        return state, jax.tree.map(jnp.add, tally, Tally(metrics, weights))

    done: tuple[TrainState, Tally] = jax.lax.fori_loop(start, stop, body, (state, tally))
    return strongly_typed(done)


def make_trainer(agent: Agent) -> Trainer:
    """Training compiled once, whatever lies between two saves or evaluations.

    Members are whole runs side by side: one per core on a CPU, where one program after the other is faster than
    batched products; as many as there are, batched, on an accelerator.
    """
    options = devices.compiler_options(agent.of_networks)

    def mapped(f: Callable[..., Any], width: int, in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
        """`f` of one member over the `width` members of a device; without a batch where there is but one."""
        if width > 1:
            return jax.vmap(f, in_axes)

        def single(*args: Any) -> Any:
            own = [x if axis is None else devices.own(x) for x, axis in zip(args, in_axes, strict=True)]
            return devices.alone(f(*own))

        single.__name__ = f.__name__
        return single

    @functools.cache
    def programs(num: int, width: int) -> tuple[Any, Any]:
        def start(key: Key) -> TrainState:
            return strongly_typed(agent.init(key))

        def loop(key: Key, state: TrainState, tally: Tally, start: jax.Array, stop: jax.Array) -> Any:
            return iterate(agent, key, state, tally, start, stop)

        axes = (0, 0, 0, None, None)
        return (
            jax.jit(
                devices.spread(mapped(start, width, (0,)), num, (0,)), compiler_options=devices.compiler_options_once()
            ),
            jax.jit(
                devices.spread(mapped(loop, width, axes), num, axes), donate_argnums=(1, 2), compiler_options=options
            ),
        )

    def of_round(keys: Key, part: np.ndarray) -> Key:
        # All of them where there is but one round, which needs no program for that.
        return keys if len(part) == len(keys) else keys[part]

    def programs_of(keys: MemberKeys) -> tuple[Program, Program]:
        num_seeds = keys.init.shape[0]
        num, width = layout(num_seeds)
        start, loop = programs(num, width)
        part = places(num_seeds)[0]
        first = of_round(keys.init, part)
        states = devices.shapes_apart(start.eval_shape(first), num)
        tallies = devices.shapes_apart(jax.tree.map(lambda x: np.stack([x] * len(part)), blank_of_one()), num)
        arguments = (of_round(keys.train, part), states, tallies, np.uint32(0), np.uint32(1))
        return Program(loop, arguments), Program(start, (first,))

    def init(keys: Key) -> Members:
        start, _ = programs(*layout(keys.shape[0]))
        return Members(tuple(start(of_round(keys, part)) for part in places(keys.shape[0])), keys.shape[0])

    def place(states: Sequence[PyTree]) -> Members:
        num, _ = layout(len(states))

        def together(part: np.ndarray) -> PyTree:
            return jax.tree.map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *(states[i] for i in part))

        return Members(tuple(devices.put_apart(together(part), num) for part in places(len(states))), len(states))

    blank_of_one = functools.cache(functools.partial(blank_tally, agent))

    def blank(num_seeds: int) -> Members:
        return place([blank_of_one()] * num_seeds)

    def advance(keys: Key, members: Members, tallies: Members, start: int, stop: int) -> tuple[Members, Members]:
        _, loop = programs(*layout(members.num_seeds))
        parts = zip(places(members.num_seeds), members.rounds, tallies.rounds, strict=True)
        done = [
            loop(of_round(keys, part), states, tally, np.uint32(start), np.uint32(stop))
            for part, states, tally in parts
        ]
        return (
            members._replace(rounds=tuple(states for states, _ in done)),
            tallies._replace(rounds=tuple(tally for _, tally in done)),
        )

    def finite(members: Members) -> np.ndarray:
        leaves = [np.asarray(x) for x in jax.tree.leaves(members.policies())]
        return np.logical_and.reduce([np.isfinite(x).reshape(x.shape[0], -1).all(1) for x in leaves])

    return Trainer(programs_of, init, place, blank, advance, finite)
