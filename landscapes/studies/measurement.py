"""The distribution of returns in a neighbourhood of a policy, measured (PURD: post-update return distribution).

Knows neighbourhoods, the engine of `rollout` and the devices; knows no concrete algorithm and no file.

Samples are measured in blocks. A block is one run of the engine, whose policies are drawn in chunks (for kinds that are
updates: one `policy_update` from the same state under many keys). Of D devices, device d has samples d, d + D, ... of
the block: what has been rolled out is always a beginning of the block but for the episodes that still go on, and who
may need a beginning only (`sequential.Looks`) can stop there, with few policies drawn that no lane has taken.

Sample i draws everything from `fold_in(key, i)` alone, so that checkpoints, amounts and kinds are compared on common
random numbers; and so are the points of a path or a plane (`paths`), all of which one run of the engine measures. The
programs' shapes follow from the configuration and the kind of device only.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.machine.compilation import Program, compile_together
from landscapes.statistics.sequential import Looks
from landscapes.studies import paths
from landscapes.studies.neighborhood import Neighborhood, is_update, make_neighborhood, traced
from landscapes.types import Agent, Environment, Key, Policy, TrainState

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

Progress = Callable[[int, float | None], None]
"""Told how many samples' worth of work is done, and the mean return so far (None before the first)."""


class Purd(NamedTuple):
    """Of each sample: undiscounted return, Σ γ^t r_t from t = 0, episode length, all `[num_samples]` (means over the
    sample's episodes where it has several)."""

    returns: np.ndarray
    discounted_returns: np.ndarray
    lengths: np.ndarray


def joined(purds: Sequence[Purd]) -> Purd:
    """Samples of the first, then those of the next, ..."""
    return Purd(*(np.concatenate(fields) for fields in zip(*purds, strict=True)))


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

    `measure(key, state, amount, progress=None, first=0, count=None, points=None, looks=None, keep=None) -> Purd`.
    `first` and `count` ask for some of the samples only: they draw what they draw in the whole, and where they are
    rolled out elsewhere differ from it by rounding. With `looks` there are fewer samples where `looks.enough` said so.
    `keep(purd)` is told of each block as it ends.

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


def _itself(key: Key, state: TrainState, amount: jax.Array) -> Policy:
    """The policy of `state`, as a neighbour that is drawn."""
    return state.learner.policy


def at_point(state: TrainState, points: paths.Points | None, index: jax.Array) -> TrainState:
    """`state` with its policy replaced by that point; without points, as it is."""
    if points is None:
        return state
    return state._replace(learner=state.learner._replace(policy=paths.policy_at(points, index)))


class _Asked(NamedTuple):
    """Whose neighbourhood: what each program is given, in this order."""

    key: Key
    state: TrainState
    points: paths.Points | None
    amount: jax.Array


class _Shape(NamedTuple):
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


class _Programs(NamedTuple):
    draw: Callable[..., Policy]
    put: Callable[..., Policy]
    begin: Callable[..., tuple[rollout.Episodes, rollout.EngineState]]
    advance: Callable[..., rollout.EngineState]
    engine: Callable[[jax.Array], rollout.Engine]
    """Not compiled."""


