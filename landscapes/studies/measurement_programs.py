"""The compiled programs of a measurement: they draw policies, begin episodes and advance them in lanes.

Knows neighbourhoods, the engine of `rollout` and the devices; knows no block, no algorithm and no file.

Sample i draws everything from `fold_in(key, i)` alone, so that checkpoints, amounts and kinds are compared on common
random numbers; and so are the points of a path or a plane (`paths`), all of which one run of the engine measures. The
programs' shapes follow from the configuration and the kind of device only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.machine.compilation import Program
from landscapes.studies import paths
from landscapes.studies.neighborhood import Neighborhood
from landscapes.types import Agent, Environment, Key, Policy, TrainState


def itself(key: Key, state: TrainState, amount: jax.Array) -> Policy:
    """The policy of `state`, as a neighbour that is drawn."""
    return state.learner.policy


def at_point(state: TrainState, points: paths.Points | None, index: jax.Array) -> TrainState:
    """`state` with its policy replaced by that point; without points, as it is."""
    if points is None:
        return state
    return state._replace(learner=state.learner._replace(policy=paths.policy_at(points, index)))


class Asked(NamedTuple):
    """Whose neighbourhood: what each program is given, in this order."""

    key: Key
    state: TrainState
    points: paths.Points | None
    amount: jax.Array


class Shape(NamedTuple):
    """The shape of one measurement's programs: numbers of devices and of points, and on each device of samples a block,
    of updates drawn per call, of lanes."""

    devices: int
    num_points: int
    share: int
    chunk: int
    lanes: int

    def counts(self, size: int) -> np.ndarray:
        """How many of the first `size` samples of a block each device has, `[devices]` int32, the first the most."""
        return (size - np.arange(self.devices, dtype=np.int32) + self.devices - 1) // self.devices


class Programs(NamedTuple):
    """Jitted, but for the engine."""

    draw: Callable[..., Policy]
    put: Callable[..., Policy]
    begin: Callable[..., tuple[rollout.Episodes, rollout.EngineState]]
    advance: Callable[..., rollout.EngineState]
    engine: Callable[[jax.Array], rollout.Engine]


def make_programs(env: Environment, agent: Agent, near: Neighborhood, shape: Shape, gamma: float) -> Programs:
    """The jitted parts of one measurement. What a device holds of its own has a leading axis of length 1 on it.

    Entry j is sample `j // num_points` at point `j % num_points`.
    """

    def entries(device: jax.Array, first: jax.Array, num: int) -> jax.Array:
        """As many entries of a device, from that of the entries `first`, ... of all of them which is its own."""
        return first + device[0] + np.uint32(shape.devices) * jnp.arange(num, dtype=jnp.uint32)

    def entry_keys(key: Key, index: jax.Array) -> Key:
        """Keys to draw, to start and to roll out entry `index`, `[3]`: those of its sample, the same at all points."""
        return jax.random.split(jax.random.fold_in(key, index // np.uint32(shape.num_points)), 3)

    def draw(
        device: jax.Array,
        key: Key,
        state: TrainState,
        points: paths.Points | None,
        amount: jax.Array,
        first: jax.Array,
    ) -> Any:
        assert near.draw is not None
        one = near.draw
        index = entries(device, first, shape.chunk)

        def drawn(i: jax.Array) -> Policy:
            return one(entry_keys(key, i)[0], at_point(state, points, i % np.uint32(shape.num_points)), amount)

        return devices.alone(jax.lax.map(drawn, index) if devices.one_by_one() else jax.vmap(drawn)(index))

    def put(policies: Policy, drawn: Policy, offset: jax.Array) -> Policy:
        return jax.tree.map(lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, offset, 1), policies, drawn)

    def engine(amount: jax.Array) -> rollout.Engine:
        return rollout.make_engine(
            env, near.act(amount), agent.init_memory, shape.lanes, gamma, shared_policy=near.draw is None
        )

    def begin(
        device: jax.Array, policies: Policy, key: Key, amount: jax.Array, first: jax.Array, count: jax.Array
    ) -> Any:
        keys = jax.vmap(lambda i: entry_keys(key, i))(entries(device, first, shape.share))
        sample, episode = jnp.divmod(jnp.arange(shape.share * near.episodes), near.episodes)
        roll_keys = jax.vmap(jax.random.fold_in)(keys[sample, 2], episode)
        if near.start_noise is None:
            starts = jax.tree.map(lambda x: x[None], env.reset(jax.random.key(0), start_noise=0.0))
            start_index = jnp.zeros_like(sample)
        else:
            noise = near.start_noise(amount)
            starts = jax.vmap(lambda k: env.reset(k, start_noise=noise))(keys[:, 1])
            start_index = sample
        policy_index = jnp.zeros_like(sample) if near.draw is None else sample
        episodes = rollout.Episodes(devices.own(policies), policy_index, starts, start_index, roll_keys, count[0])
        without = episodes._replace(policies=())  # type: ignore[arg-type]  # they lie apart already
        return devices.alone((without, engine(amount).begin(episodes)))

    def advance(
        state: rollout.EngineState,
        episodes: rollout.Episodes,
        policies: Policy,
        amount: jax.Array,
        num_rounds: jax.Array,
    ) -> rollout.EngineState:
        mine = devices.own(episodes)._replace(policies=devices.own(policies))
        return devices.alone(engine(amount).advance(devices.own(state), mine, num_rounds))

    num = shape.devices
    options = devices.compiler_options(agent.of_networks)
    rolling = devices.compiler_options(env.light)
    return Programs(
        jax.jit(devices.spread(draw, num, (0, None, None, None, None, None)), compiler_options=options),
        jax.jit(put, donate_argnums=0),
        jax.jit(devices.spread(begin, num, (0, 0, None, None, None, 0)), compiler_options=rolling),
        jax.jit(devices.spread(advance, num, (0, 0, 0, None, None)), donate_argnums=0, compiler_options=rolling),
        engine,
    )


class Made(NamedTuple):
    """What the blocks of one measurement share."""

    programs: Programs
    shape: Shape
    near: Neighborhood
    episode_length: int
    env_steps: int
    """Environment steps of an update."""

    @property
    def ranks(self) -> np.ndarray:
        return np.arange(self.shape.devices, dtype=np.uint32)

    @property
    def num_rounds(self) -> np.int32:
        """Rounds of the engine between two looks at it: a tenth of the longest episode."""
        return np.int32(-(-self.episode_length // rollout.STEPS_PER_ROUND) // 10 + 1)

    @property
    def drawing(self) -> float:
        """Of the work on a sample, the share that goes into drawing it: a whole roll-out for on-policy updates."""
        return 0.0 if self.near.draw is None else self.env_steps / (self.env_steps + self.episode_length)

    def shared_policy(self, asked: Asked) -> Policy:
        """What stands for a block's policies where there is nothing to draw, `[devices, 1, ...]`."""
        num = self.shape.devices
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (num, 1, *x.shape)), asked.state.learner.policy)

    def drawn_shapes(self, asked: Asked) -> Policy:
        """Shapes of a block's drawn policies, `[devices, rows, ...]` of as many rows as whole chunks have."""
        num, rows = self.shape.devices, -(-self.shape.share // self.shape.chunk) * self.shape.chunk
        policy = asked.state.learner.policy
        shapes: Policy = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num, rows, *x.shape), x.dtype), policy)
        return shapes

    def draw_arguments(self, asked: Asked, first: int) -> tuple[Any, ...]:
        return self.ranks, *asked, np.uint32(first)

    def begin_arguments(self, asked: Asked, policies: Policy, first: int, counts: np.ndarray) -> tuple[Any, ...]:
        return self.ranks, policies, asked.key, asked.amount, np.uint32(first), counts

    def advance_arguments(
        self, asked: Asked, running: rollout.EngineState, episodes: rollout.Episodes, policies: Policy
    ) -> tuple[Any, ...]:
        return running, episodes, policies, asked.amount, self.num_rounds

    def called(self, asked: Asked) -> list[Program]:
        """The programs that blocks will call, the one that takes longest to compile first."""
        num, programs = self.shape.devices, self.programs
        if self.near.draw is None:
            policies = self.shared_policy(asked)
        else:
            policies = devices.shapes_apart(self.drawn_shapes(asked), num)
        begin = Program(programs.begin, self.begin_arguments(asked, policies, 0, self.shape.counts(0)))
        episodes, running = devices.shapes_apart(begin.function.eval_shape(*begin.arguments), num)
        called = [Program(programs.advance, self.advance_arguments(asked, running, episodes, policies)), begin]
        if self.near.draw is not None:
            called.append(Program(programs.draw, self.draw_arguments(asked, 0)))
        return called
