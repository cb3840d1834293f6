"""The distribution of returns in a neighbourhood of a policy, measured (PURD: post-update return distribution).

Knows neighbourhoods, the engine of `rollout` and the devices; knows no concrete algorithm and no file.

Here it is decided how large blocks are and how many lanes go side by side. What is compiled for that is in
`measurement_programs`, how a block goes on in `measurement_blocks`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.machine.compilation import Program, compile_together
from landscapes.statistics.sequential import Looks
from landscapes.studies import paths
from landscapes.studies.measurement_blocks import Block, Progress, Purd, joined
from landscapes.studies.measurement_programs import Asked, Made, Shape, itself, make_programs
from landscapes.studies.neighborhood import is_update, make_neighborhood, traced
from landscapes.types import Agent, Environment, Key, Policy, TrainState

__all__ = [
    "Again",
    "Listeners",
    "Measure",
    "Progress",
    "Purd",
    "Sampling",
    "joined",
    "make_measure",
    "max_lanes",
    "side_by_side",
]

MAX_LANES = {"cpu": 8}
"""Episodes side by side on a device: on a CPU, where each core is one, as many as an instruction takes; the weights of
more fall out of the cache. Elsewhere `DEFAULT_MAX_LANES`."""

LIGHT_MAX_LANES = {"cpu": 32}
"""The same where steps are light: what a turn of the loop costs by itself is shared by more."""

DEFAULT_MAX_LANES = 1024

LANES_ALIKE = {"cpu": 8}
"""Lanes of a path come in whole numbers of these, so that equal points have equal returns wherever they are rolled
out: a CPU computes so many at once, and rounds those that are left over differently."""

STEPS_PER_BLOCK = {"cpu": 2**20}
"""Environment steps, of updates and roll-outs, after which a block of samples ends at the latest: about a minute, which
is what a job that is stopped loses. Elsewhere `DEFAULT_STEPS_PER_BLOCK`."""

DEFAULT_STEPS_PER_BLOCK = 2**28


class Sampling(NamedTuple):
    """What is sampled: `num_samples` neighbours of one kind.

    `amount_sets_rate` says of updates that the amount is their learning rate. With `num_points`, so many neighbours of
    each of that many points, which are measured together: the same random numbers at all.
    """

    kind: str
    num_samples: int
    amount_sets_rate: bool = False
    num_points: int | None = None

    @property
    def num_entries(self) -> int:
        return self.num_samples * (self.num_points or 1)


class Listeners(NamedTuple):
    """Who is told of a measurement while it goes on: `progress` of the work done, `keep(purd)` of each block as it
    ends."""

    progress: Progress | None = None
    keep: Callable[[Purd], None] | None = None


NOBODY = Listeners()


class Again(NamedTuple):
    """The programs of a measurement one by one, for rolling some of its samples out again exactly as it did."""

    begin: Callable[[Key, TrainState, jax.Array, int, int], tuple[Policy, rollout.Episodes]]
    """Policies and episodes of a block from its first sample and size; an axis for devices comes first. Sample
    `first + i` is row `i // devices` of device `i % devices`."""
    advance: Callable[..., rollout.EngineState]
    engine: Callable[[jax.Array], rollout.Engine]
    """The engine that these programs are compiled from, by the amount."""
    num_samples: int
    block: int
    devices: int
    lanes: int
    """Of each device."""
    episodes: int
    """Roll-outs averaged per sample."""


class Measure(NamedTuple):
    """A measurement, made once for any number of states.

    `measure(key, state, amount, points=None, entries=None, looks=None, listeners=NOBODY) -> Purd`. `entries` is a
    `range` in steps of 1 that asks for some of the samples only: they draw what they draw in the whole, and where they
    are rolled out elsewhere differ from it by rounding. With `looks` there are fewer samples where `looks.enough` said
    so.

    `compile(key, state, amount, points=None, beside=())` compiles what `measure` will call for such a state, and the
    programs in `beside`, side by side; the first measurement does it if nobody did.

    Made for `num_points`, it takes that many `points`, and entry `i * num_points + p` of what it gives is sample i at
    point p: of `state` with its policy replaced by that point.
    """

    measure: Callable[..., Purd]
    compile: Callable[..., None]
    program_shape: dict[str, int | str]
    again: Again


def side_by_side(program_shape: dict[str, int | str]) -> str:
    """The shape of a program in words."""
    num = program_shape["devices"]
    where = f"each of {num} {program_shape['device']} devices" if num != 1 else f"the {program_shape['device']}"
    return f"{program_shape['block']} policies, {program_shape['lanes']} roll-outs on {where}"


def max_lanes(env: Environment) -> int:
    """Episodes side by side on one device of this kind."""
    return (LIGHT_MAX_LANES if env.light else MAX_LANES).get(jax.default_backend(), DEFAULT_MAX_LANES)


def _whole_lanes(num_lanes: int) -> int:
    """As many lanes, or a few more of which the last have no work."""
    alike = LANES_ALIKE.get(jax.default_backend(), 1)
    return -(-num_lanes // alike) * alike


def _most_at_once(steps: int) -> int:
    """Samples of so many environment steps in a block, as many on each device."""
    num = jax.local_device_count()
    return max(1, STEPS_PER_BLOCK.get(jax.default_backend(), DEFAULT_STEPS_PER_BLOCK) // steps // num) * num


def make_measure(
    env: Environment,
    agent: Agent,
    sampling: Sampling,
    batch_size: int,
    gamma: float = 0.99,
    lanes: int | None = None,
) -> Measure:
    """The PURD of any state of `agent` under what is sampled, at most `batch_size` neighbours at once.

    Deterministic policy, one fixed start (reset noise 0) unless the kind says otherwise. Samples are spread over the
    local devices, `lanes` episodes side by side on each (None: what suits this kind of device). The same arguments give
    the same numbers, bit for bit, on the same kind of device and the same number of them.
    """
    kind, num_points, num_entries = sampling.kind, sampling.num_points, sampling.num_entries
    near = make_neighborhood(env, agent, kind, sampling.amount_sets_rate)
    if num_points is not None and near.draw is None:
        near = near._replace(draw=itself)  # no two points share their policy
    updates = agent.env_steps if is_update(agent, kind) else 0
    block = min(num_entries, batch_size, _most_at_once(near.episodes * env.episode_length + updates))
    num = devices.num_devices(block)
    share = -(-block // num)
    num_lanes = min(share * near.episodes, max(1, batch_size // num), max_lanes(env) if lanes is None else lanes)
    chunk = min(near.chunk, share)
    s = Shape(
        devices=num,
        num_points=num_points or 1,
        share=share,
        # Where they are drawn one by one, few a call cost no time, and few are drawn for nothing.
        chunk=min(chunk, num_lanes) if devices.one_by_one() else chunk,
        lanes=_whole_lanes(num_lanes) if num_points is not None else num_lanes,
    )
    made = Made(make_programs(env, agent, near, s, gamma), s, near, env.episode_length, agent.env_steps)
    is_compiled = False

    def ask(key: Key, state: TrainState, points: paths.Points | None, amount: float | jax.Array | None) -> Asked:
        state, points = devices.put_everywhere((state, points), num)
        return Asked(key, state, points, traced(amount))

    def compile_once(asked: Asked, beside: Sequence[Program] = ()) -> None:
        nonlocal is_compiled
        if not is_compiled:
            compile_together([*made.called(asked), *beside])
            is_compiled = True

    def compile_for(
        key: Key,
        state: TrainState,
        amount: float | None,
        points: paths.Points | None = None,
        beside: Sequence[Program] = (),
    ) -> None:
        compile_once(ask(key, state, points, amount), beside)

    def measure(
        key: Key,
        state: TrainState,
        amount: float | None,
        points: paths.Points | None = None,
        entries: range | None = None,
        looks: Looks | None = None,
        listeners: Listeners = NOBODY,
    ) -> Purd:
        asked = ask(key, state, points, amount)
        compile_once(asked)
        entries = range(num_entries) if entries is None else entries
        if entries.step != 1:
            raise ValueError(f"entries={entries}: must go in steps of 1")
        purds: list[Purd] = []
        for start in range(entries.start, entries.stop, block):
            size = min(block, entries.stop - start)
            purd, is_enough = Block(made, asked, start, size, listeners.progress, looks).measure()
            purds.append(purd)
            if listeners.keep is not None:
                listeners.keep(purd)
            if is_enough:
                break
            looks = None if looks is None else looks.after(purd.returns)
        return joined(purds)

    def begin(key: Key, state: TrainState, amount: jax.Array, first: int, size: int) -> tuple[Policy, rollout.Episodes]:
        block = Block(made, ask(key, state, None, amount), first, size)
        return block.policies, block.episodes

    shape_of_program: dict[str, int | str] = {
        "block": block,
        "devices": num,
        "updates_per_chunk": s.chunk,
        "lanes": s.lanes,
        "steps_per_round": rollout.STEPS_PER_ROUND,
        "device": jax.default_backend(),
    }
    programs = made.programs
    again = Again(begin, programs.advance, programs.engine, sampling.num_samples, block, num, s.lanes, near.episodes)
    return Measure(measure, compile_for, shape_of_program, again)
