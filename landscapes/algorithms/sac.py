"""SAC (Haarnoja et al., 2018, with a learned temperature), with the settings of Rahn, D'Oro et al. (2023).

Knows its own state, losses and updates; knows nothing of seeds, files or command lines.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscapes.algorithms.checks import action_size
from landscapes.experience import replay
from landscapes.networks import losses
from landscapes.networks.distributions import TanhGaussian
from landscapes.networks.modules import TanhGaussianActor, TwinCritic
from landscapes.networks.optimizers import adam, descend
from landscapes.settings.algorithms.sac import Config
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

NAME = "sac"
ACTIONS = (Box,)
"""The spaces that actions may be of."""


class Learner(NamedTuple):
    """What updates change. `policy.constants` is empty; critics are pairs (Q1, Q2) of parameter trees."""

    policy: Policy
    critic: PyTree
    target_critic: PyTree
    log_temperature: jax.Array
    actor_opt_state: PyTree
    critic_opt_state: PyTree
    temperature_opt_state: PyTree


def make(config: Config, spaces: Spaces) -> Algorithm:
    """SAC in these spaces as pure functions."""
    num = action_size(spaces)
    actor = TanhGaussianActor(config.hidden_dims, num, config.final_fc_init_scale)
    critic = TwinCritic(config.hidden_dims)
    optimizer = adam()
    target_entropy = -num / 2 if config.target_entropy is None else config.target_entropy

    def distribution(params: PyTree, obs: jax.Array) -> TanhGaussian:
        return TanhGaussian(*actor.apply(params, obs))

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        action, log_prob = distribution(policy.params, timestep.obs).sample_with_log_prob(key)
        return action, memory, {"log_prob": log_prob}

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return distribution(policy.params, timestep.obs).mode(), memory

    def init(key: Key) -> tuple[Learner, replay.Replay]:
        key_actor, key_critic = jax.random.split(key)
        obs, action = spaces.observation.zero(), spaces.action.zero()
        actor_params, critic_params = actor.init(key_actor, obs), critic.init(key_critic, obs, action)
        log_temperature = jnp.log(jnp.float32(config.initial_temperature))
        policy = Policy(actor_params, ())
        learner = Learner(
            policy,
            critic_params,
            critic_params,
            log_temperature,
            optimizer.init(actor_params),
            optimizer.init(critic_params),
            optimizer.init(log_temperature),
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
        """One step on both critics towards r + γ (1 − terminated) (min Q'(s', a') − α log π(a'|s'))."""
        next_action, next_log_prob = distribution(learner.policy.params, batch.next_obs).sample_with_log_prob(key)
        next_q = critic.apply(learner.target_critic, batch.next_obs, next_action).min(axis=0)
        next_value = next_q - jnp.exp(learner.log_temperature) * next_log_prob
        target = losses.td_target(batch.reward, batch.terminated, next_value, config.gamma)

        def loss(params: PyTree) -> tuple[jax.Array, jax.Array]:
            q = critic.apply(params, batch.obs, batch.action)
            return losses.twin_critic_loss(q, target), q

        (value, q), gradients = jax.value_and_grad(loss, has_aux=True)(learner.critic)
        params, opt_state, norm = descend(
            optimizer, learner.critic, gradients, learner.critic_opt_state, config.critic_lr
        )
        learner = learner._replace(
            critic=params,
            critic_opt_state=opt_state,
            target_critic=losses.polyak(learner.target_critic, params, config.tau),
        )
        return learner, {"critic_loss": value, "q1": q[0].mean(), "q2": q[1].mean(), "critic_grad_norm": norm}

    def policy_update(
        key: Key, learner: Learner, batch: Transition, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """One Adam step on mean(α log π(a|s) − min(Q1, Q2)(s, a)), a ~ π; critics and temperature frozen."""

        def loss(params: PyTree) -> tuple[jax.Array, jax.Array]:
            action, log_prob = distribution(params, batch.obs).sample_with_log_prob(key)
            q = critic.apply(learner.critic, batch.obs, action).min(axis=0)
            return jnp.mean(jnp.exp(learner.log_temperature) * log_prob - q), -log_prob.mean()

        (value, entropy), gradients = jax.value_and_grad(loss, has_aux=True)(learner.policy.params)
        rate = config.actor_lr if learning_rate is None else learning_rate
        params, opt_state, norm = descend(optimizer, learner.policy.params, gradients, learner.actor_opt_state, rate)
        learner = learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)
        return learner, {"actor_loss": value, "actor_grad_norm": norm, "entropy": entropy}

    def temperature_update(learner: Learner, entropy: jax.Array) -> tuple[Learner, Metrics]:
        """One Adam step on α (entropy − target), taken with respect to log α."""
        value, gradient = jax.value_and_grad(lambda x: jnp.exp(x) * (entropy - target_entropy))(learner.log_temperature)
        log_temperature, opt_state, _ = descend(
            optimizer, learner.log_temperature, gradient, learner.temperature_opt_state, config.temperature_lr
        )
        metrics = {"temperature_loss": value, "temperature": jnp.exp(log_temperature)}
        return learner._replace(log_temperature=log_temperature, temperature_opt_state=opt_state), metrics

    def one_update(
        key: Key, learner: Learner, log: replay.Replay, learning_rate: jax.Array | None
    ) -> tuple[Learner, Metrics]:
        """One full update; actor and critics learn from the same rows as far as their batch sizes agree."""
        key_batch, key_critic, key_actor = jax.random.split(key, 3)
        rows = replay.sample(key_batch, log, max(config.actor_batch_size, config.critic_batch_size))
        learner, critic_metrics = critic_update(
            key_critic, learner, jax.tree.map(lambda x: x[: config.critic_batch_size], rows)
        )
        learner, actor_metrics = policy_update(
            key_actor, learner, jax.tree.map(lambda x: x[: config.actor_batch_size], rows), learning_rate
        )
        learner, temperature_metrics = temperature_update(learner, actor_metrics["entropy"])
        return learner, critic_metrics | actor_metrics | temperature_metrics

    def update(
        key: Key, learner: Learner, log: replay.Replay, data: PyTree, phase: int, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        metrics: Metrics = {}
        for i in range(config.updates_per_step):
            learner, metrics = one_update(jax.random.fold_in(key, i), learner, log, learning_rate)
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
        is_stochastic=True,
        learns_from_log=True,
        warm_up_steps=config.learning_starts,
        update_kinds={"sac_optimization": UpdateKind("label")},
    )
