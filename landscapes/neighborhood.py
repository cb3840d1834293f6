"""Neighbourhoods of a policy and the distribution of returns in them (PURD: post-update return distribution).

Knows the algorithm record and how neighbours are drawn; knows no concrete algorithm and no file.

A neighbourhood is a way to draw a neighbour, to act in its roll-out and to start it. A PURD has two stages: policies
are drawn in chunks (for kinds that are updates: one `policy_update` from the same state under many keys), then the
engine of `rollout` rolls them out. Sample i draws everything from `fold_in(key, i)` alone, so that checkpoints,
amounts and kinds are compared on common random numbers. The program's shape follows from the configuration and the
kind of device only.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscapes import rollout
from landscapes.errors import UserError
from landscapes.types import Act, Algorithm, Environment, Key, Policy, PyTree, TimeStep, TrainState

MAX_LANES = {"cpu": 64}
"""Episodes side by side: on a CPU the weights of more lanes fall out of the cache. Elsewhere `DEFAULT_MAX_LANES`."""

DEFAULT_MAX_LANES = 1024

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


class Measure(NamedTuple):
    """`measure(key, state, amount, progress=None) -> Purd`, compiled once, and the shape of its program."""

    measure: Callable[..., Purd]
    program_shape: dict[str, int | str]


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


def _one_update(algorithm: Algorithm, amount_is_rate: bool) -> Callable[[Key, TrainState, jax.Array], Policy]:
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

        draw = _one_update(algorithm, amount_sets_rate)
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


class _Programs(NamedTuple):
    draw: Callable[..., Policy]
    put: Callable[..., Policy]
    begin: Callable[..., tuple[rollout.Episodes, rollout.EngineState]]
    advance: Callable[..., rollout.EngineState]


def _compile(
    env: Environment, algorithm: Algorithm, near: Neighborhood, block: int, lanes: int, gamma: float
) -> _Programs:
    """The jitted parts of one measurement, for blocks of `block` samples."""
    chunk = min(near.chunk, block)

    def sample_keys(key: Key, index: jax.Array) -> Key:
        """Keys to draw, to start and to roll out sample `index`, `[3]`."""
        return jax.random.split(jax.random.fold_in(key, index), 3)

    @jax.jit
    def draw(key: Key, state: TrainState, amount: jax.Array, first: jax.Array) -> Policy:
        assert near.draw is not None
        one = near.draw
        index = first + jnp.arange(chunk, dtype=jnp.uint32)
        return jax.vmap(lambda i: one(sample_keys(key, i)[0], state, amount))(index)

    def put(policies: Policy, drawn: Policy, offset: jax.Array) -> Policy:
        return jax.tree.map(lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, offset, 0), policies, drawn)

    def engine(amount: jax.Array) -> rollout.Engine:
        return rollout.make_engine(
            env, near.act(amount), algorithm.init_memory, lanes, gamma, shared_policy=near.draw is None
        )

    @jax.jit
    def begin(
        key: Key, policies: Policy, amount: jax.Array, first: jax.Array, num_samples: jax.Array
    ) -> tuple[rollout.Episodes, rollout.EngineState]:
        keys = jax.vmap(lambda i: sample_keys(key, i))(first + jnp.arange(block, dtype=jnp.uint32))
        sample, episode = jnp.divmod(jnp.arange(block * near.episodes), near.episodes)
        roll_keys = jax.vmap(jax.random.fold_in)(keys[sample, 2], episode)
        if near.start_noise is None:
            starts = jax.tree.map(lambda x: x[None], env.reset(jax.random.key(0), start_noise=0.0))
            start_index = jnp.zeros_like(sample)
        else:
            noise = near.start_noise(amount)
            starts = jax.vmap(lambda k: env.reset(k, start_noise=noise))(keys[:, 1])
            start_index = sample
        policy_index = jnp.zeros_like(sample) if near.draw is None else sample
        episodes = rollout.Episodes(policies, policy_index, starts, start_index, roll_keys, num_samples * near.episodes)
        return episodes, engine(amount).begin(episodes)

    def advance(
        state: rollout.EngineState, episodes: rollout.Episodes, amount: jax.Array, num_rounds: jax.Array
    ) -> rollout.EngineState:
        return engine(amount).advance(state, episodes, num_rounds)

    return _Programs(draw, jax.jit(put, donate_argnums=0), begin, jax.jit(advance, donate_argnums=0))


def max_lanes() -> int:
    """Episodes side by side on this kind of device."""
    return MAX_LANES.get(jax.default_backend(), DEFAULT_MAX_LANES)


def make_measure(
    env: Environment,
    algorithm: Algorithm,
    kind: str,
    num_samples: int,
    batch_size: int,
    gamma: float = 0.99,
    amount_sets_rate: bool = False,
) -> Measure:
    """The PURD of any state of `algorithm` under `kind`: `num_samples` neighbours, at most `batch_size` at once.

    Deterministic policy, one fixed start (reset noise 0) unless the kind says otherwise. The same arguments give the
    same numbers, bit for bit, on the same kind of device.
    """
    near = make_neighborhood(env, algorithm, kind, amount_sets_rate)
    block = min(num_samples, batch_size)
    chunk = min(near.chunk, block)
    lanes = min(block * near.episodes, batch_size, max_lanes())
    programs = _compile(env, algorithm, near, block, lanes, gamma)

    # Of the work on one sample, the share that goes into drawing it: a whole roll-out for on-policy updates.
    drawing = algorithm.env_steps / (algorithm.env_steps + env.episode_length) if near.draw is not None else 0.0

    def draw_block(
        key: Key, state: TrainState, amount: jax.Array, first: int, size: int, progress: Progress | None
    ) -> Policy:
        """Policies `[block, ...]` (a little more where the chunk does not divide it); `[1, ...]` if not drawn."""
        if near.draw is None:
            return jax.tree.map(lambda x: jnp.asarray(x)[None], state.learner.policy)
        rows = -(-block // chunk) * chunk
        policies = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape), x.dtype), state.learner.policy)
        for offset in range(0, rows, chunk):
            drawn = programs.draw(key, state, amount, np.uint32(first + offset))
            policies = programs.put(policies, drawn, np.int32(offset))
            if progress is not None:
                jax.block_until_ready(policies)
                progress(first + int(drawing * min(offset + chunk, size)), None)
        return policies

    def measure(key: Key, state: TrainState, amount: float, progress: Progress | None = None) -> Purd:
        parts: list[rollout.EpisodeResult] = []
        amount_array = jnp.float32(amount)
        for first in range(0, num_samples, block):
            size = min(block, num_samples - first)
            policies = draw_block(key, state, amount_array, first, size, progress)
            episodes, engine_state = programs.begin(key, policies, amount_array, np.uint32(first), np.int32(size))
            rounds = -(-env.episode_length // rollout.STEPS_PER_ROUND) // 10 + 1
            while (finished := int(engine_state.num_finished)) < size * near.episodes:
                if progress is not None and finished:
                    so_far = float(engine_state.results.returns.sum()) / finished
                    rolled_out = finished / near.episodes
                    progress(first + int(drawing * size + (1.0 - drawing) * rolled_out), so_far)
                engine_state = programs.advance(engine_state, episodes, amount_array, np.int32(rounds))
            parts.append(jax.tree.map(lambda x, n=size: np.asarray(x)[: n * near.episodes], engine_state.results))
            if progress is not None:
                progress(first + size, float(np.mean(parts[-1].returns)))
        joined = [np.concatenate(x).reshape(num_samples, near.episodes) for x in zip(*parts, strict=True)]
        if near.episodes == 1:
            return Purd(*(x[:, 0] for x in joined))
        return Purd(*(x.mean(axis=1, dtype=np.float64).astype(np.float32) for x in joined))

    shape: dict[str, int | str] = {
        "block": block,
        "updates_per_chunk": chunk,
        "lanes": lanes,
        "steps_per_round": rollout.STEPS_PER_ROUND,
        "device": jax.default_backend(),
    }
    return Measure(measure, shape)
