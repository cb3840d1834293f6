"""Neighbourhoods of a policy: the kinds of perturbation, and how each draws a neighbour.

Knows the algorithm record; knows no concrete algorithm, not how neighbours are measured, and no file.

A neighbourhood is a way to draw a neighbour, to act in its roll-out and to start it.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.errors import UserError
from landscapes.spaces import Discrete, Space
from landscapes.types import Act, Agent, Environment, Key, Policy, PyTree, TimeStep, TrainState, UpdateKind

GENERIC_KINDS = ("action", "parameter", "init_parameter", "init_state")
"""Perturbation kinds that are no updates: every algorithm has them."""

STEPS_KIND = "policy_steps"
"""So many policy updates on one batch, at the run's own rate: every algorithm has it."""

TEST_KINDS = ("test_mode", "test_sampled")
"""No perturbation: test episodes of the policy itself, by its mode or by what is drawn from it. The amount scales the
start noise, which is 1 in training."""

MOST_STEPS = 100_000
"""Of `STEPS_KIND`: more have been mistyped."""

FULL_KIND = "full_update"
"""All that training does between two policies that act, its whole update: every algorithm has it."""

_FULL = UpdateKind("learning_rate")


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


def kinds_of(env: Environment, agent: Agent) -> tuple[str, ...]:
    """Names of the perturbation kinds that make sense for this algorithm on this environment."""
    generic = GENERIC_KINDS if env.scales_start_noise else tuple(k for k in GENERIC_KINDS if k != "init_state")
    return (*agent.update_kinds, FULL_KIND, STEPS_KIND, *generic)


def is_update(agent: Agent, kind: str) -> bool:
    """Whether neighbours of that kind are made by updates, which draw data."""
    return kind == STEPS_KIND or _read_as(agent, kind) is not None


def _read_as(agent: Agent, kind: str) -> UpdateKind | None:
    """How a kind that is an update of the algorithm is to be read; None for the others."""
    return _FULL if kind == FULL_KIND else agent.update_kinds.get(kind)


def own_update(agent: Agent, key: str) -> str:
    """The kind that is the algorithm's own update and nothing besides; raises UserError under `key` without one."""
    plain = [name for name, kind in agent.update_kinds.items() if not kind.action_noise]
    if not plain:
        raise UserError(key, agent.name, "names no perturbation by one update")
    return plain[0]