def _jit(env: Environment, agent: Agent, near: Neighborhood, shape: _Shape, gamma: float) -> _Programs:
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
    return _Programs(
        jax.jit(devices.spread(draw, num, (0, None, None, None, None, None)), compiler_options=options),
        jax.jit(put, donate_argnums=0),
        jax.jit(devices.spread(begin, num, (0, 0, None, None, None, 0)), compiler_options=rolling),
        jax.jit(devices.spread(advance, num, (0, 0, 0, None, None)), donate_argnums=0, compiler_options=rolling),
        engine,
    )


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
    kind: str,
    num_samples: int,
    batch_size: int,
    gamma: float = 0.99,
    amount_sets_rate: bool = False,
    lanes: int | None = None,
    num_points: int | None = None,
) -> Measure:
    """The PURD of any state of `agent` under `kind`: `num_samples` neighbours, at most `batch_size` at once.

    With `num_points`, that of each of so many points, which are measured together: the same random numbers at all.

    Deterministic policy, one fixed start (reset noise 0) unless the kind says otherwise. Samples are spread over the
    local devices, `lanes` episodes side by side on each (None: what suits this kind of device). The same arguments give
    the same numbers, bit for bit, on the same kind of device and the same number of them.
    """
    near = make_neighborhood(env, agent, kind, amount_sets_rate)
    if num_points is not None and near.draw is None:
        near = near._replace(draw=_itself)  # no two points share their policy
    num_entries = num_samples * (num_points or 1)
    updates = agent.env_steps if is_update(agent, kind) else 0
    block = min(num_entries, batch_size, _most_at_once(near.episodes * env.episode_length + updates))
    num = devices.num_devices(block)
    share = -(-block // num)
    num_lanes = min(share * near.episodes, max(1, batch_size // num), max_lanes(env) if lanes is None else lanes)
    chunk = min(near.chunk, share)
    s = _Shape(
        devices=num,
        num_points=num_points or 1,
        share=share,
        # Where they are drawn one by one, few a call cost no time, and few are drawn for nothing.
        chunk=min(chunk, num_lanes) if devices.one_by_one() else chunk,
        lanes=_whole_lanes(num_lanes) if num_points is not None else num_lanes,
    )
    made = _Made(_jit(env, agent, near, s, gamma), s, near, env.episode_length, agent.env_steps)
    is_compiled = False

    def ask(key: Key, state: TrainState, points: paths.Points | None, amount: float | jax.Array | None) -> _Asked:
        state, points = devices.put_everywhere((state, points), num)
        return _Asked(key, state, points, traced(amount))

    def compile_once(asked: _Asked, beside: Sequence[Program] = ()) -> None:
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
        progress: Progress | None = None,
        first: int = 0,
        count: int | None = None,
        points: paths.Points | None = None,
        looks: Looks | None = None,
        keep: Callable[[Purd], None] | None = None,
    ) -> Purd:
        asked = ask(key, state, points, amount)
        compile_once(asked)
        end = num_entries if count is None else first + count
        purds: list[Purd] = []
        for start in range(first, end, block):
            purd, is_enough = _Block(made, asked, start, min(block, end - start), progress, looks).measure()
            purds.append(purd)
            if keep is not None:
                keep(purd)
            if is_enough:
                break
            looks = None if looks is None else looks.after(purd.returns)
        return joined(purds)

    def begin(key: Key, state: TrainState, amount: jax.Array, first: int, size: int) -> tuple[Policy, rollout.Episodes]:
        block = _Block(made, ask(key, state, None, amount), first, size)
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
    again = Again(begin, programs.advance, programs.engine, num_samples, block, num, s.lanes, near.episodes)
    return Measure(measure, compile_for, shape_of_program, again)


class _Made(NamedTuple):
    """What the blocks of one measurement share."""

    programs: _Programs
    shape: _Shape
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

    def shared_policy(self, asked: _Asked) -> Policy:
        """What stands for a block's policies where there is nothing to draw, `[devices, 1, ...]`."""
        num = self.shape.devices
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (num, 1, *x.shape)), asked.state.learner.policy)

    def drawn_shapes(self, asked: _Asked) -> Policy:
        """Shapes of a block's drawn policies, `[devices, rows, ...]` of as many rows as whole chunks have."""
        num, rows = self.shape.devices, -(-self.shape.share // self.shape.chunk) * self.shape.chunk
        policy = asked.state.learner.policy
        shapes: Policy = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num, rows, *x.shape), x.dtype), policy)
        return shapes

    def draw_arguments(self, asked: _Asked, first: int) -> tuple[Any, ...]:
        return self.ranks, *asked, np.uint32(first)

    def begin_arguments(self, asked: _Asked, policies: Policy, first: int, counts: np.ndarray) -> tuple[Any, ...]:
        return self.ranks, policies, asked.key, asked.amount, np.uint32(first), counts

    def advance_arguments(
        self, asked: _Asked, running: rollout.EngineState, episodes: rollout.Episodes, policies: Policy
    ) -> tuple[Any, ...]:
        return running, episodes, policies, asked.amount, self.num_rounds

    def called(self, asked: _Asked) -> list[Program]:
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


