"""Neighbourhoods of a policy and the distribution of returns in them (PURD: post-update return distribution).

Knows the algorithm record and how neighbours are drawn; knows no concrete algorithm and no file.

A neighbourhood is a way to draw a neighbour, to act in its roll-out and to start it. A PURD has two stages: policies
are drawn in chunks (for kinds that are updates: one `policy_update` from the same state under many keys), then the
engine of `rollout` rolls them out. Sample i draws everything from `fold_in(key, i)` alone, so that checkpoints,
amounts and kinds are compared on common random numbers; and so are the points of a path or a plane (`paths`), all of
which one run of the engine measures. The program's shape follows from the configuration and the kind of device only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes import devices, paths, rollout
from landscapes.compilation import Program, compile_together
from landscapes.errors import UserError
from landscapes.types import Act, Algorithm, Environment, Key, Policy, PyTree, TimeStep, TrainState

MAX_LANES = {"cpu": 16}
"""Episodes side by side on a device: on a CPU, where each core is one, the weights of more lanes fall out of the cache.
Elsewhere `DEFAULT_MAX_LANES`."""

DEFAULT_MAX_LANES = 1024

LANES_ALIKE = {"cpu": 8}
"""Lanes of a path come in whole numbers of these, so that equal points have equal returns wherever they are rolled
out: a CPU computes so many at once, and rounds those that are left over differently."""

STEPS_PER_BLOCK = {"cpu": 2**20}
"""Environment steps, of updates and roll-outs, after which a block of samples ends at the latest: about a minute, which
is what a job that is stopped loses. Elsewhere `DEFAULT_STEPS_PER_BLOCK`."""

DEFAULT_STEPS_PER_BLOCK = 2**28

GENERIC_KINDS = ("action", "parameter", "init_parameter", "init_state")
"""Perturbation kinds that are no updates: every algorithm has them."""

Progress = Callable[[int, float | None], None]
"""Told how many samples' worth of work is done, and the mean return so far (None while policies are drawn)."""


class Neighborhood(NamedTuple):
    """How the neighbours of a policy are drawn and rolled out; `amount` is the user's number, traced."""

    draw: Callable[[Key, TrainState, jax.Array], Policy] | None
    """One neighbour; None where every sample is the policy itself."""
    act: Callable[[jax.Array], Act]
    start_noise: Callable[[jax.Array], jax.Array] | None
    """Scale of the start noise; None for the one fixed start."""
    episodes: int = 1
    """Roll-outs averaged per neighbour."""
    chunk: int = 64
    """Neighbours drawn side by side."""


class Purd(NamedTuple):
    """Of each sample: undiscounted return, Σ γ^t r_t from t = 0, episode length, all `[num_samples]` (means over the
    sample's episodes where it has several)."""

    returns: np.ndarray
    discounted_returns: np.ndarray
    lengths: np.ndarray


def side_by_side(program_shape: dict[str, int | str]) -> str:
    """The shape of a program in words."""
    num = program_shape["devices"]
    where = f"each of {num} {program_shape['device']} devices" if num != 1 else f"the {program_shape['device']}"
    return f"{program_shape['block']} policies, {program_shape['lanes']} roll-outs on {where}"


class Again(NamedTuple):
    """The programs of a measurement one by one, for rolling some of its samples out again exactly as it did."""

    begin: Callable[[Key, TrainState, jax.Array, int, int], tuple[Policy, rollout.Episodes, rollout.EngineState]]
    """Policies, episodes and lanes of a block from its first sample and size; an axis for devices comes first."""
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
    """`measure(key, state, amount, progress=None, first=0, count=None, points=None) -> Purd`, compiled once, and the
    shape of its program. `first` and `count` ask for some of the samples only: they draw what they draw in the whole,
    and where they are rolled out elsewhere differ from it by rounding.

    Made for `num_points`, it takes that many `points`, and entry `i * num_points + p` of what it gives is sample i at
    point p: of `state` with its policy replaced by that point."""

    measure: Callable[..., Purd]
    program_shape: dict[str, int | str]
    again: Again


def kinds_of(env: Environment, algorithm: Algorithm) -> tuple[str, ...]:
    """Names of the perturbation kinds that make sense for this algorithm on this environment."""
    generic = GENERIC_KINDS if env.scales_start_noise else tuple(k for k in GENERIC_KINDS if k != "init_state")
    return (*algorithm.update_kinds, *generic)


