"""TD3 (Fujimoto, van Hoof and Meger, 2018), with the settings of Rahn, D'Oro et al. (2023), who call it DDPG.

Knows its own state, losses and updates; knows nothing of seeds, files or command lines.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.algorithms.checks import action_size
from landscapes.experience import replay
from landscapes.networks import losses
from landscapes.networks.modules import DeterministicActor, TwinCritic
from landscapes.networks.optimizers import adam, descend
from landscapes.settings.algorithms.td3 import Config
from landscapes.spaces import Box, Spaces
from landscapes.types import (
    Algorithm,
    Collecting,
    Key,
    Metrics,
    Policy,
    PyTree,
    TimeStep,
    Transition,
    Unrolled,
    UpdateKind,
)

NAME = "td3"
ACTIONS = (Box,)
"""The spaces that actions may be of."""


class Learner(NamedTuple):
    """What updates change. `policy.constants` is empty; critics are pairs (Q1, Q2) of parameter trees."""

    policy: Policy
    target_policy: PyTree
    critic: PyTree
    target_critic: PyTree
    actor_opt_state: PyTree
    critic_opt_state: PyTree


def critic_targets(
    key: Key, actor: DeterministicActor, critic: TwinCritic, learner: Learner, batch: Transition, config: Config
) -> jax.Array:
    """y = r + γ (1 − terminated) min(Q1', Q2')(s', clip(π'(s') + clip(ε, ±c), ±1)), `[B]`; eq. 14 and 15 there."""
    noise = config.target_policy_noise * jax.random.normal(key, batch.action.shape)
    noise = jnp.clip(noise, -config.target_noise_clip, config.target_noise_clip)
    action = jnp.clip(actor.apply(learner.target_policy, batch.next_obs) + noise, -1.0, 1.0)
    next_value = critic.apply(learner.target_critic, batch.next_obs, action).min(axis=0)
    return losses.td_target(batch.reward, batch.terminated, next_value, config.gamma)


def make(config: Config, spaces: Spaces) -> Algorithm:
    """TD3 in these spaces as pure functions."""
    actor = DeterministicActor(config.hidden_dims, action_size(spaces), config.final_fc_init_scale)
    critic = TwinCritic(config.hidden_dims)
    optimizer = adam()

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        action = actor.apply(policy.params, timestep.obs)
        noise = config.exploration_noise * jax.random.normal(key, action.shape)
        return jnp.clip(action + noise, -1.0, 1.0), memory, ()

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return actor.apply(policy.params, timestep.obs), memory

    def init(key: Key) -> tuple[Learner, replay.Replay]:
        key_actor, key_critic = jax.random.split(key)
        obs, action = spaces.observation.zero(), spaces.action.zero()
        actor_params, critic_params = actor.init(key_actor, obs), critic.init(key_critic, obs, action)
        policy = Policy(actor_params, ())
        learner = Learner(
            policy,
            actor_params,
            critic_params,
            critic_params,
            optimizer.init(actor_params),
            optimizer.init(critic_params),
        )
        return learner, replay.make_replay(spaces, config.replay_capacity)

    def digest(
        key: Key, learner: Learner, log: replay.Replay, unrolled: Unrolled
    ) -> tuple[replay.Replay, PyTree, Metrics]:
        """The steps appended to the replay log."""
        return replay.insert(log, replay.in_order(unrolled)), (), {}

    def batch_of(key: Key, log: replay.Replay, data: PyTree) -> Transition:
        return replay.sample(key, log, config.actor_batch_size)

    def critic_update(key: Key, learner: Learner, batch: Transition) -> tuple[Learner, Metrics]:
        target = critic_targets(key, actor, critic, learner, batch, config)

        def loss(params: PyTree) -> tuple[jax.Array, jax.Array]:
            q = critic.apply(params, batch.obs, batch.action)
            return losses.twin_critic_loss(q, target), q

        (value, q), gradients = jax.value_and_grad(loss, has_aux=True)(learner.critic)
        params, opt_state, norm = descend(
            optimizer, learner.critic, gradients, learner.critic_opt_state, config.critic_lr
        )
        metrics = {"critic_loss": value, "q1": q[0].mean(), "q2": q[1].mean(), "critic_grad_norm": norm}
        return learner._replace(critic=params, critic_opt_state=opt_state), metrics

    def policy_update(
        key: Key, learner: Learner, batch: Transition, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """One Adam step on −mean(min(Q1, Q2)(s, π(s))) (min as published; Fujimoto et al. use Q1), critics frozen."""

        def loss(params: PyTree) -> jax.Array:
            return -critic.apply(learner.critic, batch.obs, actor.apply(params, batch.obs)).min(axis=0).mean()

        value, gradients = jax.value_and_grad(loss)(learner.policy.params)
        rate = config.actor_lr if learning_rate is None else learning_rate
        params, opt_state, norm = descend(optimizer, learner.policy.params, gradients, learner.actor_opt_state, rate)
        learner = learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)
        return learner, {"actor_loss": value, "actor_grad_norm": norm}

    def one_update(
        key: Key, learner: Learner, log: replay.Replay, with_actor: bool, learning_rate: jax.Array | None
    ) -> tuple[Learner, Metrics]:
        """One full update; actor and critics learn from the same rows as far as their batch sizes agree."""
        key_batch, key_critic, key_actor = jax.random.split(key, 3)
        rows = replay.sample(key_batch, log, max(config.actor_batch_size, config.critic_batch_size))
        learner, metrics = critic_update(
            key_critic, learner, jax.tree.map(lambda x: x[: config.critic_batch_size], rows)
        )
        if with_actor:
            learner, actor_metrics = policy_update(
                key_actor, learner, jax.tree.map(lambda x: x[: config.actor_batch_size], rows), learning_rate
            )
            learner = learner._replace(
                target_policy=losses.polyak(learner.target_policy, learner.policy.params, config.tau),
                target_critic=losses.polyak(learner.target_critic, learner.critic, config.tau),
            )
            metrics = metrics | actor_metrics
        return learner, metrics

    def update(
        key: Key, learner: Learner, log: replay.Replay, data: PyTree, phase: int, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        metrics: Metrics = {}
        for i in range(config.updates_per_step):
            with_actor = (phase * config.updates_per_step + i + 1) % config.policy_delay == 0
            learner, new = one_update(jax.random.fold_in(key, i), learner, log, with_actor, learning_rate)
            metrics = metrics | new
        return learner, metrics

    return Algorithm(
        name=NAME,
        init=init,
        collecting=Collecting(),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        period=config.policy_delay // math.gcd(config.policy_delay, config.updates_per_step),
        learns_from_log=True,
        warm_up_steps=config.learning_starts,
        update_kinds={
            "td3_optimization": UpdateKind("learning_rate"),
            "td3_opt_with_action": UpdateKind("label", action_noise=0.1, episodes=10),
        },
    )
