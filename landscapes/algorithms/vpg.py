"""Vanilla policy gradients with a baseline (Sutton et al., 2000; Schulman et al., 2016), as one course teaches them.

Knows its own state, losses and updates; knows nothing of seeds, files or command lines.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.networks import losses
from landscapes.networks.actor_critic import make_actor_critic
from landscapes.networks.advantages import Steps, normalized, psi, rewards_to_go, values_after
from landscapes.networks.optimizers import adam, descend, norm_spread
from landscapes.networks.policies import acting
from landscapes.settings.algorithms.vpg import Config
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Algorithm, Collecting, Key, Metrics, Policy, PyTree, Unrolled, UpdateKind

NAME = "vpg"
ACTIONS = (Box, Discrete)
"""The spaces that actions may be of."""


class Learner(NamedTuple):
    """What updates change; policy and critic each have an optimizer."""

    policy: Policy
    critic: PyTree
    actor_opt_state: PyTree
    critic_opt_state: PyTree


class Batch(NamedTuple):
    """All steps of an epoch, `[B, ...]`; `log_prob` is that of the policy that acted, `psi` ready for the loss."""

    obs: jax.Array
    action: jax.Array
    log_prob: jax.Array
    psi: jax.Array
    value_target: jax.Array


def make(config: Config, spaces: Spaces) -> Algorithm:
    """VPG in these spaces as pure functions."""
    networks = make_actor_critic("mlp", config, spaces)
    optimizer = adam()

    def see(policy: Policy, obs: jax.Array) -> jax.Array:
        return networks.see(policy.params, obs)

    def decide(policy: Policy, seen: jax.Array) -> Any:
        return networks.decide(policy.params, seen)

    def values_of(params: PyTree, policy: Policy, obs: jax.Array) -> jax.Array:
        return networks.value(params, see(policy, obs))

    explore, act, log_prob = acting(see, decide, spaces.action)

    def init(key: Key) -> tuple[Learner, PyTree]:
        actor_params, critic_params = networks.init(key)
        opt_states = optimizer.init(actor_params), optimizer.init(critic_params)
        return Learner(Policy(actor_params, ()), critic_params, *opt_states), ()

    def digest(key: Key, learner: Learner, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, Batch, Metrics]:
        """ψ and value targets of one epoch; leaves are `[num_envs · T, ...]`."""
        steps = unrolled.steps
        values = values_of(learner.critic, learner.policy, steps.obs)
        next_values = values_after(
            lambda obs: values_of(learner.critic, learner.policy, obs),
            values,
            steps.next_obs,
            asked=~steps.terminated,
            ended=steps.terminated | steps.truncated,
        )
        lived = Steps(steps.reward, values, next_values, steps.terminated, steps.truncated)
        weights = jax.vmap(lambda x: psi(config.psi, x, config.gamma, config.gae_lambda))(lived)
        if config.normalize_psi:
            weights = normalized(weights, 1e-5)
        if config.value_target == "rewards_to_go":
            targets = jax.vmap(lambda x: rewards_to_go(x, config.gamma))(lived)
        else:
            targets = values + jax.vmap(lambda x: psi("gae", x, config.gamma, config.gae_lambda))(lived)
        batch = Batch(steps.obs, steps.action, unrolled.extras["log_prob"], weights, targets)
        num_ended = jnp.sum(steps.terminated | steps.truncated).astype(jnp.float32)
        metrics = {"reward": steps.reward.mean(), "episodes_ended": num_ended, "value": values.mean()}
        return log, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch), metrics

    def batch_of(key: Key, log: PyTree, data: Batch) -> Batch:
        """All of it: nothing is drawn."""
        return data

    def policy_update(
        key: Key, learner: Learner, batch: Batch, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """One Adam step on the policy; ψ stays as it is. Without a ratio the loss takes every action for one that the
        policy of today drew, which is true of the first step on a batch only."""

        def loss(params: PyTree) -> tuple[jax.Array, Metrics]:
            policy = learner.policy._replace(params=params)
            found = decide(policy, see(policy, batch.obs))
            log_probs = found.log_prob(batch.action)
            log_ratio = log_probs - batch.log_prob
            if config.loss_mode == "vpg":
                value = losses.policy_gradient_loss(log_probs, batch.psi)
            else:
                value = losses.clipped_surrogate_loss(jnp.exp(log_ratio), batch.psi, config.clip_eps)
            metrics = {"policy_loss": value, "entropy": found.entropy().mean()}
            return value, metrics | losses.ratio_metrics(log_ratio, config.clip_eps)

        gradients, metrics = jax.grad(loss, has_aux=True)(learner.policy.params)
        rate = config.actor_lr if learning_rate is None else learning_rate
        params, opt_state, norm = descend(optimizer, learner.policy.params, gradients, learner.actor_opt_state, rate)
        learner = learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)
        return learner, metrics | {"actor_grad_norm": norm}

    def critic_update(learner: Learner, batch: Batch) -> tuple[Learner, Metrics]:
        """One Adam step on the mean squared error to the value targets, without a ½."""

        def loss(params: PyTree) -> jax.Array:
            return 2.0 * losses.value_loss(values_of(params, learner.policy, batch.obs), batch.value_target)

        value, gradients = jax.value_and_grad(loss)(learner.critic)
        params, opt_state, norm = descend(
            optimizer, learner.critic, gradients, learner.critic_opt_state, config.critic_lr
        )
        return learner._replace(critic=params, critic_opt_state=opt_state), {
            "value_loss": value,
            "critic_grad_norm": norm,
        }

    def update(
        key: Key, learner: Learner, log: PyTree, data: Batch, phase: int, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """`policy_iterations` steps on the policy, then `value_iterations` on the critic, all on the one batch.

        Metrics are those of the last step, but for the entropy, which is that of the policy that acted, and gradient
        norms, over all steps.
        """
        keys = jax.random.split(key, config.policy_iterations)
        learner, of_policy = jax.lax.scan(lambda x, key: policy_update(key, x, data, learning_rate), learner, keys)
        learner, of_critic = jax.lax.scan(
            lambda x, _: critic_update(x, data), learner, None, length=config.value_iterations
        )
        each = of_policy | of_critic
        metrics = {name: values[-1] for name, values in each.items()} | {"entropy": each["entropy"][0]}
        for name in ("actor_grad_norm", "critic_grad_norm"):
            metrics |= norm_spread(name, each[name])
        return learner, metrics

    return Algorithm(
        name=NAME,
        init=init,
        collecting=Collecting(config.num_envs, config.unroll_length, fresh_starts=config.fresh_starts),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        is_stochastic=True,
        log_prob=log_prob,
        update_kinds={"vpg_optimization": UpdateKind("learning_rate")},
    )