def perturb(key: Key, params: PyTree, scale: jax.Array) -> PyTree:
    """`params` plus Gaussian noise of standard deviation `scale`, its own for every leaf."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [x + scale * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, noisy)


def _with_action_noise(act: Act, space: Space, scale: jax.Array | float) -> Act:
    def noisy(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        key_act, key_noise = jax.random.split(key)
        action, memory = act(key_act, policy, timestep, memory)
        return space.perturb(key_noise, action, scale), memory

    return noisy


def _with_parameter_noise(act: Act, scale: jax.Array) -> Act:
    def noisy(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        key_act, key_noise = jax.random.split(key)
        return act(key_act, policy._replace(params=perturb(key_noise, policy.params, scale)), timestep, memory)

    return noisy


def one_update(agent: Agent, amount_is_rate: bool) -> Callable[[Key, TrainState, jax.Array], Policy]:
    """The policy after exactly one update, as training would make it, optimizer moments and all."""

    def draw(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        key_batch, key_update = jax.random.split(key)
        batch = agent.sample_batch(key_batch, state)
        if amount_is_rate:
            return agent.policy_update(key_update, state.learner, batch, amount)[0].policy
        return agent.policy_update(key_update, state.learner, batch)[0].policy

    return draw


def full_update(agent: Agent, amount_is_rate: bool) -> Callable[[Key, TrainState, jax.Array], Policy]:
    """The policy after one whole update, as training makes it: its data are collected by the policy of the state, and
    all steps of the iteration follow, those of critics too. Where successive iterations differ, one of each is made.

    Who learns from a log learns here from the log as it is, to which training would have added a step or two: each
    neighbour would need a log of its own.
    """

    def draw(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        rate = {"learning_rate": amount} if amount_is_rate else {}
        for phase in range(agent.period):
            key_collect, key_update = jax.random.split(jax.random.fold_in(key, phase))
            data: PyTree = ()
            if not agent.algorithm.learns_from_log:
                state, data, _ = agent.collect(key_collect, state)
            learner, _ = agent.update(key_update, state.learner, state.log, data, phase, **rate)
            state = state._replace(learner=learner)
        policy: Policy = state.learner.policy
        return policy

    return draw


def several_updates(agent: Agent) -> Callable[[Key, TrainState, jax.Array], Policy]:
    """The policy after `amount` updates on one batch, each from where the last one led; 0 is the policy itself.

    The batch does not depend on the amount, and the first update is `one_update`'s at the run's own rate.
    """

    def draw(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        key_batch, key_update = jax.random.split(key)
        batch = agent.sample_batch(key_batch, state)

        def step(i: jax.Array, learner: Any) -> Any:
            key_step = jnp.where(i == 0, key_update, jax.random.fold_in(key_update, i))
            return agent.policy_update(key_step, learner, batch)[0]

        policy: Policy = jax.lax.fori_loop(0, amount.astype(jnp.int32), step, state.learner).policy
        return policy

    return draw


def make_neighborhood(env: Environment, agent: Agent, kind: str, amount_sets_rate: bool) -> Neighborhood:
    """The neighbourhood called `kind`; for kinds that are updates `amount_sets_rate` says whether the amount is the
    learning rate. Raises UserError naming the kinds that fit."""
    if kind in agent.update_kinds:
        update = agent.update_kinds[kind]

        def act_after_update(amount: jax.Array) -> Act:
            return _with_action_noise(agent.act, env.action, update.action_noise) if update.action_noise else agent.act

        draw = one_update(agent, amount_sets_rate)
        return Neighborhood(draw, act_after_update, None, update.episodes, agent.updates_per_chunk)
    if kind in TEST_KINDS:
        act = agent.act if kind == TEST_KINDS[0] else agent.sample
        if act is None:
            raise UserError("experiment.noise_type", kind, f"{agent.name} has no policy to be drawn from")
        return Neighborhood(None, lambda _: act, lambda scale: scale)
    if kind not in kinds_of(env, agent):
        allowed = f"does not fit {agent.name} on {env.name}; these do: {', '.join(kinds_of(env, agent))}"
        raise UserError("experiment.noise_type", kind, allowed)
    if kind == FULL_KIND:
        draw = full_update(agent, amount_sets_rate)
        return Neighborhood(draw, lambda _: agent.act, None, chunk=agent.updates_per_chunk)
    if kind == STEPS_KIND:
        return Neighborhood(several_updates(agent), lambda _: agent.act, None, chunk=agent.updates_per_chunk)
    if kind == "action":
        return Neighborhood(None, lambda scale: _with_action_noise(agent.act, env.action, scale), None)
    if kind == "parameter":
        return Neighborhood(None, lambda scale: _with_parameter_noise(agent.act, scale), None)
    if kind == "init_state":
        return Neighborhood(None, lambda _: agent.act, lambda scale: scale)

    def draw_parameters(key: Key, state: TrainState, amount: jax.Array) -> Policy:
        policy = state.learner.policy
        return policy._replace(params=perturb(key, policy.params, amount))

    return Neighborhood(draw_parameters, lambda _: agent.act, None)


def traced(amount: float | jax.Array | None) -> jax.Array:
    """The user's number as programs take it: where it is None, the run's own rate stands and no program reads it."""
    return jnp.float32(0.0 if amount is None else amount)


def check_amounts(agent: Agent, kind: str, amounts: Sequence[float | None], key: str) -> None:
    """Raises UserError under `key` where null is none of the amounts of `kind`, two of `amounts` are the same, or one
    is no probability, no number of steps or no rate that the algorithm takes where it has to be."""
    if kind == STEPS_KIND:
        for amount in amounts:
            if amount is None or amount != int(amount) or not 0 <= amount <= MOST_STEPS:
                shown = "null" if amount is None else amount
                raise UserError(key, shown, f"must be a whole number of updates, from 0 to {MOST_STEPS}")
    if kind == "action" and isinstance(agent.env.action, Discrete):
        for amount in amounts:
            if amount is not None and amount > 1:
                raise UserError(key, amount, "must be a probability, from 0 to 1, where actions are choices")
    if kind == FULL_KIND and "learning_rate" not in inspect.signature(agent.update).parameters:
        for amount in amounts:
            if amount is not None:
                raise UserError(key, amount, f"must be null: update of {agent.name} takes no learning_rate")
    if None not in amounts:
        return
    if _read_as(agent, kind) is None:
        raise UserError(key, "null", f"must be a number with {kind}; only updates have a rate of the run's own")
    if any(amount is not None and not amount_sets_rate(agent, kind, amount) for amount in amounts):
        raise UserError(key, "[0,null]", f"0 and null are the same with {kind}, the run's own rate; give one of them")


def amount_sets_rate(agent: Agent, kind: str, amount: float | None) -> bool:
    """Whether the user's number replaces the run's learning rate: always where it is one, if positive where it is a
    label; None never does."""
    update = _read_as(agent, kind)
    if update is None or amount is None:
        return False
    return update.amount == "learning_rate" or amount > 0