def perturb(key: Key, params: PyTree, scale: jax.Array) -> PyTree:
    """`params` plus Gaussian noise of standard deviation `scale`, its own for every leaf."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [x + scale * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, noisy)


def _with_action_noise(act: Act, scale: jax.Array | float) -> Act:
    def noisy(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        key_act, key_noise = jax.random.split(key)
        action, memory = act(key_act, policy, timestep, memory)
        return jnp.clip(action + scale * jax.random.normal(key_noise, action.shape), -1.0, 1.0), memory

    return noisy


def _with_parameter_noise(act: Act, scale: jax.Array) -> Act:
    def noisy(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        key_act, key_noise = jax.random.split(key)
        return act(key_act, policy._replace(params=perturb(key_noise, policy.params, scale)), timestep, memory)

    return noisy


def one_update(algorithm: Algorithm, amount_is_rate: bool) -> Callable[[Key, TrainState, jax.Array], Policy]:
    """The policy after exactly one update, as training would make it, optimizer moments and all."""

    def draw(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        key_batch, key_update = jax.random.split(key)
        batch = algorithm.sample_batch(key_batch, state)
        if amount_is_rate:
            return algorithm.policy_update(key_update, state.learner, batch, amount)[0].policy
        return algorithm.policy_update(key_update, state.learner, batch)[0].policy

    return draw


def make_neighborhood(env: Environment, algorithm: Algorithm, kind: str, amount_sets_rate: bool) -> Neighborhood:
    """The neighbourhood called `kind`; for kinds that are updates `amount_sets_rate` says whether the amount is the
    learning rate. Raises UserError naming the kinds that fit."""
    if kind in algorithm.update_kinds:
        update = algorithm.update_kinds[kind]

        def act_after_update(amount: jax.Array) -> Act:
            return _with_action_noise(algorithm.act, update.action_noise) if update.action_noise else algorithm.act

        draw = one_update(algorithm, amount_sets_rate)
        return Neighborhood(draw, act_after_update, None, update.episodes, algorithm.updates_per_chunk)
    if kind not in kinds_of(env, algorithm):
        allowed = f"does not fit {algorithm.name} on {env.name}; these do: {', '.join(kinds_of(env, algorithm))}"
        raise UserError("experiment.noise_type", kind, allowed)
    if kind == "action":
        return Neighborhood(None, lambda scale: _with_action_noise(algorithm.act, scale), None)
    if kind == "parameter":
        return Neighborhood(None, lambda scale: _with_parameter_noise(algorithm.act, scale), None)
    if kind == "init_state":
        return Neighborhood(None, lambda _: algorithm.act, lambda scale: scale)

    def draw_parameters(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        policy = state.learner.policy
        return policy._replace(params=perturb(key, policy.params, amount))

    return Neighborhood(draw_parameters, lambda _: algorithm.act, None)


def amount_sets_rate(algorithm: Algorithm, kind: str, amount: float | None) -> bool:
    """Whether the user's number replaces the run's learning rate: always where it is one, if positive where it is a
    label; None never does."""
    if kind not in algorithm.update_kinds or amount is None:
        return False
    return algorithm.update_kinds[kind].amount == "learning_rate" or amount > 0


def _itself(key: Key, state: TrainState, amount: jax.Array) -> Policy:
    """The policy of `state`, as a neighbour that is drawn."""
    return state.learner.policy


def at_point(state: TrainState, points: paths.Points | None, index: jax.Array) -> TrainState:
    """`state` with its policy replaced by that point; without points, as it is."""
    if points is None:
        return state
    return state._replace(learner=state.learner._replace(policy=paths.policy_at(points, index)))


class _Programs(NamedTuple):
    draw: Callable[..., Policy]
    put: Callable[..., Policy]
    begin: Callable[..., tuple[rollout.Episodes, rollout.EngineState]]
    advance: Callable[..., rollout.EngineState]
    engine: Callable[[jax.Array], rollout.Engine]
    """Not compiled."""


class _Shape(NamedTuple):
    """The shape of one measurement's programs: numbers of devices and of points, and on each device of samples a block,
    of updates drawn per call, of lanes."""

    devices: int
    num_points: int
    share: int
    chunk: int
    lanes: int


def _compile(env: Environment, algorithm: Algorithm, near: Neighborhood, shape: _Shape, gamma: float) -> _Programs:
    """The jitted parts of one measurement. What a device holds of its own has a leading axis of length 1 on it.

    Device d works on entries `first + d * stride`, ... of the block that starts at `first`; entry j is sample
    `j // num_points` at point `j % num_points`.
    """

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
        stride: jax.Array,
    ) -> Any:
        assert near.draw is not None
        one = near.draw
        index = first + device[0] * stride + jnp.arange(shape.chunk, dtype=jnp.uint32)

        def drawn(i: jax.Array) -> Policy:
            return one(entry_keys(key, i)[0], at_point(state, points, i % np.uint32(shape.num_points)), amount)

        return devices.alone(jax.lax.map(drawn, index) if devices.one_by_one() else jax.vmap(drawn)(index))

    def put(policies: Policy, drawn: Policy, offset: jax.Array) -> Policy:
        return jax.tree.map(lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, offset, 1), policies, drawn)

    def engine(amount: jax.Array) -> rollout.Engine:
        return rollout.make_engine(
            env, near.act(amount), algorithm.init_memory, shape.lanes, gamma, shared_policy=near.draw is None
        )

    def begin(
        device: jax.Array,
        policies: Policy,
        key: Key,
        amount: jax.Array,
        first: jax.Array,
        stride: jax.Array,
        size: jax.Array,
    ) -> Any:
        index = first + device[0] * stride + jnp.arange(shape.share, dtype=jnp.uint32)
        num_samples = jnp.clip(
            size - device[0].astype(jnp.int32) * stride.astype(jnp.int32), 0, stride.astype(jnp.int32)
        )
        keys = jax.vmap(lambda i: entry_keys(key, i))(index)
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
        count = num_samples * near.episodes
        episodes = rollout.Episodes(devices.own(policies), policy_index, starts, start_index, roll_keys, count)
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
    options = devices.compiler_options(algorithm.env_steps)
    return _Programs(
        jax.jit(devices.spread(draw, num, (0, None, None, None, None, None, None)), compiler_options=options),
        jax.jit(put, donate_argnums=0),
        jax.jit(devices.spread(begin, num, (0, 0, None, None, None, None, None))),
        jax.jit(devices.spread(advance, num, (0, 0, 0, None, None)), donate_argnums=0),
        engine,
    )


def max_lanes() -> int:
    """Episodes side by side on one device of this kind."""
    return MAX_LANES.get(jax.default_backend(), DEFAULT_MAX_LANES)


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
    algorithm: Algorithm,
    kind: str,
    num_samples: int,
    batch_size: int,
    gamma: float = 0.99,
    amount_sets_rate: bool = False,
    lanes: int | None = None,
    num_points: int | None = None,
) -> Measure:
    """The PURD of any state of `algorithm` under `kind`: `num_samples` neighbours, at most `batch_size` at once.

    With `num_points`, that of each of so many points, which are measured together: the same random numbers at all.

    Deterministic policy, one fixed start (reset noise 0) unless the kind says otherwise. Samples are spread over the
    local devices, `lanes` episodes side by side on each (None: what suits this kind of device). The same arguments give
    the same numbers, bit for bit, on the same kind of device and the same number of them.
    """
    near = make_neighborhood(env, algorithm, kind, amount_sets_rate)
    if num_points is not None and near.draw is None:
        near = near._replace(draw=_itself)  # no two points share their policy
    num_entries = num_samples * (num_points or 1)
    steps = near.episodes * env.episode_length + (algorithm.env_steps if kind in algorithm.update_kinds else 0)
    block = min(num_entries, batch_size, _most_at_once(steps))
    num = devices.num_devices(block)
    share = -(-block // num)
    num_lanes = min(share * near.episodes, max(1, batch_size // num), max_lanes() if lanes is None else lanes)
    s = _Shape(
        devices=num,
        num_points=num_points or 1,
        share=share,
        chunk=min(near.chunk, share),
        lanes=_whole_lanes(num_lanes) if num_points is not None else num_lanes,
    )
    programs = _compile(env, algorithm, near, s, gamma)
    ranks = np.arange(num, dtype=np.uint32)
    rounds = np.int32(-(-env.episode_length // rollout.STEPS_PER_ROUND) // 10 + 1)
    compiled: list[bool] = []

    # Of the work on one sample, the share that goes into drawing it: a whole roll-out for on-policy updates.
    drawing = algorithm.env_steps / (algorithm.env_steps + env.episode_length) if near.draw is not None else 0.0

    def drawn_shapes(policy: Policy) -> Policy:
        rows = -(-share // s.chunk) * s.chunk
        shapes: Policy = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num, rows, *x.shape), x.dtype), policy)
        return shapes

    def draw_block(
        key: Key,
        state: TrainState,
        points: paths.Points | None,
        amount: jax.Array,
        first: int,
        size: int,
        progress: Progress | None,
    ) -> Policy:
        """Policies `[devices, share, ...]` (a little more where the chunk does not divide it), of which those of the
        first `size` samples are drawn; `[devices, 1, ...]` if there is nothing to draw."""
        if near.draw is None:
            return jax.tree.map(lambda x: jnp.broadcast_to(x, (num, 1, *x.shape)), state.learner.policy)
        stride = -(-size // num)
        policies = devices.zeros(drawn_shapes(state.learner.policy), num)
        for offset in range(0, stride, s.chunk):
            drawn = programs.draw(ranks, key, state, points, amount, np.uint32(first + offset), np.uint32(stride))
            policies = programs.put(policies, drawn, np.int32(offset))
            if progress is not None:
                jax.block_until_ready(policies)
                progress(first + int(drawing * min(num * (offset + s.chunk), size)), None)
        return policies

    def begin_block(
        key: Key, policies: Policy, amount: jax.Array, first: int, size: int
    ) -> tuple[rollout.Episodes, rollout.EngineState]:
        stride = np.uint32(-(-size // num))
        return programs.begin(ranks, policies, key, amount, np.uint32(first), stride, np.int32(size))

    def compile_all(key: Key, state: TrainState, points: paths.Points | None, amount: jax.Array) -> None:
        """What a measurement of this state will call, compiled side by side."""
        first, stride = np.uint32(0), np.uint32(share)
        if near.draw is None:
            policies = draw_block(key, state, points, amount, 0, block, None)
        else:
            policies = devices.shapes_apart(drawn_shapes(state.learner.policy), num)
        begin = Program(programs.begin, (ranks, policies, key, amount, first, stride, np.int32(block)))
        episodes, running = devices.shapes_apart(begin.function.eval_shape(*begin.arguments), num)
        called = [Program(programs.advance, (running, episodes, policies, amount, rounds)), begin]
        if near.draw is not None:
            called.append(Program(programs.draw, (ranks, key, state, points, amount, first, stride)))
        compile_together(called)

    def measure_block(
        key: Key,
        state: TrainState,
        points: paths.Points | None,
        amount: jax.Array,
        first: int,
        size: int,
        progress: Progress | None,
    ) -> rollout.EpisodeResult:
        """Results `[size * episodes]` of samples first .. first + size - 1."""
        policies = draw_block(key, state, points, amount, first, size, progress)
        stride = -(-size // num)
        episodes, running = begin_block(key, policies, amount, first, size)
        while (finished := int(np.asarray(running.num_finished).sum())) < size * near.episodes:
            if progress is not None and finished:
                so_far = float(np.asarray(running.results.returns).sum()) / finished
                rolled_out = finished / near.episodes
                progress(first + int(drawing * size + (1.0 - drawing) * rolled_out), so_far)
            running = programs.advance(running, episodes, policies, amount, rounds)
        counts = np.clip(size - stride * np.arange(num), 0, stride) * near.episodes
        return jax.tree.map(
            lambda x: np.concatenate([own[:count] for own, count in zip(np.asarray(x), counts, strict=True)]),
            running.results,
        )

    def measure(
        key: Key,
        state: TrainState,
        amount: float,
        progress: Progress | None = None,
        first: int = 0,
        count: int | None = None,
        points: paths.Points | None = None,
    ) -> Purd:
        num_wanted = num_entries - first if count is None else count
        end = first + num_wanted
        state, points = devices.put_everywhere((state, points), num)
        if not compiled:
            compile_all(key, state, points, jnp.float32(amount))
            compiled.append(True)
        parts: list[rollout.EpisodeResult] = []
        for start in range(first, end, block):
            size = min(block, end - start)
            parts.append(measure_block(key, state, points, jnp.float32(amount), start, size, progress))
            if progress is not None:
                progress(start + size, float(np.mean(parts[-1].returns)))
        joined = [np.concatenate(x).reshape(num_wanted, near.episodes) for x in zip(*parts, strict=True)]
        if near.episodes == 1:
            return Purd(*(x[:, 0] for x in joined))
        return Purd(*(x.mean(axis=1, dtype=np.float64).astype(np.float32) for x in joined))

    def begin_again(
        key: Key, state: TrainState, amount: jax.Array, first: int, size: int
    ) -> tuple[Policy, rollout.Episodes, rollout.EngineState]:
        state = devices.put_everywhere(state, num)
        policies = draw_block(key, state, None, amount, first, size, None)
        return policies, *begin_block(key, policies, amount, first, size)

    again = Again(begin_again, programs.advance, programs.engine, num_samples, block, num, s.lanes, near.episodes)
    shape_of_program: dict[str, int | str] = {
        "block": block,
        "devices": num,
        "updates_per_chunk": s.chunk,
        "lanes": s.lanes,
        "steps_per_round": rollout.STEPS_PER_ROUND,
        "device": jax.default_backend(),
    }
    return Measure(measure, shape_of_program, again)