class _Block:
    """Samples first .. first + size - 1 while they are measured: the policies drawn so far, the lanes, the results."""

    def __init__(
        self,
        made: _Made,
        asked: _Asked,
        first: int,
        size: int,
        progress: Progress | None = None,
        looks: Looks | None = None,
    ) -> None:
        self.made, self.asked, self.first, self.size, self.progress = made, asked, first, size, progress
        self.looks = looks
        self.counts = made.shape.counts(size)
        self.num_drawn = 0
        """On each device, the last chunk whole."""
        self.num_taken = made.shape.lanes
        """Of those, by the lanes of the device that took most."""
        self.num_finished = 0
        """Episodes, on all devices."""
        self.mean_return: float | None = None
        if made.near.draw is None:
            self.policies, self.num_drawn = made.shared_policy(asked), made.shape.share
        else:
            self.policies = devices.zeros(made.drawn_shapes(asked), made.shape.devices)
        self.draw_until(made.shape.share if looks is None else made.shape.lanes)
        begun = made.programs.begin(*made.begin_arguments(asked, self.policies, first, self.num_listed()))
        self.episodes: rollout.Episodes = begun[0]
        self.running: rollout.EngineState = begun[1]

    def measure(self) -> tuple[Purd, bool]:
        """All samples, or a beginning that is enough, and whether it is."""
        sizes = [] if self.looks is None else [size for size in self.looks.sizes if size <= self.size]
        while True:
            if sizes or self.is_finished:
                known = self.beginning()
                while self.looks is not None and sizes and sizes[0] <= len(known.returns):
                    part = Purd(*(x[: sizes[0]] for x in known))
                    if self.looks.enough(part.returns):
                        return part, True
                    sizes.pop(0)
                if self.is_finished:
                    return known, False
            self.go_on(sparing=bool(sizes))

    @property
    def is_finished(self) -> bool:
        return self.num_finished == self.size * self.made.near.episodes

    def draw_until(self, num: int) -> bool:
        """Draws policies until each device has `num` of them, or all; whether there were any to draw."""
        made, before = self.made, self.num_drawn
        while self.num_drawn < min(num, int(self.counts[0])):
            first = self.first + self.num_drawn * made.shape.devices
            drawn = made.programs.draw(*made.draw_arguments(self.asked, first))
            self.policies = made.programs.put(self.policies, drawn, np.int32(self.num_drawn))
            self.num_drawn += made.shape.chunk
            if self.progress is not None:
                jax.block_until_ready(self.policies)
                self.tell()
        return self.num_drawn > before

    def num_listed(self) -> np.ndarray:
        """Episodes of the samples drawn so far, `[devices]`."""
        return np.minimum(self.counts, np.int32(self.num_drawn)) * np.int32(self.made.near.episodes)

    def list_drawn(self) -> None:
        """Lets lanes take what was drawn since they began."""
        num_listed = devices.put_apart(self.num_listed(), self.made.shape.devices)
        self.episodes = self.episodes._replace(num_episodes=num_listed)

    def go_on(self, sparing: bool) -> None:
        """Some rounds of the engine, with all policies drawn, or `sparing` with about those that lanes will take."""
        made, before = self.made, self.num_taken
        self.num_taken = int(np.asarray(self.running.next_episode).max()) // made.near.episodes
        soon = max(made.shape.lanes // 2, self.num_taken - before)
        if self.draw_until(self.num_taken + soon if sparing else made.shape.share):
            self.list_drawn()
        arguments = made.advance_arguments(self.asked, self.running, self.episodes, self.policies)
        self.running = made.programs.advance(*arguments)
        self.num_finished = int(np.asarray(self.running.num_finished).sum())
        if self.num_finished:
            self.mean_return = float(np.asarray(self.running.results.returns).sum()) / self.num_finished
        if self.progress is not None:
            self.tell()

    def tell(self) -> None:
        """Tells how many samples' worth of work is done."""
        assert self.progress is not None
        drawn = min(self.num_drawn * self.made.shape.devices, self.size)
        rolled_out = self.num_finished / self.made.near.episodes
        drawing = self.made.drawing
        self.progress(self.first + round(drawing * drawn + (1.0 - drawing) * rolled_out), self.mean_return)

    def beginning(self) -> Purd:
        """The samples before the first of which an episode still goes on."""
        num_devices, episodes = self.made.shape.devices, self.made.near.episodes

        def in_order(x: jax.Array) -> np.ndarray:
            rows = np.asarray(x).reshape(num_devices, -1, episodes)
            return rows.swapaxes(0, 1).reshape(-1, episodes)[: self.size]

        results = [in_order(x) for x in self.running.results]
        lengths = results[rollout.EpisodeResult._fields.index("lengths")]
        going_on = np.flatnonzero((lengths == 0).any(axis=1))
        num = going_on[0] if len(going_on) else self.size
        if episodes == 1:
            return Purd(*(x[:num, 0] for x in results))
        return Purd(*(x[:num].mean(axis=1, dtype=np.float64).astype(np.float32) for x in results))
