"""PPO with a clipped surrogate (Schulman et al., 2017), with the settings of Rahn, D'Oro et al. (2023).

Knows its own state, losses and updates; knows nothing of seeds, files or command lines.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.algorithms.checks import require_vectors
from landscapes.errors import UserError
from landscapes.experience import minibatches
from landscapes.networks import losses, running, schedules
from landscapes.networks.actor_critic import make_actor_critic, network_for
from landscapes.networks.advantages import normalized, values_after
from landscapes.networks.optimizers import adam, descend, global_norm, norm_spread
from landscapes.networks.policies import acting
from landscapes.settings.algorithms.ppo import Config
from landscapes.settings.fields import shown
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Algorithm, Collecting, Key, Metrics, Policy, PyTree, Unrolled, UpdateKind

NAME = "ppo"
ACTIONS = (Box, Discrete)
"""The spaces that actions may be of."""


class Learner(NamedTuple):
    """What updates change. Policy and critic share one optimizer, unless each is to have its own.

    `learning_rate` [] is that of the current iteration (schedules move it), `num_iterations` [] uint32 counts those
    that are done. What a switch needs is `()` where it is off: `policy.constants`, the moments of observations;
    `critic_opt_state`; `reward_scale`.
    """

    policy: Policy
    critic: PyTree
    opt_state: PyTree
    learning_rate: jax.Array
    num_iterations: jax.Array
    critic_opt_state: PyTree = ()
    reward_scale: PyTree = ()


class Batch(NamedTuple):
    """Data of an update, `[B, ...]`; `action` is the raw one, neither clipped nor squashed, that `log_prob` is of."""

    obs: jax.Array
    action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    value: jax.Array
    value_target: jax.Array


class Data(NamedTuple):
    """What one iteration learns from, and the scale of rewards after it."""

    batch: Batch
    reward_scale: PyTree


def make(config: Config, spaces: Spaces) -> Algorithm:
    """PPO in these spaces as pure functions."""
    if config.squash and not isinstance(spaces.action, Box):
        raise UserError("squash", shown(config.squash), f"needs actions that are numbers, not {spaces.action}")
    require_vectors("normalize_observations", config.normalize_observations, spaces)
    require_vectors("clip_observations", config.clip_observations, spaces)
    network = config.network or network_for(spaces.observation)
    if config.separate_optimizers and network != "mlp":
        allowed = f"actor and critic share layers in network={network}; needs network=mlp"
        raise UserError("separate_optimizers", shown(config.separate_optimizers), allowed)
    try:
        networks = make_actor_critic(network, config, spaces, log_std_max=config.log_std_max, squash=config.squash)
    except ValueError as error:
        raise UserError("network", network, str(error).removeprefix(f"network {network}: ")) from error
    optimizer = adam(eps=1e-5, max_grad_norm=config.max_grad_norm)
    critic_optimizer = adam(eps=1e-5, max_grad_norm=config.critic_max_grad_norm or config.max_grad_norm)

    def see(policy: Policy, obs: jax.Array) -> jax.Array:
        """What policy and critic look at."""
        return networks.see(policy.params, running.standardized(policy.constants, obs, config.clip_observations))

    def decide(policy: Policy, seen: jax.Array) -> Any:
        return networks.decide(policy.params, seen)

    explore, act, log_prob = acting(see, decide, spaces.action, keeps_raw=config.squash, keeps_seen=networks.is_shared)

    def init(key: Key) -> tuple[Learner, PyTree]:
        params, critic_params = networks.init(key)
        constants = running.no_moments(spaces.observation.shape) if config.normalize_observations else ()
        policy = Policy(params, constants)
        apart = config.separate_optimizers
        return Learner(
            policy,
            critic_params,
            optimizer.init(policy.params if apart else (policy.params, critic_params)),
            jnp.float32(config.learning_rate),
            jnp.uint32(0),
            critic_optimizer.init(critic_params) if apart else (),
            running.no_reward_scale(config.num_envs) if config.normalize_rewards else (),
        ), ()

    def digest(key: Key, learner: Learner, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, Data, Metrics]:
        """Advantages of one unroll of every environment; `Batch` leaves are `[num_envs · T]`."""
        steps = unrolled.steps
        ended = steps.terminated | steps.truncated
        rewards, scale = running.scaled(learner.reward_scale, steps.reward, ended, config.gamma, config.clip_rewards)
        terminated = steps.terminated if config.bootstrap_truncated else ended

        def value_of(obs: jax.Array) -> jax.Array:
            return networks.value(learner.critic, see(learner.policy, obs))

        seen = unrolled.extras["seen"] if networks.is_shared else see(learner.policy, steps.obs)
        values = networks.value(learner.critic, seen)
        next_values = values_after(value_of, values, steps.next_obs, asked=~terminated, ended=ended)
        advantages = jax.vmap(losses.generalized_advantages, in_axes=(0, 0, 0, 0, 0, None, None))(
            rewards, values, next_values, terminated, steps.truncated, config.gamma, config.gae_lambda
        )
        targets = advantages + values
        if config.advantage_normalization == "batch":
            advantages = normalized(advantages, 1e-8)
        raw = unrolled.extras["raw_action"] if config.squash else steps.action
        batch = Batch(steps.obs, raw, unrolled.extras["log_prob"], advantages, values, targets)
        metrics = {"reward": steps.reward.mean(), "episodes_ended": jnp.sum(ended).astype(jnp.float32)}
        return log, Data(jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch), scale), metrics

    def batch_of(key: Key, log: PyTree, data: Data) -> Batch:
        """One random minibatch."""
        return jax.tree.map(lambda x: x[0], minibatches.partition(key, data.batch, config.num_minibatches))

    def policy_loss(key: Key, params: PyTree, seen: jax.Array, batch: Batch) -> tuple[jax.Array, Metrics]:
        """The clipped surrogate less the bonus for entropy."""
        found = networks.decide(params, seen)
        log_ratio = found.log_prob_raw(batch.action) - batch.log_prob
        advantage = batch.advantage
        if config.advantage_normalization == "minibatch":
            advantage = normalized(advantage, 1e-8)
        surrogate = losses.clipped_surrogate_loss(jnp.exp(log_ratio), advantage, config.clip_eps)
        entropy = (found.squashed_entropy(key) if config.squashed_entropy else found.entropy()).mean()
        metrics = {"policy_loss": surrogate, "entropy": entropy, **losses.ratio_metrics(log_ratio, config.clip_eps)}
        return surrogate - config.ent_coef * entropy, metrics

    def value_loss(params: PyTree, seen: jax.Array, batch: Batch) -> tuple[jax.Array, Metrics]:
        values = networks.value(params, seen)
        if config.clip_vloss:
            error = losses.clipped_value_loss(values, batch.value, batch.value_target, config.clip_eps)
        else:
            error = losses.value_loss(values, batch.value_target)
        return config.vf_coef * error, {"value_loss": error, "value": values.mean()}

    def policy_update(
        key: Key, learner: Learner, batch: Batch, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """One Adam step on one minibatch; the loss of Schulman et al. (2017), eq. 9. It moves the critic too, unless
        that has an optimizer of its own."""
        policy = learner.policy
        rate = learner.learning_rate if learning_rate is None else learning_rate

        def of_policy(params: PyTree) -> tuple[jax.Array, Metrics]:
            return policy_loss(key, params, see(policy._replace(params=params), batch.obs), batch)

        def of_both(params: tuple[PyTree, PyTree]) -> tuple[jax.Array, Metrics]:
            seen = see(policy._replace(params=params[0]), batch.obs)
            of_actions, metrics = policy_loss(key, params[0], seen, batch)
            of_values, more = value_loss(params[1], seen, batch)
            return of_actions + of_values, metrics | more | {"loss": of_actions + of_values}

        if config.separate_optimizers:
            gradients, metrics = jax.grad(of_policy, has_aux=True)(policy.params)
            params, opt_state, norm = descend(optimizer, policy.params, gradients, learner.opt_state, rate)
            learner = learner._replace(policy=policy._replace(params=params), opt_state=opt_state)
            return learner, metrics | {"actor_grad_norm": norm}
        both = (policy.params, learner.critic)
        gradients, metrics = jax.grad(of_both, has_aux=True)(both)
        both, opt_state, norm = descend(optimizer, both, gradients, learner.opt_state, rate)
        metrics |= {"actor_grad_norm": global_norm(gradients[0]), "critic_grad_norm": global_norm(gradients[1])}
        return learner._replace(
            policy=policy._replace(params=both[0]), critic=both[1], opt_state=opt_state
        ), metrics | {"grad_norm": norm}

    def critic_update(learner: Learner, batch: Batch) -> tuple[Learner, Metrics]:
        """One Adam step of a critic with an optimizer of its own, whose rate keeps its proportion to the policy's."""
        gradients, metrics = jax.grad(value_loss, has_aux=True)(learner.critic, see(learner.policy, batch.obs), batch)
        rate = learner.learning_rate
        if config.critic_learning_rate is not None:
            share = learner.learning_rate / config.learning_rate if config.learning_rate else jnp.float32(1.0)
            rate = config.critic_learning_rate * share
        params, opt_state, norm = descend(critic_optimizer, learner.critic, gradients, learner.critic_opt_state, rate)
        return learner._replace(critic=params, critic_opt_state=opt_state), metrics | {"critic_grad_norm": norm}

    def minibatch_step(key: Key, learner: Learner, batch: Batch) -> tuple[Learner, Metrics]:
        learner, metrics = policy_update(key, learner, batch)
        if config.separate_optimizers:
            learner, of_critic = critic_update(learner, batch)
            metrics |= of_critic
        return learner, metrics

    def scheduled_step(key: Key, learner: Learner, batch: Batch) -> tuple[Learner, Metrics]:
        learner, metrics = minibatch_step(key, learner, batch)
        if config.lr_schedule == "kl":
            rate = schedules.by_kl(learner.learning_rate, metrics["approx_kl"], config.lr_kl)
            learner = learner._replace(learning_rate=rate)
        return learner, metrics

    def update(
        key: Key, learner: Learner, log: PyTree, data: Data, phase: int, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """`num_epochs` passes over the unroll in `num_minibatches` steps each; then what normalises moves."""
        rate, step = learning_rate, minibatch_step
        if rate is None:
            rate, step = schedules.of_iteration(config, learner.learning_rate, learner.num_iterations), scheduled_step
        learner = learner._replace(learning_rate=rate)
        goes_on = None if config.target_kl is None else lambda metrics: metrics["approx_kl"] <= config.target_kl
        passes = minibatches.epochs(key, learner, data.batch, step, config.num_epochs, config.num_minibatches, goes_on)
        learner, metrics = passes.learner, passes.means()
        for name in ("actor_grad_norm", "critic_grad_norm"):
            metrics |= norm_spread(name, passes.metrics[name], passes.each_weight())
        metrics |= {"learning_rate": learner.learning_rate, "epochs": jnp.sum(passes.weights > 0).astype(jnp.float32)}
        if config.normalize_observations:
            moved = running.merged(learner.policy.constants, data.batch.obs)
            learner = learner._replace(policy=learner.policy._replace(constants=moved))
        num_iterations = learner.num_iterations + jnp.uint32(1)
        return learner._replace(num_iterations=num_iterations, reward_scale=data.reward_scale), metrics

    return Algorithm(
        name=NAME,
        init=init,
        collecting=Collecting(config.num_envs, config.unroll_length),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        is_stochastic=True,
        log_prob=log_prob,
        update_kinds={"ppo_optimization": UpdateKind("label")},
    )
